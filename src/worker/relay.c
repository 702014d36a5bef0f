/* SPDX-License-Identifier: MIT */
#include "worker/relay.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "nbd/traffic.h"
#include "base/loop.h"
#include "base/peer.h"
#include "worker/relay-buffer.h"
#include "worker/tls/stream.h"

#define LOOK_MS	     1000  /* at a peer that has something to acknowledge */
#define LAST_WORD_MS 2000  /* for the remaining data when one side has ended */
#define LEAVE_MS     30000 /* for the end of a server that has answered all */

enum side { SIDE_KERNEL, SIDE_SERVER, SIDES };

struct relay {
	struct relay_config cfg;
	int fd[SIDES];
	bool ended[SIDES]; /* nothing more comes from there */
	bool broken;	   /* and nothing that is left may go to the server */
	bool watch;	   /* something was sent that may not be acknowledged */
	struct peer peer;
	uint64_t limit; /* monotonic ms by which all is over; 0: none yet */
	struct nbd_traffic traffic;
	size_t cleared; /* bytes of `down` that may go to the kernel */
	bool leaving;	/* the server is shutting down: it gets no more requests */
	bool asked;	/* and has answered all, and was asked to close */
	bool said_bye;	/* the server has ended TLS, and its FIN follows */
	enum relay_end why;

	/* Without TLS only the first two are in use. */
	struct relay_buffer up, down, up_sealed, down_sealed;
};

struct relay *relay_new(const struct relay_config *cfg)
{
	struct relay *r = malloc(sizeof(*r));

	if (!r)
		return NULL;
	memset(r, 0, sizeof(*r)); /* the pages are there from now on */
	r->cfg = *cfg;
	r->fd[SIDE_KERNEL] = cfg->kernel;
	r->fd[SIDE_SERVER] = cfg->sock;
	if (cfg->tls)
		tls_stream(cfg->tls, &r->down_sealed, &r->up_sealed);
	return r;
}

/* What goes to and comes from the server's socket. */
static struct relay_buffer *wire_up(struct relay *r)
{
	return r->cfg.tls ? &r->up_sealed : &r->up;
}

static struct relay_buffer *wire_down(struct relay *r)
{
	return r->cfg.tls ? &r->down_sealed : &r->down;
}

/* The first reason counts: what comes after it may be its consequence. */
static void explain(struct relay *r, enum relay_end why)
{
	if (r->why == RELAY_END_UNKNOWN)
		r->why = why;
}

/*
 * A FIN or a reset of a socket that was not shut down here is the server's. An error such as
 * ETIMEDOUT says that TCP has given the server's host up.
 */
static enum relay_end what_says(int error)
{
	switch (error) {
	case 0:
	case ECONNRESET:
	case EPIPE:
		return RELAY_END_SERVER;
	case ETIMEDOUT:
	case EHOSTUNREACH:
	case ENETUNREACH:
		return RELAY_END_SILENT;
	default:
		return RELAY_END_BROKEN;
	}
}

static void end(struct relay *r, enum side side, bool broken)
{
	r->ended[side] = true;
	r->broken |= broken;
	if (!r->limit)
		r->limit = loop_now() + LAST_WORD_MS;
}

static void fill(struct relay *r, enum side side, struct relay_buffer *b)
{
	uint8_t *behind = buffer_behind(b);
	size_t room = buffer_room(b);
	ssize_t n;

	if (side == SIDE_KERNEL && r->leaving && nbd_traffic_rest(&r->traffic) < room)
		room = nbd_traffic_rest(&r->traffic);
	n = recv(r->fd[side], behind, room, MSG_DONTWAIT);
	if (n > 0) {
		b->len += (size_t)n;
		if (side == SIDE_KERNEL)
			nbd_traffic_up(&r->traffic, behind, (size_t)n);
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		explain(r, side == SIDE_SERVER ? what_says(n == 0 ? 0 : errno) : RELAY_END_DRIVER);
		end(r, side, side == SIDE_SERVER || !r->traffic.goodbye);
	}
}

/* Sends the first `len` bytes. True if something moved. */
static bool drain(struct relay *r, enum side side, struct relay_buffer *b, size_t len)
{
	ssize_t n;

	if (len == 0)
		return false;
	n = send(r->fd[side], buffer_front(b), len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n >= 0) {
		buffer_drop(b, (size_t)n);
		r->watch |= side == SIDE_SERVER;
		return n > 0;
	}
	if (errno != EAGAIN && errno != EINTR) {
		explain(r, side == SIDE_SERVER ? what_says(errno) : RELAY_END_DRIVER);
		end(r, side, true);
		b->len = 0; /* there is no receiver left */
		if (side == SIDE_KERNEL)
			r->cleared = 0;
	}
	return false;
}

