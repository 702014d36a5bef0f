/* SPDX-License-Identifier: MIT */
#include "supervise/heal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "kernel/kmsg.h"
#include "kernel/sysfs.h"
#include "kernel/tune.h"

/* Between a connection's end and the driver's own mark: 50 ms did for 399 of 400. */
#define NOTICE_MS 50
/* A single connection's socket may be offered again without harm. */
#define OFFERS	     20
#define OFFER_GAP_MS 50
/* Without the kernel's log: the second offer, after a pause, is taken if the first was not. */
#define OFFERS_BLIND 3

bool heal_ours(int index, const char *identifier)
{
	char backend[KERNEL_IDENTIFIER_MAX + 2] = "";

	if (!sysfs_attached(index))
		return false;
	return sysfs_backend(index, backend, sizeof(backend)) < 0 || !backend[0] ||
	       strcmp(backend, identifier) == 0;
}

static int offer(struct heal *h, int fd)
{
	struct kernel_change change = {
	    .index = h->index,
	    .identifier = h->identifier,
	    .fd = fd,
	    .set_timeouts = h->restore,
	    .timeout = h->timeout,
	    .dead_timeout = h->dead_timeout,
	};
	int ret;

	/* The driver compares identifiers only if it keeps one. */
	if (!heal_ours(h->index, h->identifier)) {
		h->gone = true;
		return err_set(&h->err, ERR_FAILED, ENODEV,
			       "/dev/nbd%d is no longer attached, or to something else", h->index);
	}
	ret = kernel_change(h->kernel, &change, &h->err);
	if (ret == -ENODEV)
		h->gone = !heal_ours(h->index, h->identifier);
	return ret;
}

/* 0: adopted; -EAGAIN: the driver knew of no dead connection. */
static int hand_over(struct heal *h, int fd, int kmsg)
{
	int offers = h->connections > 1 ? 1 : kmsg < 0 ? OFFERS_BLIND : OFFERS;
	int ret;

	for (int i = 0; i < offers; i++) {
		if (i > 0)
			usleep(OFFER_GAP_MS * 1000);
		ret = offer(h, fd);
		if (ret < 0)
			return ret;
		if (kmsg_reconnected(kmsg, h->index))
			return 0;
	}
	/* With several connections: one socket in two slots would corrupt the stream, so it is
	 * never offered twice, and after NOTICE_MS the driver all but surely took it. */
	if (kmsg < 0)
		return 0;
	return err_set(&h->err, ERR_RETRY, EAGAIN,
		       "the kernel did not take the new connection of /dev/nbd%d", h->index);
}

void heal_work(struct heal *h)
{
	_cleanup_fd_ int kmsg = kmsg_open();
	uint64_t now = loop_now();
	bool any = false;
	int ret;

	if (h->last_death && now - h->last_death < NOTICE_MS)
		usleep((useconds_t)(NOTICE_MS - (now - h->last_death)) * 1000);
	for (size_t i = 0; i < h->n && !h->gone; i++) {
		ret = hand_over(h, h->fd[i], kmsg);
		h->adopted[i] = ret == 0;
		any |= ret == 0;
	}
	/* A timeout sent along has reset it. */
	if (any && h->restore && h->io_timeout)
		tune_io_timeout(h->index, h->io_timeout, &h->err);
}

void heal_fail_work(struct heal *h)
{
	struct kernel_change change = {
	    .index = h->index,
	    .identifier = h->identifier,
	    .set_timeouts = true,
	    .timeout = 1,
	    .dead_timeout = 0,
	};
	int pair[2];

	if (!heal_ours(h->index, h->identifier)) {
		h->gone = true;
		return;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		err_errno(&h->err, ERR_SYSTEM, errno, "cannot end the requests of /dev/nbd%d",
			  h->index);
		return;
	}
	close(pair[1]);
	change.fd = pair[0];
	kernel_change(h->kernel, &change, &h->err);
	close(pair[0]);
}
