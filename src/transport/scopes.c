/* SPDX-License-Identifier: MIT */
#include "transport/scopes.h"

#include <netinet/in.h>
#include <string.h>

static struct sockaddr_in6 *scoped(struct address *a)
{
	struct sockaddr_in6 *sin6 = (void *)&a->sa;

	return sin6->sin6_family == AF_INET6 && sin6->sin6_scope_id ? sin6 : NULL;
}

static const char *known(const struct scopes *s, uint32_t index)
{
	for (size_t i = s->n; i-- > 0;)
		if (s->item[i].index == index)
			return s->item[i].name;
	return NULL;
}

static void note(struct scopes *s, uint32_t index)
{
	char name[IF_NAMESIZE] = "";

	if (known(s, index) || !if_indextoname(index, name))
		return;
	if (s->n == SCOPES_MAX)
		memmove(&s->item[0], &s->item[1], --s->n * sizeof(s->item[0]));
	s->item[s->n].index = index;
	memcpy(s->item[s->n++].name, name, sizeof(name));
}

void scopes_note(struct scopes *s, const struct address_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		struct address a = list->item[i];
		const struct sockaddr_in6 *sin6 = scoped(&a);

		if (sin6)
			note(s, sin6->sin6_scope_id);
	}
}

void scopes_renew(struct scopes *s, struct address_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		struct sockaddr_in6 *sin6 = scoped(&list->item[i]);
		const char *name = sin6 ? known(s, sin6->sin6_scope_id) : NULL;
		char now[IF_NAMESIZE];
		unsigned index;

		/* One that only has another name is the same. */
		if (!name || if_indextoname(sin6->sin6_scope_id, now))
			continue;
		index = if_nametoindex(name);
		if (index)
			sin6->sin6_scope_id = index;
	}
	scopes_note(s, list);
}
