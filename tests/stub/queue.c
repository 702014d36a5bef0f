/* SPDX-License-Identifier: MIT */
/* Requests: their connection, their timers, what is sent and received. */
#include "driver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "nbd/export.h"

#define REQUEST_MAGIC 0x25609513u
#define REPLY_MAGIC   0x67446698u

static void put(uint8_t *p, uint64_t value, int bytes)
{
	while (bytes--) {
		p[bytes] = (uint8_t)value;
		value >>= 8;
	}
}

static uint64_t get(const uint8_t *p, int bytes)
{
	uint64_t value = 0;

	while (bytes--)
		value = value << 8 | *p++;
	return value;
}

unsigned queue_in(const struct device *dev, enum request_state state)
{
	unsigned n = 0;

	for (const struct request *r = dev->requests; r; r = r->next)
		n += r->state == state;
	return n;
}

/* Whether requests have entered the queue; a frozen queue lets no new ones in. */
bool queue_busy(const struct device *dev)
{
	for (const struct request *r = dev->requests; r; r = r->next)
		if (r->began)
			return true;
	return false;
}

static void finish(struct driver *d, struct device *dev, struct request *r, int error)
{
	struct request **p = &dev->requests;
	int column = r->op == STUB_READ ? 0 : r->op == STUB_WRITE ? 1 : 3;

	while (*p != r)
		p = &(*p)->next;
	*p = r->next;
	for (unsigned i = 0; i < dev->n_slots; i++) {
		if (dev->slot[i].reading == r)
			dev->slot[i].reading = NULL;
		if (dev->slot[i].sending == r)
			dev->slot[i].sending = NULL;
	}
	dev->done[column]++;
	dev->sectors += r->op == STUB_WRITE ? r->length / 512 : 0;
	dev->failed += error != 0;
	files_stat(d, dev);
	driver_reply(r->client, r->id, error, r->data,
		     error == 0 && r->op == STUB_READ ? r->length : 0);
	free(r->data);
	free(r);
}

void queue_submit(struct driver *d, struct device *dev, struct client *c,
		  const struct stub_request *s, const uint8_t *data)
{
	struct request *r, **last = &dev->requests;
	bool beyond = s->op != STUB_FLUSH && s->offset + s->length > dev->size;

	if (!dev->configured || dev->disconnected || beyond) {
		driver_reply(c, s->id, -EIO, NULL, 0);
		return;
	}
	if (s->op == STUB_FLUSH && !(dev->flags & NBD_TX_SEND_FLUSH)) {
		driver_reply(c, s->id, 0, NULL, 0); /* the block layer sends no flush then */
		return;
	}
	r = calloc(1, sizeof(*r));
	*r = (struct request){.client = c,
			      .id = s->id,
			      .op = s->op,
			      .offset = s->op == STUB_FLUSH ? 0 : s->offset,
			      .length = s->op == STUB_FLUSH ? 0 : s->length,
			      .home = dev->next_queue++ % dev->n_slots};
	r->data = calloc(1, r->length + 1);
	if (s->op == STUB_WRITE)
		memcpy(r->data, data, r->length);
	while (*last)
		last = &(*last)->next;
	*last = r;
	queue_run(d, dev);
}

static struct slot *living(struct device *dev, unsigned home)
{
	if (!dev->slot[home].dead)
		return &dev->slot[home];
	for (unsigned i = 0; i < dev->n_slots; i++)
		if (!dev->slot[i].dead)
			return &dev->slot[i];
	return NULL;
}

static void send_head(struct device *dev, struct slot *s, struct request *r)
{
	static const int type[] = {[STUB_READ] = 0, [STUB_WRITE] = 1, [STUB_FLUSH] = 3};

	r->state = REQUEST_SENDING;
	r->slot = (unsigned)(s - dev->slot);
	r->cookie = s->cookie;
	r->handle = (uint64_t)++dev->sequence << 32 | (r->id & UINT32_MAX);
	put(s->head, REQUEST_MAGIC, 4);
	put(s->head + 4, 0, 2);
	put(s->head + 6, (uint64_t)type[r->op], 2);
	put(s->head + 8, r->handle, 8);
	put(s->head + 16, r->offset, 8);
	put(s->head + 24, r->length, 4);
	s->sending = r;
	s->sent = 0;
}

/* Sends as much as fits. */
static void push(struct driver *d, struct device *dev, struct slot *s)
{
	struct request *r = s->sending;
	size_t total = sizeof(s->head) + (r->op == STUB_WRITE ? r->length : 0);
	ssize_t n;

	while (s->sent < total) {
		const uint8_t *from = s->sent < sizeof(s->head)
					  ? s->head + s->sent
					  : r->data + (s->sent - sizeof(s->head));
		size_t len =
		    s->sent < sizeof(s->head) ? sizeof(s->head) - s->sent : total - s->sent;

		n = send(s->fd, from, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			device_ends(d, dev, s);
			return;
		}
		s->sent += (size_t)n;
	}
	r->state = REQUEST_FLIGHT;
	s->sending = NULL;
}

/* Every failed send ends the connection and moves the request to another one. */
void queue_requeue(struct driver *d, struct device *dev, struct slot *s)
{
	if (s->sending)
		s->sending->state = REQUEST_QUEUED;
	s->sending = NULL;
	files_stat(d, dev); /* it is no longer in flight */
}

