/* SPDX-License-Identifier: MIT */
/* Watches the connections: polls each for a hang-up, and judges its peer by TCP_INFO. */
#include "supervise/watch/links-private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

/*
 * The socket does not show which side has ended the connection first. A relay tells it. The driver
 * logs why it ends one before it does: because of a wrong reply, or of a timeout, which it has with
 * several connections or --timeout. Without the log, a reset that it may have caused counts.
 */
static bool driver_may_have_cut(const struct links *l, size_t i, int error)
{
	if (l->link[i].relayed)
		return false;
	switch (l->ask_log ? l->ask_log(l->arg) : KMSG_CUT_UNKNOWN) {
	case KMSG_CUT_NO:
		return false;
	case KMSG_CUT_WRONG_REPLY:
		return true;
	case KMSG_CUT_TIMEOUT:
		return l->driver_limit_ms;
	case KMSG_CUT_UNKNOWN:
		break;
	}
	return l->driver_limit_ms || error;
}

/* Connection i has ended, and its descriptor shows that. */
static void connection_ended(struct links *l, size_t i)
{
	const struct relay_record *record = NULL;
	enum relay_end end = RELAY_END_SERVER;
	socklen_t len = sizeof(int);
	char why[80] = "the server closed the connection";
	int fd = l->fd[i], error = 0;
	enum ended_first first;

	if (l->frozen) {
		loop_io_free(TAKE_PTR(l->link[i].io));
		return;
	}
	if (l->link[i].relayed)
		end = links_relay_end(l, i, &record);
	if (end == RELAY_END_UNKNOWN)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error)
		snprintf(why, sizeof(why), "%s", strerror(error));
	first = ended_first(fd, error);
	if (first == ENDED_FIRST_UNKNOWN && !driver_may_have_cut(l, i, error))
		first = ENDED_FIRST_SERVER;
	switch (first) {
	case ENDED_FIRST_DRIVER:
		snprintf(why, sizeof(why), "the driver has ended the connection");
		links_take_out(l, i);
		links_bury(l, fd, ENDED_BY_DRIVER, l->driver_limit_ms);
		break;
	case ENDED_FIRST_UNKNOWN:
		if (error == 0)
			snprintf(why, sizeof(why), "both sides have ended the connection");
		links_take_out(l, i);
		links_bury(l, fd, ENDED_BY_DRIVER, ENDED_SETTLE_MS);
		break;
	case ENDED_FIRST_SERVER:
		links_take_out(l, i);
		if (end != RELAY_END_SERVER)
			links_bury_relayed(l, end, record, why, sizeof(why));
		/* Also wakes the driver if it is blocked in a send. */
		shutdown(fd, SHUT_RDWR);
		close(fd);
		break;
	}
	l->fn(links_alive(l), why, l->arg);
}

static void connection_hung_up(int fd, uint32_t events, void *arg)
{
	struct links *l = arg;

	(void)events;
	for (size_t i = 0; i < l->n; i++) {
		if (l->fd[i] != fd)
			continue;
		connection_ended(l, i);
		return;
	}
}

/* Tries again for each connection whose relay has not told why it ended. */
static void look_at_relays(void *links)
{
	struct links *l = links;

	for (size_t i = l->n; i-- > 0;)
		if (l->link[i].relay_looks && !l->link[i].io)
			connection_ended(l, i);
}

int links_know_relays(struct links *l, const struct relays *relays)
{
	l->relays = relays;
	if (relays && !l->relay_timer)
		l->relay_timer = loop_timer_new(l->loop, look_at_relays, l);
	return relays && !l->relay_timer ? -ENOMEM : 0;
}

int links_watch_one(struct links *l, size_t i)
{
	/* Never EPOLLIN: the bytes are the kernel's. EPOLLHUP and EPOLLERR are implied. */
	l->link[i].io = loop_io_new(l->loop, l->fd[i], EPOLLRDHUP, connection_hung_up, l);
	return l->link[i].io ? 0 : -errno;
}

int links_add(struct links *l, int fd)
{
	int ret;

	if (l->n == LINKS_MAX)
		return -ENOSPC;
	links_end_knocks(l);
	l->fd[l->n] = fd;
	l->link[l->n] = (struct link){.io = NULL, .relayed = links_is_relayed(l, fd)};
	if (l->wanted) {
		ret = links_watch_one(l, l->n);
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
		ret = links_watch_one(l, i);
		if (ret < 0)
			return ret;
	}
	l->wanted = (unsigned)l->n;
	return 0;
}

void links_freeze(struct links *l)
{
	l->frozen = true;
}

void links_thaw(struct links *l)
{
	l->frozen = false;
	for (size_t i = l->n; i-- > 0;)
		if (!l->link[i].foreign && !l->link[i].io)
			connection_ended(l, i);
}

/* Cuts a connection whose host has vanished. False: that is impossible, so it stays alive. */
static bool cut(struct links *l, size_t i)
{
	int fd;

	if (l->link[i].foreign && !diag_destroy(&l->link[i].id)) {
		l->uncut++;
		return false;
	}
	if (l->link[i].foreign && l->knocks)
		links_tell_again(l, &l->link[i].id, 0);
	fd = links_take_out(l, i);
	if (fd >= 0)
		shutdown(fd, SHUT_RDWR);
	links_bury(l, fd, ENDED_VANISHED, ENDED_SETTLE_MS);
	return true;
}

bool links_sample(struct links *l, uint64_t now, uint32_t limit_ms)
{
	bool silent = false, cut_any = false;
	enum diag_answer answer;
	struct tcp_info info;
	char why[80];

	l->peer_timeout_ms = limit_ms;
	l->uncut = 0;
	for (size_t i = l->n; i-- > 0;) {
		answer = links_ask(l, i, &info);
		if (links_has_ended(answer) && l->link[i].foreign)
			links_found_ended(l, i, answer);
		if (answer != DIAG_ALIVE)
			continue; /* the poll reports the end of the others */
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
