/* SPDX-License-Identifier: MIT */
/*
 * Connections that lead to relays. The end of a relay shows nothing about its server: it may have
 * been silent, or the relay was killed. So the relay's own word counts, which is its exit status;
 * without that word the end is treated like that of a connection whose server may hold requests.
 */
#include "supervise/watch/links-private.h"

#include <stdio.h>
#include <sys/socket.h>

#include "base/cleanup.h"

/* A process closes its sockets a moment before its exit status is there. */
#define LOOK_MS	  10
#define LOOKS_MAX 20

/* ms: if the network is well, the reset has arrived, and a new connection is there before that. */
#define DOUBT_MS 3000

void links_inherit_relays(struct links *l)
{
	l->inherits_relays = true;
}

bool links_is_relayed(const struct links *l, int fd)
{
	socklen_t len = sizeof(int);
	int domain = 0;

	if (relays_find(l->relays, relays_inode(fd)))
		return true;
	return l->inherits_relays && l->wanted == 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX;
}

enum relay_end links_relay_end(struct links *l, size_t i, const struct relay_record **ret_record)
{
	const struct relay_record *record = relays_find(l->relays, relays_inode(l->fd[i]));

	if (record && !record->ended && l->link[i].relay_looks++ < LOOKS_MAX) {
		loop_io_free(TAKE_PTR(l->link[i].io));
		loop_timer_set(l->relay_timer, LOOK_MS);
		return RELAY_END_UNKNOWN;
	}
	*ret_record = record;
	return record && record->ended ? record->end : RELAY_END_BROKEN;
}

void links_tell_again(struct links *l, const struct diag_socket *id, uint32_t delay_ms)
{
	struct knock *k = l->n_knocks < LINKS_MAX ? knock_new(l->loop, id, delay_ms) : NULL;

	if (k)
		l->knock[l->n_knocks++] = k;
}

/* A relay resets its connection when it ends, which the server may not have heard. */
static void tell_server(struct links *l, const struct relay_record *record, uint32_t delay_ms)
{
	struct diag_socket id;

	if (!l->knocks || !record || !record->local.ss_family)
		return;
	id = (struct diag_socket){.local = record->local, .peer = record->peer};
	links_tell_again(l, &id, delay_ms);
}

void links_bury_relayed(struct links *l, enum relay_end end, const struct relay_record *record,
			char *why, size_t size)
{
	links_bury(l, -1, ENDED_VANISHED, ENDED_SETTLE_MS);
	switch (end) {
	case RELAY_END_UNKNOWN:
	case RELAY_END_SERVER:
		break;
	case RELAY_END_DRIVER:
		snprintf(why, size, "the driver has ended the connection");
		tell_server(l, record, DOUBT_MS);
		break;
	case RELAY_END_BROKEN:
		snprintf(why, size, "the relay process has ended");
		tell_server(l, record, DOUBT_MS);
		break;
	case RELAY_END_SILENT:
		snprintf(why, size, "the server's host has acknowledged nothing for %u s",
			 l->peer_timeout_ms / 1000);
		tell_server(l, record, 0);
		break;
	}
}