static void start(struct driver *d, struct device *dev, struct request *r, uint64_t now)
{
	struct slot *s = living(dev, r->home);

	if (!s) {
		if (dev->dead_timeout == 0 || dev->expired) {
			dev->expired = true;
			finish(d, dev, r, -EIO);
			return;
		}
		r->state = REQUEST_WAITING;
		r->wait_until = now + dev->dead_timeout * 1000;
		r->began = now;
		return;
	}
	if (s->sending)
		return; /* tx_lock */
	r->began = now;
	r->timeout_ms = (uint32_t)files_number(d, dev, "queue/io_timeout", 30000);
	r->timer = now + r->timeout_ms;
	send_head(dev, s, r);
	files_stat(d, dev);
	push(d, dev, s);
}

/* nbd_xmit_timeout() */
static void timed_out(struct driver *d, struct device *dev, struct request *r, uint64_t now)
{
	struct slot *s = &dev->slot[r->slot];
	bool same = !s->dead && r->cookie == s->cookie;

	if (r->state == REQUEST_SENDING) {
		r->timer = now + r->timeout_ms;
		return;
	}
	if (dev->n_slots > 1 || dev->timeout) {
		driver_log(d, dev, "Connection timed out, retrying");
		if (same)
			device_ends(d, dev, s);
		r->state = REQUEST_QUEUED;
	} else if (r->cookie != s->cookie) {
		r->state = REQUEST_QUEUED;
	} else {
		driver_log(d, dev, "Possible stuck request");
		r->timer = now + r->timeout_ms;
	}
	if (s->reading == r && r->state == REQUEST_QUEUED)
		s->reading = NULL;
	files_stat(d, dev);
}

static void look_at(struct driver *d, struct device *dev, struct request *r, uint64_t now)
{
	switch (r->state) {
	case REQUEST_QUEUED:
		if (!dev->frozen || r->began)
			start(d, dev, r, now);
		break;
	case REQUEST_WAITING:
		if (living(dev, r->home)) {
			r->state = REQUEST_QUEUED;
			start(d, dev, r, now);
		} else if (now >= r->wait_until) {
			dev->expired = true;
			finish(d, dev, r, -EIO);
		}
		break;
	case REQUEST_SENDING:
	case REQUEST_FLIGHT:
		if (now >= r->timer)
			timed_out(d, dev, r, now);
		break;
	}
}

void queue_run(struct driver *d, struct device *dev)
{
	struct request *r, *next;
	uint64_t now = now_ms();

	for (unsigned i = 0; i < dev->n_slots; i++) {
		struct slot *s = &dev->slot[i];

		if (s->ended && now - s->ended >= dev->notice_ms)
			device_ends(d, dev, s);
		if (!s->dead && s->sending)
			push(d, dev, s);
	}
	for (r = dev->requests; r; r = next) {
		next = r->next;
		look_at(d, dev, r, now);
	}
}

void queue_fail_all(struct driver *d, struct device *dev)
{
	for (unsigned i = 0; i < dev->n_slots; i++)
		dev->slot[i].sending = NULL;
	while (dev->requests)
		finish(d, dev, dev->requests, -EIO);
}

void queue_forget_client(struct device *dev, const struct client *c)
{
	for (struct request *r = dev->requests; r; r = r->next)
		if (r->client == c)
			r->client = NULL;
}

static struct request *in_flight(struct device *dev, const struct slot *s, uint64_t handle)
{
	for (struct request *r = dev->requests; r; r = r->next)
		if (r->state == REQUEST_FLIGHT && r->handle == handle &&
		    r->slot == (unsigned)(s - dev->slot))
			return r;
	return NULL;
}

static void ended(struct driver *d, struct device *dev, struct slot *s)
{
	if (dev->notice_ms)
		s->ended = now_ms();
	else
		device_ends(d, dev, s);
}

/* Handles a complete reply header. Returns false if it ends the connection. */
static bool answered(struct driver *d, struct device *dev, struct slot *s)
{
	struct request *r = in_flight(dev, s, get(s->reply + 8, 8));
	uint32_t error = (uint32_t)get(s->reply + 4, 4);

	s->got = 0;
	if (get(s->reply, 4) != REPLY_MAGIC || !r) {
		driver_log(d, dev, "Unexpected reply");
		return false;
	}
	if (error) {
		driver_log(d, dev, "Other side returned error (%u)", error);
		finish(d, dev, r, -EIO);
	} else if (r->op == STUB_READ && r->length) {
		s->reading = r;
		s->data_got = 0;
	} else {
		finish(d, dev, r, 0);
	}
	return true;
}

void queue_receive(struct driver *d, struct device *dev, struct slot *s)
{
	ssize_t n;

	while (!s->dead && !s->ended) {
		struct request *r = s->reading;

		if (r)
			n = recv(s->fd, r->data + s->data_got, r->length - s->data_got,
				 MSG_DONTWAIT);
		else
			n = recv(s->fd, s->reply + s->got, sizeof(s->reply) - s->got, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			ended(d, dev, s);
			return;
		}
		if (r) {
			s->data_got += (size_t)n;
			if (s->data_got == r->length)
				finish(d, dev, r, 0);
			continue;
		}
		s->got += (size_t)n;
		if (s->got == sizeof(s->reply) && !answered(d, dev, s))
			device_ends(d, dev, s);
	}
}
