/* SPDX-License-Identifier: MIT */
#include "supervise/watch/links.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/peer.h"
#include "supervise/watch/ended.h"

#define TOLD_MS 2000 /* a death and the kernel's word of it lie no further apart */

/* ms: the driver has noticed a connection's end long before. */
#define INSISTS_MS 2000

struct link {
	struct loop_io *io; /* NULL before links_watch(), and for one without a descriptor */
	struct peer peer;
	bool foreign;	       /* no descriptor: fd is -1 */
	struct diag_socket id; /* of a foreign one; inode 0: not known */
	bool positioned;       /* links_remember() could tell the next */
	uint64_t position;     /* bytes handed to TCP when links_remember() was called */
};

struct links {
	struct loop *loop;
	links_fn *fn;
	void *arg;
	size_t n;
	int fd[LINKS_MAX];
	struct link link[LINKS_MAX];
	size_t n_ended;
	struct ended ended[LINKS_MAX];
	unsigned given_up;	  /* since links_given_up() was asked */
	unsigned uncut;		  /* that cannot be cut, though their peer is silent */
	uint32_t peer_timeout_ms; /* of the latest sample */
	uint32_t driver_limit_ms; /* see links_set_driver_limit() */
	unsigned wanted;	  /* 0 before links_watch() */
	unsigned presumed;	  /* dead ones among those that nobody can look at */
	int untold;		  /* deaths known without the kernel's word, which is to come */
	uint64_t untold_at;	  /* when that last changed */
	bool probing;
	unsigned held_back; /* words of the kernel, while the probe is under way */
	uint64_t last_death;
};

struct links *links_new(struct loop *loop, links_fn *fn, void *arg)
{
	struct links *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->loop = loop;
	l->fn = fn;
	l->arg = arg;
	return l;
}

void links_clear(struct links *l)
{
	for (size_t i = 0; i < l->n; i++) {
		loop_io_free(l->link[i].io);
		close_fdp(&l->fd[i]);
	}
	for (size_t i = 0; i < l->n_ended; i++)
		ended_close(&l->ended[i]);
	l->n = 0;
	l->n_ended = 0;
	l->given_up = 0;
	l->uncut = 0;
	l->wanted = 0;
	l->presumed = 0;
}

void links_kernel_insists(struct links *l, uint64_t now)
{
	if (l->last_death && now - l->last_death < INSISTS_MS)
		return;
	while (l->n < l->wanted && links_add_foreign(l, NULL) == 0)
		;
}

void links_free(struct links *l)
{
	if (!l)
		return;
	links_clear(l);
	free(l);
}

/* False: not TCP, or the socket is gone. */
static bool tcp_facts(int fd, struct tcp_info *ret_info)
{
	socklen_t len = sizeof(*ret_info);

	*ret_info = (struct tcp_info){.tcpi_state = 0};
	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, ret_info, &len) == 0;
}

static enum diag_answer link_ask(const struct links *l, size_t i, struct tcp_info *ret_info)
{
	struct pollfd p = {.fd = l->fd[i], .events = POLLRDHUP};

	if (l->link[i].foreign)
		return l->link[i].id.inode ? diag_ask(&l->link[i].id, ret_info) : DIAG_UNKNOWN;
	if (poll(&p, 1, 0) > 0)
		return DIAG_DEAD;
	return tcp_facts(l->fd[i], ret_info) ? DIAG_ALIVE : DIAG_UNKNOWN;
}

/* What the kernel has not told by now it has told nobody: the message was lost. */
static int untold(struct links *l, int change)
{
	uint64_t now = loop_now();

	if (now - l->untold_at > TOLD_MS)
		l->untold = 0;
	if (change)
		l->untold_at = now;
	return l->untold += change;
}

static bool is_blind(const struct link *link)
{
	return link->foreign && link->id.inode == 0;
}

/* Takes connection i out; its descriptor is the caller's, -1 for a foreign one. */
static int take_out(struct links *l, size_t i)
{
	int fd = l->fd[i];

	if (!is_blind(&l->link[i]))
		untold(l, 1);
	loop_io_free(l->link[i].io);
	l->n--;
	for (; i < l->n; i++) {
		l->fd[i] = l->fd[i + 1];
		l->link[i] = l->link[i + 1];
	}
	l->last_death = loop_now();
	return fd;
}

/* Remembers a connection that was ended at our side; fd becomes the list's, or is -1. */
static struct ended *bury(struct links *l, int fd, enum ended_how how, uint32_t limit_ms)
{
	struct ended *e;

	/* There are never more than connections, and none is replaced before they have settled. */
	if (l->n_ended == LINKS_MAX) {
		close_fdp(&fd);
		return NULL;
	}
	e = &l->ended[l->n_ended++];
	*e = (struct ended){.fd = fd, .how = how, .limit_ms = limit_ms, .ended_at = loop_now()};
	return e;
}