/*
 * The kernel would treat the reply as an I/O error, so it does not get it: the request stays in
 * flight there, and is sent again over the next connection. The server may go on with others that
 * it holds, and a server's FIN that answers ours proves nothing about them: qemu-nbd sends it while
 * they run (rule 1 of the data safety rules). So the server gets what is left of the last request,
 * if a part of it has gone out, and the relay passes on the other replies, however long the server
 * takes: if the relay ended first, nobody could tell when new requests are safe. When all replies
 * have come it asks the server to close.
 */
static void leave(struct relay *r)
{
	if (r->leaving)
		return;
	r->leaving = true;
}

static void ask_to_close(struct relay *r)
{
	if (!r->leaving || r->asked || !nbd_traffic_idle(&r->traffic) || r->up.len ||
	    r->up_sealed.len)
		return;
	r->asked = true;
	r->broken = true;
	explain(r, RELAY_END_SERVER); /* it carries out nothing more, whatever comes now */
	r->limit = loop_now() + (r->cfg.leave_ms ? r->cfg.leave_ms : LEAVE_MS);
	shutdown(r->fd[SIDE_SERVER], SHUT_WR);
}

/* Looks what of the replies may go to the kernel. */
static void clear(struct relay *r)
{
	bool shutdown;

	do {
		r->cleared += nbd_traffic_down(&r->traffic, buffer_front(&r->down) + r->cleared,
					       r->down.len - r->cleared, &shutdown);
		if (shutdown) {
			leave(r);
			buffer_cut(&r->down, r->cleared, NBD_SIMPLE_LEN);
		}
	} while (shutdown);
	if (!r->ended[SIDE_SERVER])
		return;
	if (r->leaving)
		r->down.len = r->cleared;
	else if (r->cleared == 0)
		r->cleared = r->down.len; /* half a head, of which no more comes */
}

static bool drain_replies(struct relay *r)
{
	size_t before = r->down.len;
	bool moved = drain(r, SIDE_KERNEL, &r->down, r->cleared);

	if (moved)
		r->cleared -= before - r->down.len;
	return moved;
}

static bool seal(struct relay *r)
{
	ssize_t n;

	if (r->up.len == 0)
		return false;
	n = tls_seal(r->cfg.tls, buffer_front(&r->up), r->up.len);
	if (n < 0) {
		explain(r, RELAY_END_BROKEN);
		end(r, SIDE_SERVER, true);
	}
	if (n <= 0)
		return false;
	buffer_drop(&r->up, (size_t)n);
	return true;
}

/*
 * Returns true also for a record without data, such as one with new keys, because other records may
 * follow it.
 */
static bool open_up(struct relay *r)
{
	size_t before = r->down_sealed.len;
	uint8_t *behind;
	ssize_t n;

	if (before == 0)
		return false;
	behind = buffer_behind(&r->down);
	n = tls_open(r->cfg.tls, behind, buffer_room(&r->down));
	if (n == 0 || n == -EPROTO) {
		if (n == 0)
			r->said_bye = true;
		else
			explain(r, RELAY_END_BROKEN);
		end(r, SIDE_SERVER, true);
		r->down_sealed.len = 0;
	}
	if (n > 0)
		r->down.len += (size_t)n;
	return n > 0 || r->down_sealed.len < before;
}

/* Moves what can be moved without reading from either socket. */
static void move(struct relay *r)
{
	bool moved;

	do {
		moved = false;
		while (r->cfg.tls && !r->broken && seal(r))
			moved = true;
		if (!r->broken)
			moved |= drain(r, SIDE_SERVER, wire_up(r), wire_up(r)->len);
		while (r->cfg.tls && open_up(r))
			moved = true;
		clear(r);
		moved |= drain_replies(r);
	} while (moved);
	ask_to_close(r);
}

static bool finished(const struct relay *r)
{
	bool up = r->up.len == 0 && r->up_sealed.len == 0;

	if (r->ended[SIDE_KERNEL])
		return r->broken || up;
	return r->ended[SIDE_SERVER] && r->down.len == 0;
}

