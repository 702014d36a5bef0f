/* SPDX-License-Identifier: MIT */
/*
 * The command line. The parser, --help and the completion all use one table (cli/table.c).
 *
 * options_parse() neither prints nor exits; it calls getopt_long(3), so one thread at a time. It
 * reads a configuration file if the command line names no server (cli/conf.h), and does not block
 * otherwise.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "kernel/kernel.h"
#include "supervise/supervisor.h"
#include "supervise/reconnect/targets.h"
#include "endpoint/endpoint.h"

struct option_def;

enum verb {
	VERB_ATTACH, /* the default */
	VERB_DETACH,
	VERB_CHECK,
	VERB_RECONNECT,
	VERB_RESIZE,
	VERB_FAIL_NOW,
	VERB_RELOAD,
	VERB_REPORT,
	VERB_STATUS,
	VERB_LIST,
	VERB_INFO,
	VERB_CHECK_CONFIG,
	VERB_IMPORT,
	VERB_SHUTDOWN,
	VERB_ATTACH_ALL,
	VERB_HELP,
	VERB_VERSION,
	VERB_COMPLETION,
	VERB_KEEP, /* hidden: be the keeper of a captive server */
};

/* In the order of completion_shells[]. */
enum completion_shell { SHELL_BASH, SHELL_ZSH, SHELL_FISH };

#define OPTIONS_CONNECT_TIMEOUT	 10000 /* ms */
#define OPTIONS_DEAD_TIMEOUT	 600   /* s */
#define OPTIONS_GRACE		 10    /* s */
#define OPTIONS_PEER_TIMEOUT	 10000 /* ms */
#define OPTIONS_RETRY_DELAY	 500   /* ms */
#define OPTIONS_RETRY_DELAY_LATE 5000  /* ms */
#define OPTIONS_FOREVER		 UINT32_MAX

#define FAILOVER_MAX (TARGETS_MAX - 1) /* beside the first server */

struct options {
	enum verb verb;

	/* DEVICE: NULL where status has none, and with --all. "nbd0", the name without directory;
	 * "auto" (attach); a NAME or an absolute path (others). */
	char *device;
	int index; /* its number, or SUPERVISOR_INDEX_AUTO */

	/* Further devices, for the verbs that take several: see options_each_device(). */
	struct options_device {
		char *device;
		int index;
	} * more;
	size_t n_more;

	/* attach, list, info: the server and, but for list, the export. Paths are absolute for
	 * attach, which outlives the working directory. */
	struct endpoint endpoint;
	char *source; /* passed source_parse(); NULL: any */
	uint32_t connect_timeout_ms;

	/* attach: a server to start (cli/server-captive.h) */
	char **captive; /* its words, ending with NULL; NULL: none */
	char *image, *format;
	char *user;
	bool command; /* it speaks on its standard input and output */

	/* attach */
	bool owned; /* only peer_uid may serve */
	uid_t peer_uid;
	bool read_only;
	uint32_t connections; /* 1 to KERNEL_CONNECTIONS_MAX */
	uint32_t block_size;  /* bytes; 0: the server's choice */
	uint32_t timeout;     /* the kernel's request timeout in seconds; 0: none */
	char *identifier;     /* NULL: endpoint_uri() */
	char *name;	      /* for /dev/disk/by-nbd, passed config_is_name(); NULL: none */
	char *config_name;    /* of the configuration that was read, "data", "nbd0"; or NULL */
	bool foreground;
	bool plain_status; /* every failure is exit status 1, as scripts of nbd-client expect */
	bool wait;	   /* keep trying until the server is there */
	uint32_t wait_ms;  /* how long to keep trying; 0: without end */

