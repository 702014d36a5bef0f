/* SPDX-License-Identifier: MIT */
#include "supervise/watch/ended.h"

#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/hung-up.h"

/* What a socket shows about its end. */
enum closing {
	CLOSING_OPEN,	 /* the server has not ended */
	CLOSING_FIN,	 /* the server's FIN has come; of a Unix socket: the peer has closed */
	CLOSING_RESET,	 /* a reset, ours or the server's */
	CLOSING_TIMEOUT, /* TCP has given the peer up */
	CLOSING_UNKNOWN, /* unknown */
};

static bool facts(int fd, struct tcp_info *ret_info, socklen_t *ret_len)
{
	*ret_info = (struct tcp_info){.tcpi_state = 0};
	*ret_len = sizeof(*ret_info);
	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, ret_info, ret_len) == 0;
}

bool ended_position(int fd, uint64_t *ret_bytes)
{
	struct tcp_info info;
	socklen_t len;

	/* The counters of bytes came with Linux 4.19. */
	if (!facts(fd, &info, &len) ||
	    len < offsetof(struct tcp_info, tcpi_bytes_retrans) + sizeof(info.tcpi_bytes_retrans))
		return false;
	*ret_bytes = info.tcpi_bytes_sent - info.tcpi_bytes_retrans + info.tcpi_notsent_bytes;
	return true;
}

/* The error of a closed socket. Reading it clears it, so it is read once and stored. */
static int socket_error(int fd)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return errno;
	return error;
}

static enum closing tcp_closing(int fd, const struct tcp_info *info)
{
	int error;

	switch (info->tcpi_state) {
	case PEER_TCP_TIME_WAIT:
	case PEER_TCP_CLOSING:
	case PEER_TCP_CLOSE_WAIT:
	case PEER_TCP_LAST_ACK:
		return CLOSING_FIN;
	case PEER_TCP_CLOSE:
		/*
		 * Without an error the socket was in TIME_WAIT or LAST_ACK, after the server's FIN.
		 */
		error = socket_error(fd);
		return error == 0	    ? CLOSING_FIN
		       : error == ETIMEDOUT ? CLOSING_TIMEOUT
					    : CLOSING_RESET;
	default:
		return CLOSING_OPEN;
	}
}

static enum closing unix_closing(int fd)
{
	switch (diag_unix_peer(fd)) {
	case DIAG_ALIVE:
		return CLOSING_OPEN;
	case DIAG_DEAD:
		return CLOSING_FIN;
	case DIAG_SHUT:
	case DIAG_GONE:
	case DIAG_UNKNOWN:
		break;
	}
	return CLOSING_UNKNOWN;
}

/* A socket without a descriptor. */
static enum closing foreign_closing(const struct diag_socket *id)
{
	struct tcp_info info;

	switch (diag_ask(id, &info)) {
	case DIAG_SHUT:
		return info.tcpi_state ? tcp_closing(-1, &info) : CLOSING_OPEN;
	case DIAG_DEAD:
		return CLOSING_FIN;
	case DIAG_GONE:
		return CLOSING_RESET;
	case DIAG_ALIVE:
	case DIAG_UNKNOWN: /* it is asked again */
		break;
	}
	return CLOSING_OPEN;
}

static enum closing look(const struct ended *e)
{
	struct tcp_info info;
	socklen_t len;

	if (e->fd < 0)
		return foreign_closing(&e->id);
	return facts(e->fd, &info, &len) ? tcp_closing(e->fd, &info) : unix_closing(e->fd);
}

void ended_seen_idle(struct ended *e, uint64_t now)
{
	/*
	 * While the receiving side is open, every reply still reaches the driver, and a request
	 * stays in the count until its reply.
	 */
	if (e->how == ENDED_BY_US && e->fd >= 0 &&
	    (now - e->ended_at < ENDED_COUNTED_MS || !hung_up(e->fd)))
		e->clean = true;
}

void ended_release(struct ended *e, uint64_t now)
{
	e->limit_ms = ENDED_SETTLE_MS;
	e->asked = now;
}

/*
 * Drops unsent data and resets the connection. (Not if the driver ended it: the server is alive,
 * and nbdkit 1.32 aborts if a connection is reset while it sends.)
 */
static void abort_connection(int fd)
{
	const struct sockaddr none = {.sa_family = AF_UNSPEC};
	struct diag_socket id;

	/* tcp_disconnect(); TLS in the kernel refuses that. */
	if (connect(fd, &none, sizeof(none)) < 0 && errno == EOPNOTSUPP &&
	    diag_describe(fd, &id) == 0)
		diag_destroy(&id);
}

/* True if the peer's host owes us an acknowledgement and has been silent for too long. */
static bool has_vanished(struct ended *e, uint64_t now, uint32_t limit_ms)
{
	struct tcp_info info;
	socklen_t len;

	if (limit_ms == 0)
		return false;
	if (e->fd < 0 ? diag_ask(&e->id, &info) != DIAG_SHUT || !info.tcpi_state
		      : !facts(e->fd, &info, &len))
		return false;
	return peer_judge(&e->peer, &info, now, limit_ms) == PEER_DEAD;
}

