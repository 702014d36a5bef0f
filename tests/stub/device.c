/* SPDX-License-Identifier: MIT */
/* The life of a device: CONNECT, RECONFIGURE, DISCONNECT, the end of a connection. */
#include "driver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "nbd/export.h"

#define DISCONNECT_MAGIC 0x25609513u

static void set_timeout(struct driver *d, struct device *dev, uint64_t timeout)
{
	dev->timeout = timeout;
	files_set(d, dev, "queue/io_timeout", "%llu",
		  (unsigned long long)(timeout ? timeout * 1000 : 30000));
}

static void shut_sockets(const struct command *c)
{
	for (size_t i = 0; i < c->n_fds; i++)
		shutdown(c->fds[i], SHUT_RDWR);
}

static void adopt(struct device *dev, struct slot *s, int *fd)
{
	const struct timeval t = {.tv_sec = (time_t)dev->timeout};

	/* With a timeout, the kernel's sends are bounded. */
	if (dev->timeout)
		setsockopt(*fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
	if (s->fd >= 0)
		close(s->fd);
	*s = (struct slot){.fd = *fd, .cookie = s->cookie + 1};
	*fd = -1;
}

int device_attach(struct driver *d, struct device *dev, struct command *c)
{
	const struct stub_request *r = &c->request;

	if (dev->configured || dev->openers)
		return -EBUSY;
	if (c->n_fds == 0 || r->block_size < 512)
		return -EINVAL;
	if (c->n_fds > 1 && !(r->flags & NBD_TX_CAN_MULTI_CONN)) {
		shut_sockets(c);
		return -EINVAL;
	}
	dev->stale = files_partitions(d, dev, false);
	dev->configured = true;
	dev->disconnected = dev->expired = false;
	dev->identifier = c->identifier;
	c->identifier = NULL;
	dev->flags = r->flags;
	dev->ioctl = r->ioctl;
	dev->size = r->size;
	dev->block_size = r->block_size;
	dev->dead_timeout = r->dead_timeout;
	dev->n_slots = (unsigned)c->n_fds;
	set_timeout(d, dev, r->timeout);
	for (unsigned i = 0; i < dev->n_slots; i++) {
		dev->slot[i] = (struct slot){.fd = -1};
		adopt(dev, &dev->slot[i], &c->fds[i]);
	}
	files_configured(d, dev, c->client ? c->client->pid : 1);
	files_references(d);
	return 0;
}

static void remember(struct device *dev, int fd)
{
	const size_t n = sizeof(dev->seen) / sizeof(dev->seen[0]);
	struct stat st = {.st_ino = 0};

	fstat(fd, &st);
	for (size_t i = 0; i < n; i++) {
		if (dev->seen[i] != st.st_ino)
			continue;
		dev->repeated++;
		return;
	}
	dev->seen[dev->offered % n] = st.st_ino;
}

/* nbd_reconnect_socket(): the first dead connection. */
static void reconnect(struct driver *d, struct device *dev, int *fd)
{
	struct slot *s = dev->slot;

	remember(dev, *fd);
	dev->offered++;
	if (dev->decline) {
		dev->decline--;
		dev->declined++;
		return;
	}
	while (s < dev->slot + dev->n_slots && !s->dead)
		s++;
	if (s == dev->slot + dev->n_slots) {
		dev->declined++; /* ENOSPC, which the kernel does not report */
		return;
	}
	adopt(dev, s, fd);
	dev->expired = false;
	dev->taken++;
	if (!dev->mute)
		driver_log(d, dev, "reconnected socket");
}

static bool identified(const struct device *dev, const struct command *c)
{
	return !dev->identifier || (c->identifier && strcmp(dev->identifier, c->identifier) == 0);
}

int device_change(struct driver *d, struct device *dev, struct command *c)
{
	const struct stub_request *r = &c->request;

	if (!dev->configured || dev->disconnected || !identified(dev, c)) {
		dev->frozen = false;
		return -EINVAL;
	}
	if (r->size && r->size != dev->size) {
		dev->frozen = !d->no_size_freeze;
		if (dev->frozen && dev->requests && queue_busy(dev))
			return -EINPROGRESS;
		dev->frozen = false;
		dev->size = r->size;
		dev->sizes++;
		files_size(d, dev);
	}
	dev->changes++;
	if (r->set_timeout)
		set_timeout(d, dev, r->timeout);
	if (r->set_dead_timeout)
		dev->dead_timeout = r->dead_timeout;
	for (size_t i = 0; i < c->n_fds; i++)
		reconnect(d, dev, &c->fds[i]);
	return 0;
}

static void say_goodbye(const struct slot *s)
{
	uint8_t head[28] = {0x25, 0x60, 0x95, 0x13, 0, 0, 0, 2};

	send(s->fd, head, sizeof(head), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void release(struct driver *d, struct device *dev)
{
	for (unsigned i = 0; i < dev->n_slots; i++)
		close(dev->slot[i].fd);
	dev->n_slots = 0;
	dev->configured = dev->disconnected = dev->expired = false;
	free(dev->identifier);
	dev->identifier = NULL;
	dev->size = 0;
	files_free(d, dev);
	files_references(d);
}

int device_detach(struct driver *d, struct device *dev)
{
	if (!dev->configured || dev->disconnected)
		return 0;
	if (dev->refuse)
		return -EPERM;
	/* The disconnect request is sent after the request that is being sent. */
	for (unsigned i = 0; i < dev->n_slots; i++)
		if (!dev->slot[i].dead && dev->slot[i].sending)
			return -EINPROGRESS;
	dev->detaches++;
	for (unsigned i = 0; i < dev->n_slots; i++) {
		struct slot *s = &dev->slot[i];

		if (s->dead)
			continue;
		say_goodbye(s);
		shutdown(s->fd, SHUT_RDWR);
		s->dead = true;
		s->reading = NULL;
	}
	dev->disconnected = true;
	queue_fail_all(d, dev);
	driver_log(d, dev, "NBD_DISCONNECT");
	if (dev->openers == 0)
		release(d, dev);
	return 0;
}

void device_last_close(struct driver *d, struct device *dev)
{
	if (dev->configured && dev->disconnected)
		release(d, dev);
}

void device_ends(struct driver *d, struct device *dev, struct slot *s)
{
	if (s->dead)
		return;
	s->dead = true;
	s->ended = 0;
	shutdown(s->fd, SHUT_RDWR);
	queue_requeue(d, dev, s);
	s->reading = NULL;
	s->got = 0;
	driver_log(d, dev, "Receive control failed (result -32)");
	if (dev->silent)
		return;
	dev->dead_told++;
	driver_event(d, dev->index);
	if (dev->ioctl)
		device_detach(d, dev);
}