static void hung_up(int fd, uint32_t events, void *arg)
{
	struct links *l = arg;
	socklen_t len = sizeof(int);
	char why[64] = "the server closed the connection";
	int error = 0;

	(void)events;
	for (size_t i = 0; i < l->n; i++) {
		if (l->fd[i] != fd)
			continue;
		if (!ended_by_server(fd)) {
			snprintf(why, sizeof(why), "the driver has ended the connection");
			take_out(l, i);
			bury(l, fd, ENDED_BY_DRIVER, l->driver_limit_ms);
			break;
		}
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error)
			snprintf(why, sizeof(why), "%s", strerror(error));
		take_out(l, i);
		/* Also wakes the driver where it is blocked in a send. */
		shutdown(fd, SHUT_RDWR);
		close(fd);
		break;
	}
	l->fn(links_alive(l), why, l->arg);
}

/* Of a foreign one, which has no descriptor to poll. */
static void found_dead(struct links *l, size_t i)
{
	take_out(l, i);
	l->fn(links_alive(l), "the connection has ended", l->arg);
}

int links_add_foreign(struct links *l, const struct diag_socket *id)
{
	if (l->n == LINKS_MAX)
		return -ENOSPC;
	l->fd[l->n] = -1;
	l->link[l->n] = (struct link){.foreign = true};
	if (id)
		l->link[l->n].id = *id;
	l->n++;
	return 0;
}

unsigned links_blind(const struct links *l)
{
	unsigned n = 0;

	for (size_t i = 0; i < l->n; i++)
		n += is_blind(&l->link[i]);
	return n;
}

void links_expect(struct links *l, unsigned wanted)
{
	if (links_blind(l) && wanted > l->n)
		l->presumed = wanted - (unsigned)l->n;
	l->wanted = wanted > l->n ? wanted : (unsigned)l->n;
}

/* One of those that cannot be looked at, if there is any. */
static void presume_dead(struct links *l)
{
	for (size_t i = l->n; i-- > 0;) {
		if (!is_blind(&l->link[i]))
			continue;
		l->presumed++;
		found_dead(l, i);
		return;
	}
}

void links_kernel_says_dead(struct links *l)
{
	struct tcp_info info;
	int seen = 0; /* dead, and the loop is about to take them out */

	for (size_t i = l->n; i-- > 0;) {
		if (link_ask(l, i, &info) != DIAG_DEAD)
			continue;
		if (l->link[i].foreign)
			found_dead(l, i);
		else
			seen++;
	}
	if (untold(l, 0) + seen > 0)
		untold(l, -1);
	else if (l->probing)
		l->held_back++;
	else
		presume_dead(l);
}

void links_probe_begins(struct links *l)
{
	l->probing = true;
	l->held_back = 0;
}

/*
 * A probe that finds a dead connection gives it a socket that dies at once, which the kernel tells
 * as well. What it found may be a connection that is known to be dead, or one whose end was told
 * meanwhile.
 */
void links_probe_ends(struct links *l, bool dead)
{
	unsigned told = l->held_back;

	l->probing = false;
	if (dead && told > 0)
		told--;
	else if (dead)
		untold(l, 1);
	if (dead && told == 0 && l->n >= l->wanted)
		told = 1;
	while (told-- > 0)
		presume_dead(l);
}

void links_kernel_says_alive(struct links *l)
{
	while (l->presumed > 0 && l->n < l->wanted && links_add_foreign(l, NULL) == 0)
		l->presumed--;
	l->presumed = 0;
}

static int watch(struct links *l, size_t i)
{
	/* Never EPOLLIN: the bytes are the kernel's. EPOLLHUP and EPOLLERR are implied. */
	l->link[i].io = loop_io_new(l->loop, l->fd[i], EPOLLRDHUP, hung_up, l);
	return l->link[i].io ? 0 : -errno;
}

int links_add(struct links *l, int fd)
{
	int ret;

	if (l->n == LINKS_MAX)
		return -ENOSPC;
	l->fd[l->n] = fd;
	l->link[l->n] = (struct link){.io = NULL};
	if (l->wanted) {
		ret = watch(l, l->n);
		if (ret < 0)
			return ret;
	}
	l->n++;
	return 0;
}

int links_watch(struct links *l)
{
	int ret;

	for (size_t i = 0; i < l->n; i++) {
		ret = watch(l, i);
		if (ret < 0)
			return ret;
	}
	l->wanted = (unsigned)l->n;
	return 0;
}

const int *links_fds(const struct links *l, size_t *ret_n)
{
	*ret_n = l->n;
	return l->fd;
}

unsigned links_wanted(const struct links *l)
{
	return l->wanted;
}

unsigned links_alive(const struct links *l)
{
	return (unsigned)l->n;
}

uint64_t links_last_death(const struct links *l)
{
	return l->last_death;
}

/* Ends one whose host has vanished. False: that cannot be done, and it lives on. */
static bool cut(struct links *l, size_t i)
{
	int fd;

	if (l->link[i].foreign && !diag_destroy(&l->link[i].id)) {
		l->uncut++;
		return false;
	}
	fd = take_out(l, i);
	if (fd >= 0)
		shutdown(fd, SHUT_RDWR);
	bury(l, fd, ENDED_VANISHED, ENDED_SETTLE_MS);
	return true;
}

