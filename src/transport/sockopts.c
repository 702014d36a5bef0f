/* SPDX-License-Identifier: MIT */
#include "transport/sockopts.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"

/*
 * An idle link to a dead peer ends after IDLE + COUNT * INTERVAL: 4 + 3 * 2 s of 10. A peer that is
 * alive answers probes even when it does not read. TCP_USER_TIMEOUT stays unset on purpose: tcp(7),
 * and seen, it also cuts a peer that acknowledges but does not read, which then still executes what
 * it holds, over newer data.
 */
#define KEEPALIVE_COUNT	   3
#define PEER_TIMEOUT_S	   10
#define PEER_TIMEOUT_MIN_S 5

#define ULP_NAME_MAX 16 /* bytes of the name of a protocol over TCP (TCP_ULP_NAME_MAX) */

/* What the kernel accepts as an interface's name (dev_valid_name). */
static bool may_be_interface(const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		if (text[i] == '/' || text[i] == ':' || isspace((unsigned char)text[i]))
			return false;
	return len > 0 && len < IF_NAMESIZE && strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
}

/* A link-local address and an interface that does not exist yet. */
static bool parse_scoped(const char *text, struct source *source)
{
	const char *name = strchr(text, '%');
	char literal[INET6_ADDRSTRLEN];

	if (!name || (size_t)(name - text) >= sizeof(literal) || !may_be_interface(name + 1))
		return false;
	memcpy(literal, text, (size_t)(name - text));
	literal[name - text] = '\0';
	if (!address_from_literal(literal, 0, &source->address) ||
	    !address_lacks_interface(&source->address))
		return false;
	source->kind = SOURCE_ADDRESS;
	strcpy(source->interface, name + 1);
	return true;
}

int source_parse(const char *text, struct source *ret_source, struct err *err)
{
	struct source source = {.kind = SOURCE_ANY};
	struct text quoted;
	char what[64];

	if (!text) {
		*ret_source = source;
		return 0;
	}
	if (address_from_literal(text, 0, &source.address)) {
		if (address_lacks_interface(&source.address))
			return err_set(err, ERR_USAGE, EINVAL,
				       "--source: %s is a link-local address, which needs the "
				       "network interface: write %s%%INTERFACE",
				       text, text);
		source.kind = SOURCE_ADDRESS;
		*ret_source = source;
		return 0;
	}
	if (parse_scoped(text, &source)) {
		*ret_source = source;
		return 0;
	}
	if (!may_be_interface(text)) {
		text_init(&quoted, what, sizeof(what));
		text_quote(&quoted, text, strlen(text), 40);
		return err_set(
		    err, ERR_USAGE, EINVAL,
		    "--source %s is neither an address nor the name of a network interface", what);
	}
	source.kind = SOURCE_INTERFACE;
	strcpy(source.interface, text);
	*ret_source = source;
	return 0;
}

bool source_names_interface(const char *text)
{
	struct source source = {.kind = SOURCE_ANY};
	const struct sockaddr_in6 *sin6 = (const void *)&source.address.sa;

	if (!text || source_parse(text, &source, NULL) < 0)
		return false;
	return source.interface[0] || (sin6->sin6_family == AF_INET6 && sin6->sin6_scope_id != 0);
}

static int set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int set_tcp(int fd, uint32_t peer_timeout_ms)
{
	int limit = peer_timeout_ms ? (int)(peer_timeout_ms / 1000) : PEER_TIMEOUT_S;
	int whole = limit < PEER_TIMEOUT_MIN_S ? PEER_TIMEOUT_MIN_S : limit;
	int interval = whole / 5;
	const struct {
		int level, option, value;
	} wanted[] = {
	    {IPPROTO_TCP, TCP_NODELAY, 1},
	    {SOL_SOCKET, SO_KEEPALIVE, 1},
	    {IPPROTO_TCP, TCP_KEEPIDLE, whole - KEEPALIVE_COUNT * interval},
	    {IPPROTO_TCP, TCP_KEEPINTVL, interval},
	    {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT},
	};
	int ret;

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		ret = set_int(fd, wanted[i].level, wanted[i].option, wanted[i].value);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int bind_to_address(int fd, const struct source *source)
{
	struct address a = source->address;
	struct sockaddr_in6 *sin6 = (void *)&a.sa;

	if (source->interface[0]) {
		sin6->sin6_scope_id = if_nametoindex(source->interface);
		if (!sin6->sin6_scope_id)
			return -ENODEV;
	}
	/* The port is chosen at connect(), when the destination is known: many connections may then
	 * share one local port. Best effort. */
	set_int(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	return bind(fd, (const void *)&a.sa, a.len) < 0 ? -errno : 0;
}

static int set_source(int fd, int family, const struct source *source)
{
	switch (source->kind) {
	case SOURCE_ANY:
		return 0;
	case SOURCE_ADDRESS:
		if (source->address.sa.ss_family != family)
			return -EADDRNOTAVAIL;
		return bind_to_address(fd, source);
	case SOURCE_INTERFACE:
		if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, source->interface,
			       (socklen_t)strlen(source->interface)) < 0)
			return -errno;
		return 0;
	}
	return -EINVAL;
}

int sockopts_socket(int family, const struct source *source, uint32_t peer_timeout_ms)
{
	bool internet = family == AF_INET || family == AF_INET6;
	_cleanup_fd_ int fd =
	    socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, internet ? IPPROTO_TCP : 0);
	int ret;

	if (fd < 0)
		return -errno;
	if (internet) {
		ret = set_tcp(fd, peer_timeout_ms);
		if (ret == 0)
			ret = set_source(fd, family, source);
		if (ret < 0)
			return ret;
	}
	return TAKE_FD(fd);
}

void sockopts_linger(int fd, bool drop)
{
	const struct linger linger = {.l_onoff = drop, .l_linger = 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

void sockopts_close(int fd)
{
	if (fd < 0)
		return;
	sockopts_linger(fd, false);
	close(fd);
}

/* A worker may put any protocol over TCP that the kernel has loaded. */
static bool is_plain_or_tls(int fd)
{
	char name[ULP_NAME_MAX + 1] = "";
	socklen_t len = sizeof(name) - 1;

	if (getsockopt(fd, IPPROTO_TCP, TCP_ULP, name, &len) < 0)
		return true; /* not TCP */
	return !name[0] || strcmp(name, "tls") == 0;
}

int sockopts_hand_over(int fd, struct err *err)
{
	const struct timeval never = {0};
	int flags = fcntl(fd, F_GETFL);
	int pending = 0;
	socklen_t len = sizeof(pending);

	if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &never, sizeof(never)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &never, sizeof(never)) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_ERROR, &pending, &len) < 0)
		return err_errno(err, ERR_FAILED, errno,
				 "cannot prepare the socket for the kernel");
	sockopts_linger(fd, false);
	if (!is_plain_or_tls(fd))
		return err_set(err, ERR_PERMANENT, EPROTO,
			       "the handshake process has put another protocol than TLS over the "
			       "connection: a server may have taken control of it");
	if (pending)
		return err_errno(err, ERR_RETRY, pending,
				 "the server closed the connection after the handshake");
	return 0;
}
