/* SPDX-License-Identifier: MIT */
#include "endpoint/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <linux/vm_sockets.h>

#include "base/text.h"

static void describe_in6(const struct sockaddr_in6 *sin6, struct text *t)
{
	char literal[INET6_ADDRSTRLEN], name[IF_NAMESIZE];

	if (!inet_ntop(AF_INET6, &sin6->sin6_addr, literal, sizeof(literal)))
		literal[0] = '\0';
	text_str(t, "[");
	text_str(t, literal);
	if (sin6->sin6_scope_id) {
		text_str(t, "%");
		if (if_indextoname(sin6->sin6_scope_id, name))
			text_escape(t, name, strlen(name), sizeof(name));
		else
			text_u64(t, sin6->sin6_scope_id);
	}
	text_str(t, "]:");
	text_u64(t, ntohs(sin6->sin6_port));
}

static void describe_un(const struct address *a, struct text *t)
{
	const struct sockaddr_un *sun = (const void *)&a->sa;
	size_t len = a->len - offsetof(struct sockaddr_un, sun_path);

	text_str(t, "unix:");
	if (len && sun->sun_path[0] == '\0') {
		text_str(t, "@");
		text_escape(t, sun->sun_path + 1, len - 1, sizeof(sun->sun_path));
	} else {
		text_escape(t, sun->sun_path, strnlen(sun->sun_path, len), sizeof(sun->sun_path));
	}
}

char *address_describe(const struct address *a, char *buf, size_t size)
{
	const struct sockaddr_in *sin = (const void *)&a->sa;
	const struct sockaddr_vm *svm = (const void *)&a->sa;
	char literal[INET_ADDRSTRLEN];
	struct text t;

	text_init(&t, buf, size);
	switch (a->sa.ss_family) {
	case AF_INET:
		if (inet_ntop(AF_INET, &sin->sin_addr, literal, sizeof(literal)))
			text_str(&t, literal);
		text_str(&t, ":");
		text_u64(&t, ntohs(sin->sin_port));
		break;
	case AF_INET6:
		describe_in6((const void *)&a->sa, &t);
		break;
	case AF_UNIX:
		describe_un(a, &t);
		break;
	case AF_VSOCK:
		text_str(&t, "vsock:");
		text_u64(&t, svm->svm_cid);
		text_str(&t, ":");
		text_u64(&t, svm->svm_port);
		break;
	default: /* not an enum: address families are open-ended */
		text_str(&t, "an unknown address");
	}
	return buf;
}

bool address_equal(const struct address *a, const struct address *b)
{
	const struct sockaddr_in *a4 = (const void *)&a->sa, *b4 = (const void *)&b->sa;
	const struct sockaddr_in6 *a6 = (const void *)&a->sa, *b6 = (const void *)&b->sa;

	if (a->sa.ss_family != b->sa.ss_family)
		return false;
	/* Padding and the flow label do not tell peers apart. */
	if (a->sa.ss_family == AF_INET)
		return a4->sin_port == b4->sin_port && a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	if (a->sa.ss_family == AF_INET6)
		return a6->sin6_port == b6->sin6_port && a6->sin6_scope_id == b6->sin6_scope_id &&
		       memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof(a6->sin6_addr)) == 0;
	return a->len == b->len && memcmp(&a->sa, &b->sa, a->len) == 0;
}

bool address_resolved_valid(const struct address *a, uint16_t port)
{
	const struct sockaddr_in *sin = (const void *)&a->sa;
	const struct sockaddr_in6 *sin6 = (const void *)&a->sa;

	if (a->sa.ss_family == AF_INET)
		return a->len == sizeof(*sin) && ntohs(sin->sin_port) == port;
	if (a->sa.ss_family == AF_INET6)
		return a->len == sizeof(*sin6) && ntohs(sin6->sin6_port) == port;
	return false;
}

bool address_from_literal(const char *text, uint16_t port, struct address *ret_address)
{
	const struct addrinfo hints = {
	    .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
	    .ai_socktype = SOCK_STREAM,
	};
	struct addrinfo *ai = NULL;
	char service[8];
	bool found;

	snprintf(service, sizeof(service), "%u", port);
	if (getaddrinfo(text, service, &hints, &ai) != 0)
		return false;
	found = ai && ai->ai_addrlen <= sizeof(ret_address->sa);
	if (found) {
		*ret_address = (struct address){.len = ai->ai_addrlen};
		memcpy(&ret_address->sa, ai->ai_addr, ai->ai_addrlen);
	}
	freeaddrinfo(ai);
	return found;
}