	/* attach: what happens in an outage */
	bool no_reconnect;
	uint32_t dead_timeout; /* s that I/O waits for a connection; OPTIONS_FOREVER */
	uint32_t peer_timeout_ms;
	uint32_t io_timeout_ms; /* 0: not given */
	uint32_t retry_delay_ms, retry_delay_late_ms;
	uint32_t watch_size; /* s between two checks of the export's size; 0: none */
	bool follow_dns;
	unsigned accept; /* enum identity_accept; also reconnect */
	char *on_change; /* NULL: none */
	bool swap;
	bool root;
	bool relay;
	bool no_scan;
	bool no_trim, no_write_zeroes;

	/* attach: other servers of the export (cli/server-failover.h) */
	struct endpoint failover[FAILOVER_MAX];
	size_t n_failover;
	enum failback failback;
	bool failback_given;
	char *fence; /* NULL: none */
	bool failover_unfenced;
	uint32_t same_content; /* bytes; 0: not compared */

	enum kernel_backend backend; /* attach, detach */
	bool force;		     /* detach, import */
	uint32_t grace;		     /* shutdown: s; OPTIONS_FOREVER */
	bool all;	  /* detach, status: no DEVICE; info: no EXPORT; help: every option */
	bool json;	  /* status, list, info */
	bool follow;	  /* status */
	bool openmetrics; /* status */
	int log_level;	  /* syslog(3); LOG_NOTICE unless -v, -vv or -q */

	char *exec;	  /* attach: run this command, and then detach; NULL: none */
	bool show_config; /* attach: print what the settings below make, and do nothing */
	struct options_setting {
		const struct option_def *def;
		char *value; /* NULL: stands without one */
		char *file;  /* NULL: the command line */
		unsigned line;
		char *why;	 /* in left_out: the reason */
	} * settings, *left_out; /* every option that counts, in the order of precedence; and the
				  * defaults of the machine that do not fit */
	size_t n_settings, n_left_out;

	/* As given; the endpoint has been made from them. NULL: not given. */
	char *export_name;
	bool export_is_number; /* the word EXPORT: perhaps a port was meant */
	char *port;
	char *unix_path;
	char *config_file;

	enum completion_shell shell; /* completion */

	char *file;   /* keep: the ID; check-config; import: NULL for the default */
	char *output; /* import: a directory; NULL for the default */
	struct options_tls {
		bool on;	   /* --tls */
		char *verify_peer; /* "0" or "1" */
		char *ca, *crl, *cert, *key, *certificates, *psk, *username, *hostname, *priority;
	} tls;
};

/* Fills in the defaults; an empty value for options_done(). */
void options_init(struct options *o);

/*
 * Fills *ret_options, to be freed with options_done(). Returns -errno with an ERR_USAGE sentence
 * (ERR_FAILED for want of memory); *ret_options is then untouched. For HELP, VERSION and
 * COMPLETION nothing but the verb counts, and the rest of the command line is not looked at.
 */
int options_parse(int argc, char **argv, struct options *ret_options, struct err *err);
/* The same for the command line `--config PATH`. */
int options_parse_config(const char *path, struct options *ret_options, struct err *err);
void options_done(struct options *o);

/* Remembers an option that counts; file: NULL for the command line. -errno with *err: no memory. */
int options_note(struct options *o, const struct option_def *def, const char *value,
		 const char *file, unsigned line, struct err *err);

/* Records a default that does not fit, and the reason. */
int options_leave_out(struct options *o, const struct option_def *def, const char *file,
		      unsigned line, const char *why, struct err *err);

/* Appends the file and line of each option that *err names and that does not come from the command
 * line. err may be NULL. */
void options_explain_origin(const struct options *o, struct err *err);

/*
 * Calls fn for each device in the order given, with `device` and `index` set to it. The result is
 * the largest that fn returned, which is the worst exit status.
 */
int options_each_device(const struct options *o, int (*fn)(const struct options *o, void *arg),
			void *arg);

/* all: every option, or else those that most people need. */
void options_help(FILE *f, bool all);

extern const char *const completion_shells[];
/* A script for the shell. */
void options_completion(FILE *f, enum completion_shell shell);

#endif
