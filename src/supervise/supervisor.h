/* SPDX-License-Identifier: MIT */
/*
 * Carries out the table of fsm.h for one device: dials, hands over, watches, detaches. Blocks in
 * its own event loop until the attachment ends.
 */
#ifndef SUPERVISE_SUPERVISOR_H
#define SUPERVISE_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/backoff.h"
#include "base/err.h"
#include "base/ids.h"
#include "kernel/kernel.h"
#include "captive/files.h"
#include "supervise/attach/own.h"
#include "supervise/reconnect/targets.h"
#include "endpoint/endpoint.h"

#define SUPERVISOR_FOREVER    UINT64_MAX
#define SUPERVISOR_INDEX_AUTO (-1)

struct supervisor_config {
	int index;			 /* of /dev/nbdN, or SUPERVISOR_INDEX_AUTO: any free one */
	const struct endpoint *endpoint; /* borrowed, as all pointers here */
	const struct captive_spec *captive; /* the server to start, and not the endpoint's, which
					       then has an export name only; NULL: none */
	const char *identifier;		    /* for the kernel's `backend` */
	const char *name;      /* unique, safe as a file's name and for udev; NULL: none */
	const char *config;    /* the configuration's name, for the state file; NULL: none */
	const char *options;   /* for the state file: what a second attachment is compared with */
	const char *source;    /* NULL: any */
	const uid_t *peer_uid; /* the user who must own the server; NULL: any user */
	bool read_only;
	uint16_t without;	     /* NBD_TX_* that the kernel must not be told of */
	uint32_t block_size;	     /* bytes; 0: the server's minimum */
	unsigned connections;	     /* 1 to KERNEL_CONNECTIONS_MAX */
	uint64_t timeout;	     /* seconds for a request; 0: forever */
	uint32_t connect_timeout_ms; /* for each attempt */
	uint64_t wait_ms;	     /* time to keep trying; 0: tries every address once */
	bool reconnect;		     /* false: I/O fails as soon as the last connection is dead */
	uint64_t dead_timeout_s;     /* time that I/O waits for a connection; SUPERVISOR_FOREVER */
	uint32_t peer_timeout_ms;    /* a peer that acknowledges nothing for this time is dead */
	uint32_t io_timeout_ms;	     /* time between two looks at a request; 0: see timeouts.c */
	struct backoff_config backoff;
	uint64_t watch_size_s; /* between two checks of the export's size; 0: never checked */
	bool follow_dns;       /* resolve the name again when redialling */
	unsigned accept;       /* enum identity_accept */
	const struct endpoint *failover; /* further servers of the export */
	size_t n_failover;		 /* up to TARGETS_MAX - 1 */
	enum failback failback;
	const char *fence;	/* a command, see fence.h; NULL: none */
	bool failover_unfenced; /* no fence is needed */
	uint32_t same_content;	/* bytes to compare before a connection is used; 0: none;
				   IDS_SAMPLE: the identifiers on the disk */
	const char *on_change;	/* a command for each change of state; NULL: none */
	bool swap;    /* the device is under swap: no fork, no file, no new memory in an outage */
	bool relay;   /* put a process between the kernel and the server */
	bool no_scan; /* udev must not read the device */
	enum kernel_backend backend;
	bool foreground; /* report to our caller, not to a waiting parent process */
	int report_fd;	 /* background: for background_report(); owned */
};

/*
 * Runs to the end and returns the exit status. Errors are logged. Call it before any thread or
 * other signal handling exists in the process.
 */
int supervisor_run(const struct supervisor_config *cfg);

/* By what `auto` recognises a device of this attachment. Its pointers are those of *cfg. */
static inline struct own_wanted supervisor_wants(const struct supervisor_config *cfg)
{
	return (struct own_wanted){.identifier = cfg->identifier,
				   .name = cfg->name,
				   .options = cfg->options,
				   .read_only = cfg->read_only};
}

#endif
