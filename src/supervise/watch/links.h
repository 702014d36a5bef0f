/* SPDX-License-Identifier: MIT */
/*
 * The connections that the kernel uses, watched through our duplicates of the sockets: they are
 * polled for hang-up and asked for TCP_INFO; they are never read, and never changed while the peer
 * lives, because they belong to the kernel. The driver's slot of a connection is not known and does
 * not matter. Owns the descriptors. Nothing blocks.
 */
#ifndef SUPERVISE_WATCH_LINKS_H
#define SUPERVISE_WATCH_LINKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "kernel/kmsg.h"
#include "transport/relays.h"
#include "supervise/watch/diag.h"

#define LINKS_MAX 16

struct links;

/* Called on the loop when a connection is found dead; `alive` are left; `why` is a clause. */
typedef void links_fn(unsigned alive, const char *why, void *arg);

/* What the kernel's log says about the end of the latest connection. */
typedef enum kmsg_cut links_log_fn(void *arg);

/* NULL: no memory. */
struct links *links_new(struct loop *loop, links_fn *fn, void *arg);
void links_free(struct links *l); /* accepts NULL; closes the descriptors */

/*
 * Takes ownership of fd. 0, or -errno (then fd is still the caller's). Before links_watch(): one
 * of the device's connections. Afterwards: the replacement of a dead one, watched at once.
 */
int links_add(struct links *l, int fd);

/* The number of bytes that were handed to TCP on this socket so far. False: unknown. */
bool links_position(int fd, uint64_t *ret_bytes);

/*
 * A connection that was never added and is shut down, but that the driver may have used. No other
 * is handed over before the settling time has passed, because its server may still carry out
 * requests. Takes ownership of fd.
 */
void links_bury_doubted(struct links *l, int fd);

/* Starts watching, because a peer that hangs up before is found by the attach itself. */
int links_watch(struct links *l);

/*
 * For a device that is taken over, whose connections only the kernel has: adds one that is known by
 * `id`, or one about which only the driver knows (NULL). After these, links_expect() sets the
 * number that the device was attached with, including dead ones; links_watch() is not called. 0 or
 * -ENOSPC.
 */
int links_add_foreign(struct links *l, const struct diag_socket *id);
void links_expect(struct links *l, unsigned wanted);

/* The number of live connections that cannot be examined: only the kernel reports their end. */
unsigned links_blind(const struct links *l);

/* The state of a socket that a former supervisor left. */
enum links_health {
	LINKS_LIVES,
	LINKS_ENDED_BY_SERVER, /* its server's FIN came before any shutdown at our side */
	LINKS_ENDED_HERE,      /* it was shut down at our side, by a supervisor or by the driver */
	LINKS_CLOSED,	       /* it is closed, and nothing shows which side was first */
	LINKS_NO_SOCKET,
};

/* Also sets the socket's inode, unless fd is not a socket. */
enum links_health links_examine(int fd, uint64_t *ret_inode);

/*
 * For a device that is taken over, before links_expect(): adds a live connection with its
 * descriptor, which is watched at once. Takes ownership of fd. 0, or -errno (then fd is still the
 * caller's).
 */
int links_add_given(struct links *l, int fd);

/* The same for a connection that has died. The driver may notice that only now. */
void links_given_dead(struct links *l);

/* How the end of a connection that was ended at our side is waited for. */
enum links_end {
	LINKS_END_UNPROVED, /* until it is proved */
	LINKS_END_TIMED,    /* for the settling time */
	LINKS_END_DRIVER,   /* as for a connection that the driver has ended just now */
};

/* The same for a connection whose end has to be waited for. Takes ownership of fd. */
void links_inherit_socket(struct links *l, int fd, enum links_end end);

/* The same for one without a descriptor that was shut down at our side. */
void links_inherit_foreign(struct links *l, const struct diag_socket *id);

/*
 * The descriptors, borrowed, of the live connections and of those that have not settled. fds has
 * room for 2 * LINKS_MAX. Returns their number.
 */
size_t links_kept(const struct links *l, int *fds);

/*
 * The kernel says that none is dead: then connections whose end only the kernel had reported,
 * without naming them, are alive after all.
 */
void links_kernel_says_alive(struct links *l);

/*
 * The kernel says so repeatedly for a device that was taken over: the former supervisor died during
 * a hand-over, so a connection lives that this process does not know. Then all missing ones are
 * alive, if none has died within the last 2 s.
 */