/* False: the peer is dead. */
static bool look(struct relay *r)
{
	struct tcp_info info = {.tcpi_state = 0};
	socklen_t len = sizeof(info);

	if (getsockopt(r->fd[SIDE_SERVER], IPPROTO_TCP, TCP_INFO, &info, &len) < 0) {
		r->watch = false; /* not TCP */
		return true;
	}
	switch (peer_judge(&r->peer, &info, loop_now(), r->cfg.peer_timeout_ms)) {
	case PEER_WELL:
		r->watch = wire_up(r)->len > 0;
		return true;
	case PEER_SILENT:
		return true;
	case PEER_DEAD:
		explain(r, RELAY_END_SILENT);
		return false;
	}
	return true;
}

/* -1: as long as nothing happens. */
static int patience(const struct relay *r)
{
	uint64_t now = loop_now();

	if (r->limit)
		return r->limit > now ? (int)(r->limit - now) : 0;
	return r->watch ? LOOK_MS : -1;
}

static bool may_read_requests(const struct relay *r)
{
	return buffer_room(&r->up) && (!r->leaving || nbd_traffic_rest(&r->traffic));
}

/* False: it is over. */
static bool wait(struct relay *r)
{
	struct pollfd p[SIDES] = {{.fd = r->fd[SIDE_KERNEL]}, {.fd = r->fd[SIDE_SERVER]}};
	int n;

	if (r->limit && loop_now() >= r->limit)
		return false;
	/* The kernel may give up a connection whose server does not read: with full buffers, that
	 * is the hang-up alone. */
	if (!r->ended[SIDE_KERNEL])
		p[SIDE_KERNEL].events |= may_read_requests(r) ? POLLIN : POLLRDHUP;
	if (r->cleared)
		p[SIDE_KERNEL].events |= POLLOUT;
	if (!r->ended[SIDE_SERVER] && buffer_room(wire_down(r)))
		p[SIDE_SERVER].events |= POLLIN;
	if (wire_up(r)->len && !r->broken)
		p[SIDE_SERVER].events |= POLLOUT;
	/* poll(2) always reports a hang-up, repeatedly. */
	for (unsigned i = 0; i < SIDES; i++)
		if (!p[i].events)
			p[i].fd = -1;
	n = poll(p, SIDES, patience(r));
	if (n < 0)
		return errno == EINTR;
	if (n == 0 && (r->limit || !look(r)))
		return false;
	if (p[SIDE_KERNEL].revents & POLLRDHUP) {
		explain(r, RELAY_END_DRIVER);
		end(r, SIDE_KERNEL, true);
	} else if (p[SIDE_KERNEL].revents && p[SIDE_KERNEL].events & POLLIN) {
		fill(r, SIDE_KERNEL, &r->up);
	}
	if (p[SIDE_SERVER].revents && p[SIDE_SERVER].events & POLLIN)
		fill(r, SIDE_SERVER, wire_down(r));
	return true;
}

/* However this process ends, the kernel drops the queued data; see relay.h. */
static void set_linger(int fd, bool drop)
{
	const struct linger linger = {.l_onoff = drop, .l_linger = 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

/* The end of TLS is the server's last word, but only its FIN proves that it has ended. */
static void await_fin(struct relay *r)
{
	struct pollfd p = {.fd = r->fd[SIDE_SERVER], .events = POLLIN};
	struct relay_buffer *b = wire_down(r);
	ssize_t n;

	while (r->why == RELAY_END_UNKNOWN && loop_now() < r->limit) {
		if (poll(&p, 1, patience(r)) < 0 && errno != EINTR)
			return;
		n = recv(r->fd[SIDE_SERVER], b->bytes, sizeof(b->bytes), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			explain(r, what_says(n == 0 ? 0 : errno));
	}
}

enum relay_end relay_run(struct relay *r)
{
	set_linger(r->fd[SIDE_SERVER], true);
	do
		move(r);
	while (!finished(r) && wait(r));
	if (r->said_bye)
		await_fin(r);
	explain(r, RELAY_END_BROKEN); /* such as a time limit that has passed */
	if (r->broken || !finished(r))
		return r->why;
	set_linger(r->fd[SIDE_SERVER], false);
	if (r->cfg.tls) {
		tls_bye(r->cfg.tls);
		drain(r, SIDE_SERVER, &r->up_sealed, r->up_sealed.len);
	}
	shutdown(r->fd[SIDE_SERVER], SHUT_WR);
	return r->why;
}
