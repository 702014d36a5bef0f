/* SPDX-License-Identifier: MIT */
#include "driver.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define TICK_MS 5

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void driver_reply(struct client *c, uint64_t id, int error, const void *data, size_t len)
{
	struct stub_reply reply = {.id = id, .error = error};
	struct iovec iov[2] = {
	    {.iov_base = &reply, .iov_len = sizeof(reply)},
	    {.iov_base = (void *)(uintptr_t)data, .iov_len = len},
	};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = len ? 2 : 1};

	if (c && c->fd >= 0)
		(void)!sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void driver_event(struct driver *d, int index)
{
	const struct stub_event e = {.index = index};

	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (d->client[i].fd >= 0 && d->client[i].op == STUB_EVENTS)
			send(d->client[i].fd, &e, sizeof(e), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void driver_log(struct driver *d, const struct device *dev, const char *format, ...)
{
	char record[512];
	va_list ap;
	int len;

	len = snprintf(record, sizeof(record),
		       "6,%llu,%llu,-;block nbd%d: ", (unsigned long long)d->records++,
		       (unsigned long long)now_ms() * 1000, dev->index);
	va_start(ap, format);
	len += vsnprintf(record + len, sizeof(record) - (size_t)len, format, ap);
	va_end(ap);
	if (len > (int)sizeof(record) - 2)
		len = (int)sizeof(record) - 2;
	record[len++] = '\n';
	record[len] = '\0';
	fputs(record, d->log);
	fflush(d->log);
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (d->client[i].fd >= 0 && d->client[i].op == STUB_LOG)
			send(d->client[i].fd, record, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static struct device *device_of(struct driver *d, int index)
{
	return index >= 0 && index < STUB_DEVICES ? &d->device[index] : NULL;
}

/* Runs the commands of all devices one after the other, as generic netlink's lock does. */
static int execute(struct driver *d, struct command *c)
{
	struct device *dev = device_of(d, c->request.index);

	if (!dev)
		return -EINVAL;
	switch (c->request.op) {
	case STUB_ATTACH:
		return device_attach(d, dev, c);
	case STUB_CHANGE:
		return device_change(d, dev, c);
	default:
		return device_detach(d, dev);
	}
}

static void run_commands(struct driver *d)
{
	struct command *c;
	int ret;

	while ((c = d->commands) && !d->blocked) {
		ret = execute(d, c);
		if (ret == -EINPROGRESS)
			return;
		driver_reply(c->client, c->request.id, ret, NULL, 0);
		d->commands = c->next;
		for (size_t i = 0; i < c->n_fds; i++)
			if (c->fds[i] >= 0)
				close(c->fds[i]);
		free(c->identifier);
		free(c);
	}
}

static void add_command(struct driver *d, struct client *client, const struct stub_request *r,
			const uint8_t *data, size_t len, const int *fds, size_t n_fds)
{
	struct command *c = calloc(1, sizeof(*c)), **last = &d->commands;

	*c = (struct command){.client = client, .request = *r, .n_fds = n_fds};
	memcpy(c->fds, fds, n_fds * sizeof(fds[0]));
	if (r->has_identifier)
		c->identifier = strndup((const char *)data, len);
	for (; *last; last = &(*last)->next)
		d->overlapping += (*last)->client == client;
	*last = c;
}

static void open_device(struct driver *d, struct client *c, const struct stub_request *r)
{
	struct device *dev = device_of(d, r->index);
	int error = dev ? 0 : -ENXIO;

	for (size_t i = 0; dev && i < CLIENTS_MAX; i++)
		if (d->client[i].fd >= 0 && d->client[i].device == dev && r->exclusive &&
		    d->client[i].exclusive)
			error = -EBUSY;
	if (error == 0) {
		c->op = STUB_OPEN;
		c->device = dev;
		c->exclusive = r->exclusive;
		dev->openers++;
		files_partitions(d, dev, true);
		files_opened(d, c, true);
		files_references(d);
	}
	driver_reply(c, r->id, error, NULL, 0);
}

static void dispatch(struct driver *d, struct client *c, const struct stub_request *r,
		     uint8_t *data, size_t len, int *fds, size_t n_fds)
{
	switch ((enum stub_op)r->op) {
	case STUB_ATTACH:
	case STUB_CHANGE:
	case STUB_DETACH:
		add_command(d, c, r, data, len, fds, n_fds);
		return;
	case STUB_EVENTS:
	case STUB_LOG:
		c->op = r->op;
		driver_reply(c, r->id, 0, NULL, 0);
		return;
	case STUB_OPEN:
		open_device(d, c, r);
		return;
	case STUB_READ:
	case STUB_WRITE:
	case STUB_FLUSH:
		if (c->device)
			queue_submit(d, c->device, c, r, data);
		else
			driver_reply(c, r->id, -EBADF, NULL, 0);
		return;
	case STUB_CONTROL:
		data[len] = '\0';
		control_words(d, c, r->id, (char *)data);
		return;
	}
	driver_reply(c, r->id, -EINVAL, NULL, 0);
}

static void forget(struct driver *d, struct client *c)
{
	struct device *dev = c->device;

	if (dev)
		files_opened(d, c, false);
	close(c->fd);
	c->fd = -1;
	for (struct command *p = d->commands; p; p = p->next)
		if (p->client == c)
			p->client = NULL;
	for (size_t i = 0; i < STUB_DEVICES; i++)
		queue_forget_client(&d->device[i], c);
	c->device = NULL;
	if (dev && --dev->openers == 0)
		device_last_close(d, dev);
	if (dev)
		files_references(d);
}

static void serve(struct driver *d, struct client *c)
{
	static uint8_t data[STUB_DATA_MAX + 1];
	struct stub_request r;
	int fds[STUB_FDS_MAX];
	union {
		struct cmsghdr hdr;
		char buf[CMSG_SPACE(STUB_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov[2] = {
	    {.iov_base = &r, .iov_len = sizeof(r)},
	    {.iov_base = data, .iov_len = STUB_DATA_MAX},
	};
	struct msghdr msg = {.msg_iov = iov,
			     .msg_iovlen = 2,
			     .msg_control = control.buf,
			     .msg_controllen = sizeof(control.buf)};
	ssize_t n = recvmsg(c->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	size_t n_fds = 0;
	struct cmsghdr *h;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < (ssize_t)sizeof(r)) {
		forget(d, c);
		return;
	}
	h = CMSG_FIRSTHDR(&msg);
	if (h && h->cmsg_type == SCM_RIGHTS) {
		n_fds = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(h), n_fds * sizeof(int));
	}
	dispatch(d, c, &r, data, (size_t)n - sizeof(r), fds, n_fds);
}

static void accept_client(struct driver *d, int listener)
{
	struct ucred peer = {.pid = 0};
	socklen_t len = sizeof(peer);
	int size = 1 << 20;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		if (d->client[i].fd >= 0)
			continue;
		d->client[i] = (struct client){.fd = fd, .pid = peer.pid};
		return;
	}
	close(fd);
}

struct polled {
	struct client *client;
	struct device *device;
	struct slot *slot;
};

static size_t gather(struct driver *d, struct pollfd *p, struct polled *who)
{
	size_t n = 0;

	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		if (d->client[i].fd < 0)
			continue;
		who[n] = (struct polled){.client = &d->client[i]};
		p[n++] = (struct pollfd){.fd = d->client[i].fd, .events = POLLIN};
	}
	for (size_t i = 0; i < STUB_DEVICES; i++) {
		struct device *dev = &d->device[i];

		for (unsigned s = 0; s < dev->n_slots; s++) {
			if (dev->slot[s].dead || dev->slot[s].ended)
				continue;
			who[n] = (struct polled){.device = dev, .slot = &dev->slot[s]};
			p[n++] = (struct pollfd){
			    .fd = dev->slot[s].fd,
			    .events =
				(short)(POLLIN | POLLRDHUP | (dev->slot[s].sending ? POLLOUT : 0))};
		}
	}
	return n;
}

static bool timers(const struct driver *d)
{
	if (d->commands && !d->blocked)
		return true;
	for (size_t i = 0; i < STUB_DEVICES; i++) {
		if (d->device[i].requests)
			return true;
		for (unsigned s = 0; s < d->device[i].n_slots; s++)
			if (d->device[i].slot[s].ended)
				return true;
	}
	return false;
}

static void loop(struct driver *d, int listener)
{
	struct pollfd p[1 + CLIENTS_MAX + STUB_DEVICES * STUB_FDS_MAX];
	struct polled who[CLIENTS_MAX + STUB_DEVICES * STUB_FDS_MAX];
	size_t n;

	while (!stopped) {
		n = gather(d, p + 1, who);
		p[0] = (struct pollfd){.fd = listener, .events = POLLIN};
		if (poll(p, n + 1, timers(d) ? TICK_MS : 1000) < 0 && errno != EINTR)
			return;
		for (size_t i = 0; i < n; i++) {
			if (p[i + 1].revents == 0 || (p[i + 1].revents & ~POLLOUT) == 0)
				continue;
			if (who[i].client && who[i].client->fd == p[i + 1].fd)
				serve(d, who[i].client);
			else if (who[i].slot && who[i].slot->fd == p[i + 1].fd)
				queue_receive(d, who[i].device, who[i].slot);
		}
		if (p[0].revents)
			accept_client(d, listener);
		for (size_t i = 0; i < STUB_DEVICES; i++)
			queue_run(d, &d->device[i]);
		run_commands(d);
		for (size_t i = 0; i < STUB_DEVICES; i++)
			queue_run(d, &d->device[i]);
	}
}

/* The socket gets its name only when it listens, because tests wait for the name. */
static int listen_at(const char *dir)
{
	char name[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (snprintf(name, sizeof(name), "%s/%s", dir, STUB_SOCKET) >= (int)sizeof(name) ||
	    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/new", dir) >= (int)sizeof(sa.sun_path))
		return -1;
	if (fd >= 0 && (bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 ||
			listen(fd, CLIENTS_MAX) < 0 || rename(sa.sun_path, name) < 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

int driver_run(const char *dir)
{
	static struct driver driver;
	struct driver *d = &driver;
	char path[128];
	int listener;

	snprintf(d->dir, sizeof(d->dir), "%s", dir);
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		d->client[i].fd = -1;
	for (int i = 0; i < STUB_DEVICES; i++)
		d->device[i] =
		    (struct device){.index = i, .pid_fd = -1, .stat_fd = -1, .inflight_fd = -1};
	files_make(d);
	snprintf(path, sizeof(path), "%s/kmsg", dir);
	d->log = fopen(path, "we");
	signal(SIGTERM, stop);
	signal(SIGPIPE, SIG_IGN);
	listener = listen_at(dir);
	if (!d->log || listener < 0) {
		perror(dir);
		return 1;
	}
	loop(d, listener);
	return 0;
}