void links_kernel_insists(struct links *l, uint64_t now);

/*
 * The kernel reported the death of a connection: finds out which one, and calls the links_fn. A
 * death that is known already, or that of the probe's own socket, does not count for another
 * connection.
 */
void links_kernel_says_dead(struct links *l);

/*
 * Called before and after adopt_probe(), which finds out whether the kernel knows of a dead
 * connection. After a takeover links_expect() comes before the second call.
 */
void links_probe_begins(struct links *l);
void links_probe_ends(struct links *l, bool dead);

/* The descriptors of the live connections, borrowed, and their number; for the hand-over. */
const int *links_fds(const struct links *l, size_t *ret_n);
unsigned links_wanted(const struct links *l); /* the number that the device was attached with */
unsigned links_alive(const struct links *l);
uint64_t links_last_death(const struct links *l); /* monotonic ms; 0: none yet */

/*
 * Checks each peer (base/peer.h) and cuts the connections of dead ones, which calls the links_fn.
 * Returns true if another peer is silent: check again in a second.
 */
bool links_sample(struct links *l, uint64_t now, uint32_t limit_ms);

/*
 * The number of connections that the latest sample found silent for too long and could not cut:
 * those without a descriptor, if the kernel refuses SOCK_DESTROY (it needs CAP_NET_ADMIN and
 * CONFIG_INET_DIAG_DESTROY). They count as alive, because the driver continues to use them.
 */
unsigned links_uncut(const struct links *l);

/*
 * From now on, a server whose connection is cut without a descriptor is told again (knock.h), until
 * a new connection is added. It takes memory and descriptors at that moment.
 */
void links_knock(struct links *l);

/*
 * What is known about relays, borrowed; or NULL. The end of a connection to a relay shows only that
 * the relay is gone, and the record says why. 0 or -ENOMEM.
 */
int links_know_relays(struct links *l, const struct relays *relays);

/*
 * A former supervisor has started relays for this device, so a connection that is taken over may
 * lead to one. Why that has ended will not be known. Before these connections are added.
 */
void links_inherit_relays(struct links *l);

/*
 * Asks the kernel about each connection, so that what it needs for an answer is loaded. From now on
 * it is asked only what needs nothing more (base/sock-diag.h).
 */
void links_load_diag(const struct links *l);

/*
 * The driver itself may cut a live server (a request timeout, several connections): an old
 * connection that it has shut down is given up after the settling time, even without a proof.
 */
void links_driver_may_cut(struct links *l);

/*
 * Where a socket does not show which side has ended it first, the log is asked, with the argument
 * of links_new(). Without this, the driver may have been the first.
 */
void links_ask_log(struct links *l, links_log_fn *fn);

/*
 * --peer-timeout, for connections that have ended, until links_sample() says another one: there may
 * be no sample after a takeover, because no connection is alive.
 */
void links_limit_peers(struct links *l, uint32_t limit_ms);

/*
 * Before new connections are used: true if no request of a connection that ended at our side can be
 * carried out after requests of the new ones, or if its time limit has passed (watch/ended.h). Call
 * it when the server's host is known to be back.
 */
bool links_settled(struct links *l, uint64_t now);
bool links_graves(const struct links *l);  /* true if there are such connections */
bool links_unclean(const struct links *l); /* true if one of them may still carry old requests */
unsigned links_given_up(struct links *l);  /* number that only time settled, since the last call */

/* I/O has failed: from now on the settling time alone settles each of them. */
void links_release(struct links *l);

/* True if one of them may still carry old requests and only a proof settles it, not time. */
bool links_unproved(const struct links *l);

/* A former supervisor has left such a connection; time settles it, or nothing does. */
void links_inherit(struct links *l, bool unproved);

/*
 * Ends live connections, so that new ones replace them. In this order: links_may_end(), which is
 * false if one has no descriptor; links_remember(); a check that the device has no request under
 * way; links_renew(), which calls the links_fn; another check, and links_seen_idle() if it finds
 * the same. A server that held no request has 2 s for its own end, or close_ms if that is less,
 * from the first call of links_settled().
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

/*
 * Another supervisor is offered the connections: until links_thaw(), nothing is done about one that
 * ends. What has ended by then is found dead at once.
 */
void links_freeze(struct links *l);
void links_thaw(struct links *l);

/* Ends every connection at once: the kernel's blocked sends and receives return. */
void links_shutdown(struct links *l);

/* Closes all, for another attempt. */
void links_clear(struct links *l);

#endif
