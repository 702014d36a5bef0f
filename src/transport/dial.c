/* SPDX-License-Identifier: MIT */
#include "transport/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/held.h"

#define STAGGER_MS 250 /* RFC 8305 section 5, Connection Attempt Delay */

/* A Unix socket with a full backlog cannot be waited for (connect(2), EAGAIN). */
#define BACKLOG_RETRY_MS 50

#define FAILURES_SHOWN 4

struct candidate {
	struct dial *dial;
	int fd; /* -1: not started, or failed */
	int error;
	struct loop_io *io;
};

struct dial {
	struct loop *loop;
	struct address_list list;
	struct source source;
	uint32_t peer_timeout_ms;
	char what[ADDRESS_TEXT_MAX];
	dial_done_fn *done;
	void *arg;
	struct loop_timer *timer;
	size_t next; /* the first that was not tried */
	struct candidate candidate[ADDRESSES_MAX];
};

static void drop(struct candidate *c)
{
	loop_io_free(c->io);
	c->io = NULL;
	close_fdp(&c->fd);
	c->fd = -1;
}

void dial_free(struct dial *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->list.n; i++)
		drop(&d->candidate[i]);
	loop_timer_free(d->timer);
	free(d);
}

static enum err_kind kind_of(int error, int family)
{
	if (family == AF_UNIX && (error == EACCES || error == EPERM || error == EPROTOTYPE))
		return ERR_PERMANENT;
	if (error == EAFNOSUPPORT || error == EPROTONOSUPPORT || error == ESOCKTNOSUPPORT)
		return ERR_SYSTEM;
	/* Everything else may heal: servers, routes and interfaces come back. */
	return ERR_RETRY;
}

static bool same_errors(const struct dial *d)
{
	for (size_t i = 1; i < d->list.n; i++)
		if (d->candidate[i].error != d->candidate[0].error)
			return false;
	return true;
}

bool dial_failures(const struct dial *d, struct text *t)
{
	char where[ADDRESS_TEXT_MAX];
	size_t n = 0;

	for (size_t i = 0; i < d->list.n; i++) {
		if (!d->candidate[i].error)
			continue;
		if (n++ >= FAILURES_SHOWN)
			continue;
		text_str(t, n == 1 ? "" : "; ");
		text_str(t, address_describe(&d->list.item[i], where, sizeof(where)));
		text_str(t, ": ");
		text_str(t, strerror(d->candidate[i].error));
	}
	if (n > FAILURES_SHOWN) {
		text_str(t, "; and ");
		text_u64(t, n - FAILURES_SHOWN);
		text_str(t, " more");
	}
	return n > 0;
}

bool dial_failed(const struct dial *d, const struct address *a)
{
	for (size_t i = 0; i < d->list.n; i++)
		if (address_equal(&d->list.item[i], a))
			return d->candidate[i].error != 0;
	return false;
}

static void describe_source(const struct source *s, char *buf, size_t size)
{
	char literal[ADDRESS_TEXT_MAX];
	char *port;

	buf[0] = '\0';
	if (s->kind == SOURCE_INTERFACE)
		snprintf(buf, size, " from %s", s->interface);
	if (s->kind != SOURCE_ADDRESS)
		return;
	address_describe(&s->address, literal, sizeof(literal));
	port = strrchr(literal, ':'); /* port 0 has no meaning */
	if (port)
		*port = '\0';
	snprintf(buf, size, " from %s", literal);
}

/* True for a path of something else than a socket: connect(2) says ECONNREFUSED, as for a socket
 * on which no process listens. */
static bool is_no_socket(const struct sockaddr_un *sa)
{
	struct stat st;

	return sa->sun_path[0] && stat(sa->sun_path, &st) == 0 && !S_ISSOCK(st.st_mode);
}

/* True for a link-local address whose interface has gone: connect(2) has many errors for it. */
static bool lost_interface(const struct address *a)
{
	const struct sockaddr_in6 *sin6 = (const void *)&a->sa;
	char name[IF_NAMESIZE];

	return a->sa.ss_family == AF_INET6 && sin6->sin6_scope_id &&
	       !if_indextoname(sin6->sin6_scope_id, name);
}