bool address_lacks_interface(const struct address *a)
{
	const struct sockaddr_in6 *sin6 = (const void *)&a->sa;

	return a->sa.ss_family == AF_INET6 && sin6->sin6_scope_id == 0 &&
	       IN6_IS_ADDR_LINKLOCAL(&sin6->sin6_addr);
}

static int literal_tcp(const struct endpoint *e, struct address_list *ret_list, struct err *err)
{
	struct address a;
	char what[ADDRESS_TEXT_MAX];

	if (address_from_literal(e->host, e->port, &a)) {
		*ret_list = (struct address_list){.n = 1, .item[0] = a};
		return 1;
	}
	if (!strchr(e->host, ':'))
		return 0;
	endpoint_describe(e, what, sizeof(what));
	if (strchr(e->host, '%'))
		return err_set(err, ERR_RETRY, ENODEV,
			       "%s: there is no such address or network interface", what);
	return err_set(err, ERR_USAGE, EINVAL, "%s: the host is not an IPv6 address", what);
}

static int literal_unix(const struct endpoint *e, struct address_list *ret_list, struct err *err)
{
	struct address a = {0};
	struct sockaddr_un *sun = (void *)&a.sa;
	bool named = e->path_len && e->path[0] != '\0';

	/* A file's path needs its terminating NUL; an abstract name is counted (unix(7)). */
	if (e->path_len == 0 || e->path_len + named > sizeof(sun->sun_path))
		return err_set(err, ERR_USAGE, ENAMETOOLONG,
			       "the path of a Unix socket has 1 to %zu bytes, not %zu",
			       sizeof(sun->sun_path) - named, e->path_len);
	if (named && memchr(e->path, '\0', e->path_len))
		return err_set(err, ERR_USAGE, EINVAL,
			       "the path of a Unix socket must not contain a NUL byte");
	sun->sun_family = AF_UNIX;
	memcpy(sun->sun_path, e->path, e->path_len);
	a.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + e->path_len + named);
	*ret_list = (struct address_list){.n = 1, .item[0] = a};
	return 1;
}

int address_list_literal(const struct endpoint *e, struct address_list *ret_list, struct err *err)
{
	struct sockaddr_vm svm = {
	    .svm_family = AF_VSOCK,
	    .svm_cid = e->cid,
	    .svm_port = e->vsock_port,
	};

	switch (e->type) {
	case ENDPOINT_TCP:
		return literal_tcp(e, ret_list, err);
	case ENDPOINT_UNIX:
		return literal_unix(e, ret_list, err);
	case ENDPOINT_VSOCK:
		*ret_list = (struct address_list){.n = 1, .item[0].len = sizeof(svm)};
		memcpy(&ret_list->item[0].sa, &svm, sizeof(svm));
		return 1;
	}
	return err_set(err, ERR_USAGE, EINVAL, "the endpoint is of an unknown type");
}

static bool has(const struct address_list *list, const struct address *a)
{
	for (size_t i = 0; i < list->n; i++)
		if (address_equal(&list->item[i], a))
			return true;
	return false;
}

bool address_list_add(struct address_list *list, const struct address *a)
{
	if (list->n == ADDRESSES_MAX || has(list, a))
		return false;
	list->item[list->n++] = *a;
	return true;
}

/* Removes the last address of another family. False: this family has its half of the list. */
static bool make_room(struct address_list *list, sa_family_t family)
{
	size_t own = 0, last = 0;

	for (size_t i = 0; i < list->n; i++) {
		if (list->item[i].sa.ss_family == family)
			own++;
		else
			last = i;
	}
	if (own >= ADDRESSES_MAX / 2)
		return false;
	list->n--;
	memmove(&list->item[last], &list->item[last + 1], (list->n - last) * sizeof(list->item[0]));
	return true;
}

bool address_list_add_fairly(struct address_list *list, const struct address *a)
{
	if (has(list, a) || (list->n == ADDRESSES_MAX && !make_room(list, a->sa.ss_family)))
		return false;
	list->item[list->n++] = *a;
	return true;
}

void address_list_interleave(struct address_list *list)
{
	struct address_list in = *list;
	bool used[ADDRESSES_MAX] = {false};
	size_t i;

	for (size_t out = 0; out < in.n; out++) {
		/* The first unused one of the other family than the last, or of any. */
		for (i = 0; i < in.n; i++)
			if (!used[i] && (out == 0 || in.item[i].sa.ss_family !=
							 list->item[out - 1].sa.ss_family))
				break;
		if (i == in.n)
			for (i = 0; used[i]; i++)
				;
		used[i] = true;
		list->item[out] = in.item[i];
	}
}
