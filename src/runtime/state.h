/* SPDX-License-Identifier: MIT */
/*
 * The state that a supervisor publishes: /run/nbd-attach/nbdN.state, KEY=VALUE lines, replaced
 * atomically. The file only describes; decisions use the kernel and the locks. Every user can read
 * it, so it must not contain a secret.
 */
#ifndef RUNTIME_STATE_H
#define RUNTIME_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/terminal.h"
#include "runtime/history.h"

#define STATE_TEXT_MAX 16384 /* a canonical URI: 4096 bytes, each as %XX, and the rest */

#define STATE_LINKS_MAX 16

/* One connection, as TCP knows it; zeroes and "" for a Unix socket. */
struct state_link {
	char local[64], peer[64]; /* `127.0.0.1:40000`, `[::1]:40000`; "" if not known */
	uint64_t inode;		  /* of the socket; 0: not known */
	uint32_t rtt_us;
	uint32_t retransmits;	 /* segments since the connection began */
	uint64_t sent, received; /* bytes since then */
};

/* The protection and the transport of the newest connection. */
struct state_tls {
	char version[16]; /* "TLS1.3"; "": no TLS */
	char cipher[32];
	char peer[256];	      /* the subject of the server's certificate; "": none */
	int64_t peer_expires; /* seconds since 1970; 0: no certificate */
	int64_t own_expires;
	bool relay;	 /* by a process between the kernel and the server, not by the kernel */
	bool unverified; /* the server's identity was not verified */
};

#define STATE_EXPIRY_WARNING INT64_C(1209600) /* seconds: two weeks */

struct state {
	int index;		   /* of /dev/nbdN */
	int pid;		   /* the supervisor; 0: none */
	char name[16];		   /* of the state: fsm.h, or "unsupervised" */
	int64_t since;		   /* seconds since 1970 */
	char history[HISTORY_MAX]; /* its latest states */
	char stable_name[65];	   /* in /dev/disk/by-nbd; "" if it has none */
	char config[65];    /* of the configuration, `data` or `nbd0`; "" if there was none */
	char options[2048]; /* which it has, each with a digest of its value; "" if unknown */
	char uri[STATE_TEXT_MAX];
	char export_name[33]; /* a digest of the one that the server said; "": none */
	char identifier[STATE_TEXT_MAX];
	char address[256];   /* the server's, in use */
	char backend[16];    /* "netlink" or "ioctl"; "" if unknown */
	uint64_t attachment; /* sysfs_attachment(): what this describes; 0: not known */
	uint64_t size;	     /* bytes */
	uint32_t block_size;
	uint32_t max_request; /* bytes: the largest that the device may send; 0: not known */
	bool read_only;
	unsigned connections;
	unsigned alive;	      /* connections that are not dead */
	unsigned flags;	      /* NBD_TX_* as given to the kernel */
	bool flush;	      /* the kernel sends the server a flush for fsync(2) */
	int64_t dead_timeout; /* seconds; -1: without end */
	bool stalled;	      /* requests under way, none completed for a while */
	unsigned in_flight;
	bool uncounted;	      /* queue/iostats is 0: the two above cannot be told */
	bool unsettled;	      /* the server may still carry out writes of an old connection */
	bool unproved;	      /* and no time settles that */
	unsigned reconnects;  /* connections replaced */
	unsigned outages;     /* number of outages: times when no connection was alive */
	int64_t outage_since; /* seconds since 1970; 0: there is none */
	/*
	 * From the outage mark, not from the state file: when the outage began, on the monotonic
	 * clock; 0: not known.
	 */
	uint64_t outage_began_ms;
	bool outage_held;	 /* without a dead timeout */
	uint64_t last_outage_ms; /* the present one's, if there is one */
	uint64_t downtime_ms;	 /* of all outages */
	int64_t next_try;	 /* seconds since 1970; 0: none is planned */
	int64_t errors;		 /* requests that the server answered with one; -1: not known */
	bool errors_missed;	 /* there may have been more */
	int64_t error_at;	 /* seconds since 1970: the last of them; 0: none */
	char error_name[16];	 /* the last one's, "EIO" */
	bool leaving;		 /* the server says that it is shutting down */
	int64_t farewell_at;	 /* seconds since 1970: its connections were ended for that; 0 */
	char outage_cause[128];	 /* of the present or last outage */
	char error[ERR_MESSAGE_MAX];  /* why the last attempt failed */
	char addresses[2048];	      /* of the server, known at attach, with spaces between */
	char serving[STATE_TEXT_MAX]; /* with --failover: the URI in use; "unknown" */
	unsigned failovers;	      /* times that another server took over */
	char fence[256];	      /* state of the --fence command, for people; "": none */
	char content[704];	      /* of --same-content: content.c has its forms */
	char captive[16];	      /* the ID of a captive server's keeper; "" if there is none */
	char captive_state[160];      /* state of that server, for people */
	int captive_pid;	      /* its process; 0: it does not run */
	unsigned captive_starts;      /* how often it was started */
	int64_t peer_uid;	      /* user id of the server of a Unix socket; -1: not known */
	struct state_tls tls;
	struct state_link link[STATE_LINKS_MAX]; /* the first `alive` */
};

/* Writes the file; the directory must exist. 0 or -errno. */
int state_write(const struct state *s);

/*
 * Reads it. 0, -ENOENT (no file), or another -errno with *err; unknown lines are ignored. The text
 * is checked: values are printable and bounded.
 */
int state_read(int index, struct state *ret_state, struct err *err);

/* The same from an open file (borrowed). */
void state_parse(int index, FILE *f, struct state *ret_state);
void state_remove(int index);

/* The device whose state file, in rundir(), has this name; -1: it is another file. */
int state_file_index(const char *name);

/* How a terminal shows a state: its name, or the name with more words after it. */
enum terminal_look state_look(const char *name);

/* One paragraph for people, or one JSON object for programs. */
void state_print(const struct state *s, FILE *out);
struct json;
void state_json(const struct state *s, struct json *j);

/* `until 2027-01-01 12:00:00, EXPIRES SOON`: a certificate's end, in local time. Returns buf. */
char *expiry_text(int64_t when, char *buf, size_t len);

/* `10 GiB`, `41472 bytes`: exact when it is a whole number of units. Returns buf. */
char *size_text(uint64_t bytes, char *buf, size_t len);

#endif
