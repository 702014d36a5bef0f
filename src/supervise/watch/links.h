/* SPDX-License-Identifier: MIT */
/*
 * The connections that the kernel uses, seen through our duplicates of the sockets: polled for
 * hang-up, asked for TCP_INFO, never read, never changed while the peer lives (they are the
 * kernel's). Which of the driver's slots a connection sits in is not known and does not matter.
 * Owns the descriptors. Nothing blocks.
 */
#ifndef SUPERVISE_WATCH_LINKS_H
#define SUPERVISE_WATCH_LINKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "supervise/watch/diag.h"

#define LINKS_MAX 16

struct links;

/* Called on the loop when a connection is found dead; `alive` are left; `why` is a clause. */
typedef void links_fn(unsigned alive, const char *why, void *arg);

/* NULL: no memory. */
struct links *links_new(struct loop *loop, links_fn *fn, void *arg);
void links_free(struct links *l); /* accepts NULL; closes the descriptors */

/*
 * Takes ownership of fd. 0, or -errno (then fd is still the caller's). Before links_watch(): one
 * of the device's connections. Afterwards: the replacement of a dead one, watched at once.
 */
int links_add(struct links *l, int fd);

/* Starts watching, because a peer that hangs up before is found by the attach itself. */
int links_watch(struct links *l);

/*
 * For a device that is taken over, whose connections belong to the kernel alone: one that is known
 * by `id`, or one of which only the device tells (NULL). After these, links_expect() says how many
 * the device was attached with, the dead included; there is no links_watch(). 0 or -ENOSPC.
 */
int links_add_foreign(struct links *l, const struct diag_socket *id);
void links_expect(struct links *l, unsigned wanted);

/* How many of those alive nobody can look at: only the kernel tells of their end. */
unsigned links_blind(const struct links *l);

/*
 * The kernel says that none is dead: then those of whose end only it had told, without saying
 * whose, are alive after all.
 */
void links_kernel_says_alive(struct links *l);

/*
 * The kernel says so again and again, of a device that was taken over: a hand-over of the former
 * supervisor was under way when that died, so that a connection lives which nobody knows. Then all
 * that are missing are alive, if none has died within the last 2 s.
 */
void links_kernel_insists(struct links *l, uint64_t now);

/*
 * The kernel said that a connection of the device died: finds out which, and calls the links_fn. A
 * death that is known already, or of the probe's own socket, counts for none of the others.
 */
void links_kernel_says_dead(struct links *l);

/*
 * Around adopt_probe(), which tells whether the kernel knows of a dead connection. After a takeover
 * links_expect() comes before the end.
 */
void links_probe_begins(struct links *l);
void links_probe_ends(struct links *l, bool dead);

/* The descriptors of those alive, borrowed, and how many; for the hand-over. */
const int *links_fds(const struct links *l, size_t *ret_n);
unsigned links_wanted(const struct links *l); /* as many as the device was attached with */
unsigned links_alive(const struct links *l);
uint64_t links_last_death(const struct links *l); /* monotonic ms; 0: none yet */

/*
 * Looks at each peer (base/peer.h) and cuts those that are gone, which calls the links_fn.
 * Returns true if one of the others is silent: look again in a second.
 */
bool links_sample(struct links *l, uint64_t now, uint32_t limit_ms);

/*
 * How many the latest sample found silent for too long and could not cut: connections without a
 * descriptor, where the kernel refuses SOCK_DESTROY (it needs CAP_NET_ADMIN and
 * CONFIG_INET_DIAG_DESTROY). They count as alive, because the driver goes on using them.
 */
unsigned links_uncut(const struct links *l);

/*
 * Where the driver itself may cut a living server (a request timeout, several connections): ms
 * after which an old connection that it has shut down is given up. 0, as at first: never.
 */
void links_set_driver_limit(struct links *l, uint32_t limit_ms);

/*
 * Before new connections are used: true when nothing that the server was sent over a connection
 * which ended at our side can be carried out after what the new ones bring, or when its time is
 * over (watch/ended.h). To be called when the server's host is known to be back.
 */
bool links_settled(struct links *l, uint64_t now);
bool links_graves(const struct links *l);  /* there are such connections */
bool links_unclean(const struct links *l); /* one of them may still bring something */
unsigned links_given_up(struct links *l);  /* how many time alone has settled, since it was asked */

/* I/O has failed: from now on a time alone settles each of them. */
void links_release(struct links *l);

/* One of them may still bring something, and no time settles that, only proof. */
bool links_unproved(const struct links *l);

/* A supervisor that is gone has left such a connection, which a time settles, or nothing does. */
void links_inherit(struct links *l, bool unproved);

/*
 * Ends living connections, to have new ones in their place. In this order: links_may_end(), which
 * is false if one has no descriptor; links_remember(); a look which finds that the device has no
 * request under way; links_renew(), which calls the links_fn; another look, and links_seen_idle()
 * if it finds the same. A server that held no request has 2 s for its own end, or close_ms if that
 * is less, from the first question whether it has settled.
 */
bool links_may_end(const struct links *l);
void links_remember(struct links *l);
void links_renew(struct links *l, uint32_t close_ms, const char *why);
void links_seen_idle(struct links *l);

/* What TCP knows about a connection; zero for other families. */
struct link_facts {
	struct diag_socket id; /* inode 0: not known */
	uint32_t rtt_us;
	uint32_t retransmits;	 /* segments, since the connection began */
	uint64_t sent, received; /* bytes, since the connection began */
};

/* 0 <= i < links_alive(). */
void links_facts(const struct links *l, size_t i, struct link_facts *ret_facts);

/* Ends every connection at once: the kernel's blocked sends and receives return. */
void links_shutdown(struct links *l);

/* Closes all, for another try. */
void links_clear(struct links *l);

#endif