bool links_sample(struct links *l, uint64_t now, uint32_t limit_ms)
{
	struct tcp_info info;
	bool silent = false, cut_any = false;
	char why[80];

	l->peer_timeout_ms = limit_ms;
	l->uncut = 0;
	for (size_t i = l->n; i-- > 0;) {
		switch (link_ask(l, i, &info)) {
		case DIAG_ALIVE:
			break;
		case DIAG_DEAD:
			if (l->link[i].foreign)
				found_dead(l, i);
			continue; /* of the others, the poll tells */
		case DIAG_UNKNOWN:
			continue;
		}
		switch (peer_judge(&l->link[i].peer, &info, now, limit_ms)) {
		case PEER_WELL:
			break;
		case PEER_SILENT:
			silent = true;
			break;
		case PEER_DEAD:
			if (cut(l, i))
				cut_any = true;
			else
				silent = true;
			break;
		}
	}
	if (cut_any) {
		snprintf(why, sizeof(why), "the server's host has acknowledged nothing for %u s",
			 limit_ms / 1000);
		l->fn(links_alive(l), why, l->arg);
	}
	return silent;
}

unsigned links_uncut(const struct links *l)
{
	return l->uncut;
}

void links_set_driver_limit(struct links *l, uint32_t limit_ms)
{
	l->driver_limit_ms = limit_ms;
}

bool links_settled(struct links *l, uint64_t now)
{
	for (size_t i = l->n_ended; i-- > 0;) {
		if (!ended_settled(&l->ended[i], now, l->peer_timeout_ms))
			continue;
		l->given_up += l->ended[i].given_up;
		/* Until now it was open for the driver, which needs a moment to notice. */
		if (l->ended[i].how == ENDED_BY_US)
			l->last_death = loop_now();
		ended_close(&l->ended[i]);
		l->ended[i] = l->ended[--l->n_ended];
	}
	return l->n_ended == 0;
}

bool links_graves(const struct links *l)
{
	return l->n_ended > 0;
}

unsigned links_given_up(struct links *l)
{
	unsigned n = l->given_up;

	l->given_up = 0;
	return n;
}

void links_release(struct links *l)
{
	for (size_t i = 0; i < l->n_ended; i++)
		ended_release(&l->ended[i], loop_now());
}

bool links_unproved(const struct links *l)
{
	for (size_t i = 0; i < l->n_ended; i++)
		if (!l->ended[i].clean && l->ended[i].limit_ms == 0)
			return true;
	return false;
}

void links_inherit(struct links *l, bool unproved)
{
	bury(l, -1, ENDED_VANISHED, unproved ? 0 : ENDED_SETTLE_MS);
}

bool links_unclean(const struct links *l)
{
	for (size_t i = 0; i < l->n_ended; i++)
		if (!l->ended[i].clean)
			return true;
	return false;
}

bool links_may_end(const struct links *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->link[i].foreign)
			return false;
	return true;
}

void links_remember(struct links *l)
{
	for (size_t i = 0; i < l->n; i++)
		l->link[i].positioned = ended_position(l->fd[i], &l->link[i].position);
}

void links_renew(struct links *l, uint32_t close_ms, const char *why)
{
	/* From the last one on: taking one out moves those behind it. */
	for (size_t i = l->n; i-- > 0;) {
		struct link link = l->link[i];
		int fd = take_out(l, i);
		struct ended *e;
		uint64_t now;

		/* Replies can still come; the server finds the end behind its last request. */
		shutdown(fd, SHUT_WR);
		e = bury(l, fd, ENDED_BY_US, 0);
		if (!e)
			continue;
		e->close_ms = close_ms < ENDED_CLOSE_MS ? close_ms : ENDED_CLOSE_MS;
		e->clean = link.positioned && ended_position(fd, &now) && now == link.position;
	}
	l->fn(0, why, l->arg);
}

void links_seen_idle(struct links *l)
{
	for (size_t i = 0; i < l->n_ended; i++)
		ended_seen_idle(&l->ended[i], loop_now());
}

void links_facts(const struct links *l, size_t i, struct link_facts *ret_facts)
{
	struct link_facts facts = {.rtt_us = 0};
	struct tcp_info info;

	if (l->link[i].foreign)
		facts.id = l->link[i].id;
	else
		diag_describe(l->fd[i], &facts.id);
	if (link_ask(l, i, &info) == DIAG_ALIVE) {
		facts.rtt_us = info.tcpi_rtt;
		facts.retransmits = info.tcpi_total_retrans;
		facts.sent = info.tcpi_bytes_acked;
		facts.received = info.tcpi_bytes_received;
	}
	*ret_facts = facts;
}

void links_shutdown(struct links *l)
{
	for (size_t i = 0; i < l->n; i++) {
		if (!l->link[i].foreign)
			shutdown(l->fd[i], SHUT_RDWR);
		else if (l->link[i].id.local.ss_family)
			diag_destroy(&l->link[i].id);
	}
}
