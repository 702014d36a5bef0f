/* SPDX-License-Identifier: MIT */
#include "supervise/watch/links-private.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/hung-up.h"
#include "base/sock-diag.h"

#define TOLD_MS 2000 /* the kernel reports a death within this time */

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

void links_knock(struct links *l)
{
	l->knocks = true;
}

void links_end_knocks(struct links *l)
{
	while (l->n_knocks)
		knock_free(l->knock[--l->n_knocks]);
}

void links_clear(struct links *l)
{
	links_end_knocks(l);
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
	l->inherits_relays = false;
}

void links_free(struct links *l)
{
	if (!l)
		return;
	links_clear(l);
	loop_timer_free(l->relay_timer);
	free(l);
}

/* False: not TCP, or the socket is closed. */
static bool tcp_facts(int fd, struct tcp_info *ret_info)
{
	socklen_t len = sizeof(*ret_info);

	*ret_info = (struct tcp_info){.tcpi_state = 0};
	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, ret_info, &len) == 0;
}

void links_load_diag(const struct links *l)
{
	struct diag_socket id;
	struct tcp_info info;

	for (size_t i = 0; i < l->n; i++)
		if (l->fd[i] >= 0 && diag_describe(l->fd[i], &id) == 0)
			diag_ask(&id, &info);
	sock_diag_load_nothing();
}

enum diag_answer links_ask(const struct links *l, size_t i, struct tcp_info *ret_info)
{
	if (l->link[i].foreign)
		return l->link[i].id.inode ? diag_ask(&l->link[i].id, ret_info) : DIAG_UNKNOWN;
	if (hung_up(l->fd[i]))
		return DIAG_DEAD; /* connection_hung_up() finds out who ended it */
	return tcp_facts(l->fd[i], ret_info) ? DIAG_ALIVE : DIAG_UNKNOWN;
}

/* If the kernel has not reported it by now, the message was lost. */
int links_untold(struct links *l, int change)
{
	uint64_t now = loop_now();

	if (now - l->untold_at > TOLD_MS)
		l->untold = 0;
	if (change)
		l->untold_at = now;
	return l->untold += change;
}

int links_take_out(struct links *l, size_t i)
{
	int fd = l->fd[i];

	if (!link_is_blind(&l->link[i]))
		links_untold(l, 1);
	loop_io_free(l->link[i].io);
	l->n--;
	for (; i < l->n; i++) {
		l->fd[i] = l->fd[i + 1];
		l->link[i] = l->link[i + 1];
	}
	l->last_death = loop_now();
	return fd;
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

bool links_may_end(const struct links *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->link[i].foreign)
			return false;
	return true;
}

void links_facts(const struct links *l, size_t i, struct link_facts *ret_facts)
{
	struct link_facts facts = {.rtt_us = 0};
	struct tcp_info info;

	if (l->link[i].foreign)
		facts.id = l->link[i].id;
	else
		diag_describe(l->fd[i], &facts.id);
	if (links_ask(l, i, &info) == DIAG_ALIVE) {
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