static int explain(const struct dial *d, struct err *err)
{
	int error = d->candidate[0].error, family = d->list.item[0].sa.ss_family;
	enum err_kind kind = kind_of(error, family);
	char from[ADDRESS_TEXT_MAX + 8], detail[600];
	struct text t;

	describe_source(&d->source, from, sizeof(from));
	for (size_t i = 1; i < d->list.n && kind != ERR_RETRY; i++)
		kind = kind_of(d->candidate[i].error, d->list.item[i].sa.ss_family);
	if (d->list.n > 1 && !same_errors(d)) {
		text_init(&t, detail, sizeof(detail));
		dial_failures(d, &t);
		return err_set(err, kind, error, "cannot connect to %s%s: %s", d->what, from,
			       detail);
	}
	if (d->source.interface[0] && error == ENODEV)
		return err_set(err, kind, error,
			       "this machine has no network interface %s: --source takes the name "
			       "of an interface, or an address of this machine",
			       d->source.interface);
	if (d->source.kind == SOURCE_ADDRESS && error == EADDRNOTAVAIL)
		return err_set(err, kind, error,
			       "cannot connect to %s%s: --source is not an address of this "
			       "machine, or it is of the other IP version than the server",
			       d->what, from);
	if (error == EINVAL && address_lacks_interface(&d->list.item[0]))
		return err_set(err, kind, error,
			       "cannot connect to %s%s: its address is link-local, which needs the "
			       "network interface: write ADDRESS%%INTERFACE, or give --source "
			       "INTERFACE",
			       d->what, from);
	if (lost_interface(&d->list.item[0]))
		return err_set(err, kind, error,
			       "cannot connect to %s%s: the network interface of its address is "
			       "missing",
			       d->what, from);
	if (error == ECONNREFUSED && family == AF_UNIX &&
	    is_no_socket((const struct sockaddr_un *)&d->list.item[0].sa))
		return err_set(err, kind, error,
			       "%s is not a socket: --unix takes the one at which a server "
			       "listens; for a disk image "
			       "write --image FORMAT:FILE",
			       d->what);
	/* A vsock peer on which no process listens answers with a reset. */
	if (error == ECONNREFUSED || (error == ECONNRESET && family == AF_VSOCK))
		return err_set(err, kind, error, "%s refuses connections%s: is the server running?",
			       d->what, from);
	if (error == ENOENT && family == AF_UNIX)
		return err_set(err, kind, error, "%s does not exist: is the server running?",
			       d->what);
	if (error == EAFNOSUPPORT && family == AF_VSOCK)
		return err_set(
		    err, kind, error,
		    "vsock is not available: the kernel lacks it, or the systemd unit does not "
		    "allow it (RestrictAddressFamilies=AF_VSOCK in a drop-in does)");
	/*
	 * The error of vhost_vsock for a machine that does not exist, and of vsock without a
	 * transport.
	 */
	if (error == ENODEV && family == AF_VSOCK)
		return err_set(
		    err, kind, error,
		    "%s cannot be reached: no virtual machine with this CID is running, or a "
		    "module is missing (vhost_vsock on a host, vsock_loopback for CID 1)",
		    d->what);
	return err_errno(err, kind, error, "cannot connect to %s%s", d->what, from);
}

/* Calls done(), which may free d: nothing of d may be used afterwards. */
static void finish(struct dial *d, struct candidate *winner)
{
	_cleanup_fd_ int fd = -1;
	struct address peer;
	struct err err = {0};
	int ret;

	loop_timer_cancel(d->timer);
	if (!winner) {
		ret = explain(d, &err);
		d->done(ret, -1, NULL, &err, d->arg);
		return;
	}
	loop_io_free(winner->io);
	winner->io = NULL;
	fd = TAKE_FD(winner->fd);
	peer = d->list.item[winner - d->candidate];
	for (size_t i = 0; i < d->list.n; i++)
		drop(&d->candidate[i]);
	d->next = d->list.n;
	d->done(0, TAKE_FD(fd), &peer, NULL, d->arg);
}

/*
 * TCP can connect a socket to itself when the requested port is in the range from which the kernel
 * chooses and no process listens on it: a "server" that echoes our own bytes.
 */
