/* SPDX-License-Identifier: MIT */
/* From what a former supervisor left to the connections and the addresses of its device. */
#include "supervise/attach/adopt.h"

#include <stdlib.h>
#include <string.h>

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

void adopt_links(const struct adopt *a, struct links *links)
{
	unsigned most = a->plan.connections - (a->probe == ADOPT_DEAD);
	struct diag_socket id;
	struct tcp_info info;

	for (unsigned i = 0; a->known && i < a->state->alive && i < STATE_LINKS_MAX; i++)
		if (links_alive(links) < most && socket_of(&a->state->link[i], &id) &&
		    diag_ask(&id, &info) == DIAG_ALIVE)
			links_add_foreign(links, &id);
	/*
	 * The driver says that all are alive, or the live ones are unknown: then those not found
	 * count as alive. Later probes find out if they are dead.
	 */
	while (links_alive(links) < most && (a->probe == ADOPT_ALIVE || !a->known))
		if (links_add_foreign(links, NULL) < 0)
			break;
	links_expect(links, a->plan.connections);
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