/* Checks a connection that was open until now. Returns false if it still is. */
static bool has_closed(struct ended *e, uint64_t now, uint32_t peer_timeout_ms)
{
	switch (look(e)) {
	case CLOSING_OPEN:
		if (e->limit_ms == 0 && has_vanished(e, now, peer_timeout_ms))
			ended_release(e, now);
		return false;
	case CLOSING_TIMEOUT: /* TCP has waited longer than the peer timeout */
		if (e->limit_ms == 0)
			ended_release(e, now);
		return true;
	case CLOSING_UNKNOWN:
		/* A Unix socket on a kernel without unix_diag: only a hang-up can be seen. */
		if (!hung_up(e->fd))
			return false;
		break;
	case CLOSING_FIN:
	case CLOSING_RESET:
		break;
	}
	/* Nothing more can be learnt about a connection that the driver ended. */
	if (e->how == ENDED_BY_DRIVER)
		ended_release(e, now);
	return true;
}

bool ended_settled(struct ended *e, uint64_t now, uint32_t peer_timeout_ms)
{
	if (e->asked == 0)
		e->asked = now;
	if (!e->closed && (e->fd >= 0 || e->id.inode))
		e->closed = has_closed(e, now, peer_timeout_ms);
	if (e->clean && (e->closed || (e->how == ENDED_BY_US && now - e->asked >= e->close_ms))) {
		/* The driver must notice the end, even if the server has not closed. */
		if (e->fd >= 0)
			shutdown(e->fd, SHUT_RDWR);
		return true;
	}
	if (e->limit_ms == 0 || now - e->asked < e->limit_ms)
		return false;
	e->given_up = !e->clean;
	if (!e->closed && e->fd >= 0 && e->how != ENDED_BY_DRIVER)
		abort_connection(e->fd);
	return true;
}

/*
 * True if our side has queued a FIN, or may have. TCP counts it, like our SYN, in what was
 * acknowledged and in what waits for that, but not in the bytes that were sent. Behind data that
 * was not sent yet it counts like a byte of them, and cannot be told from one. False also if
 * nothing is known.
 */
static bool may_have_sent_fin(int fd)
{
	const uint64_t syn = 1, fin = 1;
	struct tcp_info info;
	uint64_t bytes;
	socklen_t len;
	int waiting;

	if (!facts(fd, &info, &len) || !ended_position(fd, &bytes) ||
	    ioctl(fd, SIOCOUTQ, &waiting) < 0)
		return false;
	return info.tcpi_notsent_bytes ||
	       info.tcpi_bytes_acked + (uint64_t)waiting == syn + bytes + fin;
}

enum ended_first ended_first(int fd, int error)
{
	struct tcp_info info;
	socklen_t len;

	if (!facts(fd, &info, &len))
		return unix_closing(fd) != CLOSING_OPEN ? ENDED_FIRST_UNKNOWN : ENDED_FIRST_DRIVER;
	switch (info.tcpi_state) {
	case PEER_TCP_FIN_WAIT1:
	case PEER_TCP_FIN_WAIT2:
	case PEER_TCP_CLOSING:
	case PEER_TCP_TIME_WAIT:
		return ENDED_FIRST_DRIVER;
	case PEER_TCP_CLOSE:
		/* EPIPE: the server's FIN was first. Without an error both sides have sent one. */
		return error == 0 || (error != EPIPE && may_have_sent_fin(fd)) ? ENDED_FIRST_UNKNOWN
									       : ENDED_FIRST_SERVER;
	default:
		return ENDED_FIRST_SERVER;
	}
}

/*
 * A Unix socket: either side was shut down, or the peer is gone, and nothing shows which was first.
 */
static enum ended_look look_at_unix(int fd)
{
	socklen_t len = sizeof(int);
	struct diag_socket id;
	struct tcp_info none;
	int domain = 0;

	/* Other families, such as vsock, show only a hang-up. */
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 || domain != AF_UNIX)
		return hung_up(fd) ? ENDED_LOOK_CLOSED : ENDED_LOOK_OPEN;
	if (unix_closing(fd) == CLOSING_FIN)
		return ENDED_LOOK_CLOSED;
	if (diag_describe(fd, &id) == 0 && diag_ask(&id, &none) == DIAG_SHUT)
		return ENDED_LOOK_HERE;
	return hung_up(fd) ? ENDED_LOOK_CLOSED : ENDED_LOOK_OPEN;
}

enum ended_look ended_look(int fd)
{
	struct tcp_info info;
	socklen_t len;

	if (!facts(fd, &info, &len))
		return look_at_unix(fd);
	switch (info.tcpi_state) {
	case PEER_TCP_ESTABLISHED:
		return ENDED_LOOK_OPEN;
	case PEER_TCP_CLOSE_WAIT:
	case PEER_TCP_LAST_ACK:
		return ENDED_LOOK_SERVER;
	case PEER_TCP_CLOSE:
		return ENDED_LOOK_CLOSED;
	default:
		return ENDED_LOOK_HERE;
	}
}

void ended_close(struct ended *e)
{
	close_fdp(&e->fd);
}
