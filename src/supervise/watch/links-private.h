/* SPDX-License-Identifier: MIT */
/* The list of connections; only for the files of links.h. */
#ifndef SUPERVISE_WATCH_LINKS_PRIVATE_H
#define SUPERVISE_WATCH_LINKS_PRIVATE_H

#include <linux/tcp.h>

#include "base/peer.h"
#include "supervise/watch/ended.h"
#include "supervise/watch/knock.h"
#include "supervise/watch/links.h"

struct link {
	struct loop_io *io; /* NULL before links_watch(), and without a descriptor */
	struct peer peer;
	bool foreign;	       /* no descriptor: fd is -1 */
	struct diag_socket id; /* of a foreign one; inode 0: not known */
	bool relayed;	       /* it leads to a relay */
	unsigned relay_looks;  /* how often its relay was asked why it ended */
	bool positioned;       /* links_remember() has set `position` */
	uint64_t position;     /* bytes handed to TCP when links_remember() was called */
};

struct links {
	struct loop *loop;
	links_fn *fn;
	links_log_fn *ask_log; /* see links_ask_log(); NULL: it cannot be asked */
	void *arg;
	size_t n;
	int fd[LINKS_MAX];
	struct link link[LINKS_MAX];
	size_t n_ended;
	struct ended ended[LINKS_MAX];
	unsigned given_up;	  /* since the last call of links_given_up() */
	unsigned uncut;		  /* connections that cannot be cut, though their peer is silent */
	uint32_t peer_timeout_ms; /* --peer-timeout; 0: not known */
	uint32_t driver_limit_ms; /* see links_driver_may_cut(); 0: never */
	unsigned wanted;	  /* 0 before links_watch() */
	unsigned presumed;	  /* dead ones among those that cannot be examined */
	int untold;		  /* known deaths that the kernel has yet to report */
	uint64_t untold_at;	  /* when that last changed */
	const struct relays *relays;
	bool inherits_relays; /* see links_inherit_relays() */
	struct loop_timer *relay_timer;
	bool knocks; /* see links_knock() */
	size_t n_knocks;
	struct knock *knock[LINKS_MAX];
	bool frozen;
	bool probing;
	unsigned held_back; /* reports of the kernel during a probe */
	uint64_t last_death;
};

static inline bool link_is_blind(const struct link *link)
{
	return link->foreign && link->id.inode == 0;
}

/* links.c: asks the kernel about connection i, by its descriptor or without one. */
enum diag_answer links_ask(const struct links *l, size_t i, struct tcp_info *ret_info);
/* Adds to the known deaths that the kernel has yet to report, and returns their number. */
int links_untold(struct links *l, int change);
/* Removes connection i; its descriptor is the caller's, -1 for a foreign one. */
int links_take_out(struct links *l, size_t i);

/* True for the answers of a connection that has ended. */
static inline bool links_has_ended(enum diag_answer answer)
{
	return answer == DIAG_DEAD || answer == DIAG_SHUT || answer == DIAG_GONE;
}

/* links.c: a new connection shows that the server is free. */
void links_end_knocks(struct links *l);

/* links-relay.c: true if the new connection leads to a relay. */
bool links_is_relayed(const struct links *l, int fd);

/*
 * A connection to a relay has ended. The reason; UNKNOWN: not yet, and its end is looked at again.
 * *ret_record: what is known; NULL: nothing.
 */
enum relay_end links_relay_end(struct links *l, size_t i, const struct relay_record **ret_record);

/*
 * The network may be cut, so that the reset of this connection does not arrive: begins to tell the
 * server after that time, unless a new connection comes before.
 */
void links_tell_again(struct links *l, const struct diag_socket *id, uint32_t delay_ms);

/* Remembers a connection that has ended so, not by its server. Writes why, a clause. */
void links_bury_relayed(struct links *l, enum relay_end end, const struct relay_record *record,
			char *why, size_t size);

/*
 * links-blind.c: connection i is foreign and has ended: removes it, remembers it unless its server
 * has ended it, and calls the links_fn. DIAG_UNKNOWN: only the kernel reported that, without naming
 * it.
 */
void links_found_ended(struct links *l, size_t i, enum diag_answer answer);

/* links-watch.c: watches connection i, which has a descriptor, for its end. 0 or -errno. */
int links_watch_one(struct links *l, size_t i);

/* links-ended.c: remembers a connection that was ended at our side; fd becomes the list's, or is
 * -1. NULL: there is no room. */
struct ended *links_bury(struct links *l, int fd, enum ended_how how, uint32_t limit_ms);

#endif