static bool met_itself(int fd)
{
	struct address here = {.len = sizeof(here.sa)}, there = {.len = sizeof(there.sa)};

	if (getsockname(fd, (void *)&here.sa, &here.len) < 0 ||
	    getpeername(fd, (void *)&there.sa, &there.len) < 0)
		return false;
	return (here.sa.ss_family == AF_INET || here.sa.ss_family == AF_INET6) &&
	       address_equal(&here, &there);
}

/* The outcome of a connection that was under way: 0 or a positive errno. */
static int outcome(int fd)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return errno;
	return error == 0 && met_itself(fd) ? ECONNREFUSED : error;
}

static void go_on(struct dial *d);

static void on_connected(int fd, uint32_t events, void *arg)
{
	struct candidate *c = arg;
	struct dial *d = c->dial;
	int error = outcome(fd);

	(void)events;
	if (error == 0) {
		finish(d, c);
		return;
	}
	drop(c);
	c->error = error;
	go_on(d);
}

/* 0 or -1 with errno. The path of a Unix socket may be in a directory that is kept open. */
static int connect_to(int fd, const struct address *a)
{
	const struct sockaddr_un *sun = (const void *)&a->sa;

	if (a->sa.ss_family != AF_UNIX || !sun->sun_path[0])
		return connect(fd, (const void *)&a->sa, a->len);
	errno = -held_connect(fd, sun->sun_path);
	return errno ? -1 : 0;
}

/* 0: connected; EINPROGRESS: under way, watched; else why not (a positive errno). */
static int start(struct dial *d, size_t i)
{
	const struct address *a = &d->list.item[i];
	struct candidate *c = &d->candidate[i];
	int error;

	c->fd = sockopts_socket(a->sa.ss_family, &d->source, d->peer_timeout_ms);
	if (c->fd < 0) {
		error = -c->fd;
		c->fd = -1;
		return error;
	}
	if (connect_to(c->fd, a) == 0)
		return outcome(c->fd);
	/* An interrupted connect() continues by itself. */
	if (errno != EINPROGRESS && errno != EINTR)
		return errno;
	c->io = loop_io_new(d->loop, c->fd, EPOLLOUT, on_connected, c);
	return c->io ? EINPROGRESS : errno;
}

static bool under_way(const struct dial *d)
{
	for (size_t i = 0; i < d->list.n; i++)
		if (d->candidate[i].fd >= 0)
			return true;
	return false;
}

/* Starts the next candidates until one is under way. */
static void go_on(struct dial *d)
{
	while (d->next < d->list.n) {
		struct candidate *c = &d->candidate[d->next];
		int error = start(d, d->next);

		if (error == EAGAIN && d->list.item[d->next].sa.ss_family == AF_UNIX) {
			drop(c);
			loop_timer_set(d->timer, BACKLOG_RETRY_MS);
			return;
		}
		d->next++;
		if (error == 0) {
			finish(d, c);
			return;
		}
		if (error == EINPROGRESS) {
			loop_timer_set(d->timer, STAGGER_MS);
			return;
		}
		drop(c);
		c->error = error;
	}
	if (!under_way(d))
		finish(d, NULL);
}

static void on_timer(void *arg)
{
	go_on(arg);
}

int dial_new(struct loop *loop, const struct dial_config *cfg, dial_done_fn *done, void *arg,
	     struct dial **ret_dial, struct err *err)
{
	struct dial *d = calloc(1, sizeof(*d));

	if (!d)
		return err_set(err, ERR_FAILED, ENOMEM, "no memory");
	*d = (struct dial){
	    .loop = loop,
	    .list = *cfg->addresses,
	    .source = *cfg->source,
	    .peer_timeout_ms = cfg->peer_timeout_ms,
	    .done = done,
	    .arg = arg,
	};
	snprintf(d->what, sizeof(d->what), "%s", cfg->what);
	for (size_t i = 0; i < ADDRESSES_MAX; i++)
		d->candidate[i] = (struct candidate){.dial = d, .fd = -1};
	d->timer = loop_timer_new(loop, on_timer, d);
	if (!d->timer) {
		dial_free(d);
		return err_set(err, ERR_FAILED, ENOMEM, "no memory");
	}
	loop_timer_set(d->timer, 0);
	*ret_dial = d;
	return 0;
}
