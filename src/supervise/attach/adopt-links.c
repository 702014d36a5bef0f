/* SPDX-License-Identifier: MIT */
/*
 * Makes the connections and the addresses of a device from what its former supervisor left: a state
 * file, and sometimes sockets.
 */
#include "supervise/attach/adopt.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "supervise/attach/match.h"

/* `127.0.0.1:40000` or `[::1]:40000`. */
static bool parse_address(const char *text, struct address *ret_address)
{
	char host[64];
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;
	int port = colon ? atoi(colon + 1) : 0;

	if (len && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	if (len == 0 || len >= sizeof(host) || port < 1 || port > UINT16_MAX)
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	return address_from_literal(host, (uint16_t)port, ret_address);
}

/* False: the connection cannot be looked up. */
static bool socket_of(const struct state_link *l, struct diag_socket *ret_socket)
{
	struct address local, peer;

	if (l->inode == 0)
		return false;
	*ret_socket = (struct diag_socket){.inode = l->inode};
	if (!l->local[0])
		return true;
	if (!parse_address(l->local, &local) || !parse_address(l->peer, &peer))
		return false;
	ret_socket->local = local.sa;
	ret_socket->peer = peer.sa;
	return true;
}

/* True if the state file lists the socket as a connection that was alive. */
static bool is_listed(const struct adopt *a, uint64_t inode)
{
	for (unsigned i = 0; a->known && i < a->state->alive && i < STATE_LINKS_MAX; i++)
		if (a->state->link[i].inode == inode)
			return true;
	return false;
}

static bool is_given(const struct match_socket *sockets, size_t n, uint64_t inode)
{
	for (size_t i = 0; i < n; i++)
		if (sockets[i].named && sockets[i].inode == inode)
			return true;
	return false;
}

static unsigned most_alive(const struct adopt *a)
{
	return a->plan.connections - (a->probe == ADOPT_DEAD);
}

/*
 * Finds the connections that the state file lists, whose socket was not given, and of which the
 * kernel says `answer`. Returns their number.
 */
static unsigned find_listed(const struct adopt *a, const struct match_socket *sockets, size_t n,
			    enum diag_answer answer, struct diag_socket *ret_found)
{
	unsigned found = 0;
	struct tcp_info info;

	for (unsigned i = 0; a->known && i < a->state->alive && i < STATE_LINKS_MAX; i++) {
		struct diag_socket *id = &ret_found[found];

		if (socket_of(&a->state->link[i], id) && !is_given(sockets, n, id->inode) &&
		    diag_ask(id, &info) == answer)
			found++;
	}
	return found;
}

/* Counts those that are alive, and adds them to `links`, unless that is NULL. */
static unsigned add_listed(const struct adopt *a, const struct match_socket *sockets, size_t n,
			   struct links *links)
{
	struct diag_socket id[STATE_LINKS_MAX];
	unsigned found = find_listed(a, sockets, n, DIAG_ALIVE, id);

	for (unsigned i = 0; i < found; i++)
		if (links && links_alive(links) < most_alive(a))
			links_add_foreign(links, &id[i]);
	return found;
}

/* The same for those that were shut down at our side: their servers may still hold requests. */
static unsigned inherit_shut(const struct adopt *a, const struct match_socket *sockets, size_t n,
			     struct links *links)
{
	struct diag_socket id[STATE_LINKS_MAX];
	unsigned found = find_listed(a, sockets, n, DIAG_SHUT, id);

	for (unsigned i = 0; i < found; i++)
		links_inherit_foreign(links, &id[i]);
	return found;
}

static void describe(const struct adopt *a, const struct given *given, struct match_socket *ret)
{
	for (size_t i = 0; i < given->n; i++) {
		struct match_socket *s = &ret[i];

		*s = (struct match_socket){.certain = given->item[i].certain};
		s->named = linkname_read(given->item[i].name, &s->name);
		s->health = links_examine(given->item[i].fd, &s->inode);
		s->listed = s->named && is_listed(a, s->inode);
	}
}

/* How the end of this connection is waited for. */
static enum links_end end_of(const struct adopt *a, const struct match_socket *s)
{
	if (!s->listed && a->known && a->state->unsettled)
		return a->state->unproved ? LINKS_END_UNPROVED : LINKS_END_TIMED;
	/* Nobody saw how it ended: it settles like a connection whose end proves nothing. */
	return s->health == LINKS_CLOSED ? LINKS_END_TIMED : LINKS_END_DRIVER;
}

/* Takes ownership of fd. */
static void use_given(const struct adopt *a, const struct match_socket *s, int fd,
		      struct links *links)
{
	switch (s->verdict) {
	case MATCH_LINK:
		if (links_add_given(links, fd) == 0)
			return;
		break;
	case MATCH_ENDED:
		links_inherit_socket(links, fd, end_of(a, s));
		return;
	case MATCH_DIED:
		links_given_dead(links);
		break;
	case MATCH_LEFTOVER:
		break;
	}
	close(fd);
}

static void take_given(const struct adopt *a, struct given *given, struct match_socket *sockets,
		       struct links *links)
{
	const struct match_device device = {
	    .attachment = a->attachment,
	    .most = most_alive(a),
	    .others = add_listed(a, sockets, given->n, NULL),
	    .all_alive = a->probe == ADOPT_ALIVE,
	    .unsettled = a->known && a->state->unsettled,
	};
	struct linkname name;
	size_t n = given->n, next = 0;

	match_sockets(sockets, n, &device);
	for (size_t i = 0; i < n; i++) {
		if (linkname_read(given->item[next].name, &name))
			use_given(a, &sockets[i], given_take_at(given, next), links);
		else
			next++;
	}
}

/* Connections that have ended, and whose end no descriptor tells. */
static void inherit_ends(const struct adopt *a, const struct match_socket *sockets, size_t n,
			 struct links *links)
{
	unsigned earlier = a->known ? a->state->alive : a->plan.connections;
	unsigned accounted = links_alive(links) + inherit_shut(a, sockets, n, links);
	unsigned waited_for = 0;

	for (size_t i = 0; i < n; i++) {
		bool ended = sockets[i].verdict == MATCH_ENDED;

		accounted += sockets[i].listed && (ended || sockets[i].verdict == MATCH_DIED);
		waited_for += !sockets[i].listed && ended;
	}
	/* The state file does not say how many connections were waited for. */
	if (a->known && a->state->unsettled && waited_for < a->state->connections - a->state->alive)
		links_inherit(links, a->state->unproved);
	else if (accounted < earlier)
		links_inherit(links, false); /* no supervisor told how a connection has ended */
}

static void log_given(const struct adopt *a, const struct links *links)
{
	int fds[2 * LINKS_MAX];

	if (links_kept(links, fds))
		log_notice("/dev/nbd%d: an earlier supervisor has left %zu of its sockets",
			   a->index, links_kept(links, fds));
}

/*
 * True if that many connections are missing because they have died since the former supervisor
 * vouched for their sockets. The driver was not asked then, and its message may be lost. (If it was
 * asked, it may already have others in their place.)
 */
static bool known_dead(const struct adopt *a, const struct match_socket *sockets, size_t n,
		       unsigned missing)
{
	unsigned dead = 0;

	for (size_t i = 0; i < n; i++)
		dead += sockets[i].certain &&
			(sockets[i].verdict == MATCH_DIED || sockets[i].verdict == MATCH_ENDED);
	return a->vouched && missing <= dead;
}

/*
 * The driver says that all are alive, or the live ones are unknown: then those not found count as
 * alive. Later probes find out if they are dead.
 */
static void add_blind(const struct adopt *a, struct links *links)
{
	while (links_alive(links) < most_alive(a) && (a->probe == ADOPT_ALIVE || !a->known))
		if (links_add_foreign(links, NULL) < 0)
			break;
}

void adopt_links(const struct adopt *a, struct given *given, struct links *links)
{
	struct match_socket sockets[GIVEN_MAX];
	size_t n = given->n;

	/* As for a device that this process has attached (announce() of the core). */
	if (a->times_out || a->plan.connections > 1)
		links_driver_may_cut(links);
	if (a->known && a->state->tls.relay)
		links_inherit_relays(links);
	describe(a, given, sockets);
	take_given(a, given, sockets, links);
	log_given(a, links);
	add_listed(a, sockets, n, links);
	if (!known_dead(a, sockets, n, most_alive(a) - links_alive(links)))
		add_blind(a, links);
	links_expect(links, a->plan.connections);
	inherit_ends(a, sockets, n, links);
}

void adopt_addresses(const struct adopt *a, struct address_list *ret_list)
{
	char text[sizeof(a->state->addresses)], *rest = text, *word;
	struct address_list list = {.n = 0};
	struct address address;

	memcpy(text, a->state->addresses, sizeof(text));
	while ((word = strsep(&rest, " ")))
		if (a->known && parse_address(word, &address))
			address_list_add(&list, &address);
	*ret_list = list;
}
