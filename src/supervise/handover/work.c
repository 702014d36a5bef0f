/* SPDX-License-Identifier: MIT */
#include "supervise/handover/work.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/hung-up.h"
#include "base/loop.h"
#include "kernel/kmsg.h"
#include "kernel/sysfs.h"
#include "kernel/tune.h"
#include "supervise/watch/links.h"

/* Between a connection's end and the driver's own mark: 50 ms were enough in 399 of 400 cases. */
#define NOTICE_MS 50
/* A single connection's socket may be offered again without harm. */
#define OFFERS	     20
#define OFFER_GAP_MS 50
/* The time for which the record of the only offer is looked for. */
#define RECORD_LATE_MS 500
/* Without the kernel's log: the second offer, after a pause, is accepted if the first was not. */
#define OFFERS_BLIND 3
/* To fail waiting requests: how long the useless sockets live, and their number. */
#define LIVE_MS 400
#define LIVES	2

void heal_prepare(struct heal *h, struct kernel *kernel, const struct attachment *at)
{
	*h = (struct heal){.kernel = kernel,
			   .index = at->index,
			   .identifier = at->identifier,
			   .mark = at->mark,
			   .kmsg = at->kmsg};
}

/* Rule 3 of the data safety rules. The driver compares identifiers only if it keeps one. */
static int change(struct heal *h, const struct kernel_change *c)
{
	int ret = -ENODEV;

	if (sysfs_mark_valid(h->mark))
		ret = kernel_change(h->kernel, c, &h->err);
	if (ret == -ENODEV) {
		h->gone = true;
		err_set(&h->err, ERR_FAILED, ENODEV,
			"/dev/nbd%d is no longer attached, or is attached to something else",
			h->index);
	}
	return ret;
}

static int offer(struct heal *h, int fd)
{
	const struct kernel_change c = {
	    .index = h->index,
	    .identifier = h->identifier,
	    .fd = fd,
	    .set_timeout = h->restore,
	    .set_dead_timeout = h->restore,
	    .timeout = h->timeout,
	    .dead_timeout = h->dead_timeout,
	};

	return change(h, &c);
}

/*
 * The record may come late: a reader of the kernel's log gets no record that follows one which
 * another processor has not completed yet. Without this wait, the socket would be shut down as
 * declined, although the driver uses it.
 */
static bool accepted_late(const struct heal *h)
{
	for (int waited = 0; waited < RECORD_LATE_MS; waited += OFFER_GAP_MS) {
		usleep(OFFER_GAP_MS * 1000);
		if (kmsg_reconnected(h->kmsg))
			return true;
	}
	return false;
}

/*
 * 0: adopted; -EAGAIN: the driver knew of no dead connection; -EPIPE: this one ended while it
 * waited for the old one's end. The driver would take it, and lose it at once.
 */
static int hand_over(struct heal *h, int fd)
{
	int offers = h->connections > 1 ? 1 : !h->kmsg ? OFFERS_BLIND : OFFERS;
	bool blind = false, gap;
	int ret;

	if (hung_up(fd))
		return err_set(&h->err, ERR_RETRY, EPIPE,
			       "the new connection ended before the kernel was offered it");
	for (int i = 0; i < offers; i++) {
		if (i > 0)
			usleep(OFFER_GAP_MS * 1000);
		ret = offer(h, fd);
		if (ret < 0)
			return ret;
		if (kmsg_reconnected_or(h->kmsg, &gap))
			return 0;
		blind |= gap;
	}
	/*
	 * With several connections: one socket in two slots would corrupt the stream, so it is
	 * never offered twice. After NOTICE_MS the driver has almost certainly accepted it.
	 */
	if (blind || (h->connections > 1 && accepted_late(h)))
		return 0;
	h->declined = true;
	return err_set(&h->err, ERR_RETRY, EAGAIN, "the kernel did not accept the new connection");
}

/*
 * Not adopted, but it may be in use: the answer to the offer was lost, or requests were sent
 * although the log does not say that the driver has accepted it.
 */
static bool may_be_in_use(int fd, int ret, bool positioned, uint64_t before)
{
	uint64_t now;

	if (ret == -EAGAIN)
		return positioned && links_position(fd, &now) && now != before;
	return ret != -EPIPE && ret != -ENODEV;
}

void heal_work(struct heal *h)
{
	uint64_t now = loop_now(), before = 0;
	bool any = false, positioned;
	int ret;

	if (h->last_death && now - h->last_death < NOTICE_MS)
		usleep((useconds_t)(NOTICE_MS - (now - h->last_death)) * 1000);
	kmsg_reconnected(h->kmsg); /* discards earlier records */
	for (size_t i = 0; i < h->n && !h->gone; i++) {
		positioned = links_position(h->fd[i], &before);
		ret = hand_over(h, h->fd[i]);
		h->adopted[i] = ret == 0;
		h->doubted[i] = ret < 0 && may_be_in_use(h->fd[i], ret, positioned, before);
		any |= ret == 0;
	}
	/* Sending a timeout has reset it. */
	if (any && h->restore && h->io_timeout)
		tune_io_timeout_apart(h->index, h->io_timeout);
}

/*
 * Hands over a socket without a server. Waiting requests look for a connection when they are woken,
 * so the socket must live for a moment: on a busy machine they wake late. Requests that they send
 * to it fail by the timeout of a second. The number of waiting requests is unknown.
 */
static void offer_nothing(struct heal *h, struct kernel_change *c)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		err_errno(&h->err, ERR_SYSTEM, errno, "cannot end the requests of /dev/nbd%d",
			  h->index);
		return;
	}
	c->fd = pair[0];
	if (change(h, c) == 0)
		usleep(LIVE_MS * 1000);
	close(pair[1]);
	close(pair[0]);
}

void heal_fail_work(struct heal *h)
{
	struct kernel_change c = {
	    .index = h->index,
	    .identifier = h->identifier,
	    .set_timeout = true,
	    .timeout = 1,
	    .set_dead_timeout = true,
	    .dead_timeout = 0,
	};

	for (int i = 0; i < LIVES && !h->gone; i++) {
		h->err.message[0] = '\0'; /* the latest attempt counts */
		offer_nothing(h, &c);
	}
}

void heal_wait_work(struct heal *h)
{
	const struct kernel_change c = {
	    .index = h->index,
	    .identifier = h->identifier,
	    .fd = -1,
	    .set_timeout = true,
	    .timeout = h->timeout,
	    .set_dead_timeout = true,
	    .dead_timeout = h->dead_timeout,
	};

	change(h, &c);
}

void heal_check_work(struct heal *h)
{
	const struct kernel_change c = {.index = h->index, .identifier = h->identifier, .fd = -1};

	change(h, &c);
}
