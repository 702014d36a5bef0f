/* SPDX-License-Identifier: MIT */
#include "answers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "worker/resolve.h"
#include "worker/worker.h"

static union {
	struct worker_answer worker;
	struct resolve_answer resolver;
	char bytes[65536];
} message;

/* The size of the answer that the other side expects. That of a reader is the smallest. */
static size_t proper_size(enum sandbox_profile profile)
{
	switch (profile) {
	case SANDBOX_RESOLVE:
		return sizeof(message.resolver);
	case SANDBOX_KEYS:
		return 2 * sizeof(uint32_t) + sizeof(struct err);
	case SANDBOX_HANDSHAKE:
	case SANDBOX_TLS:
	case SANDBOX_ZYGOTE:
	case SANDBOX_LOOK: /* no attack is tried in it yet */
		break;
	}
	return sizeof(message.worker);
}

static void say(int fd, size_t len)
{
	(void)!send(fd, &message, len, MSG_NOSIGNAL);
}

static void ready(int fd)
{
	message.worker = (struct worker_answer){.type = WORKER_READY};
	say(fd, sizeof(message.worker));
	memset(&message, 0, sizeof(message));
}

static void with_descriptors(int fd, size_t len)
{
	int fds[4] = {0, 0, 0, 0};
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(fds))];
	} control = {0};
	struct iovec iov = {&message, len};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(c), fds, sizeof(fds));
	sendmsg(fd, &msg, MSG_NOSIGNAL);
}

/* A resolver's answer with a false address. */
static void lie_about_addresses(int fd)
{
	message.resolver.n = ADDRESSES_MAX;
	for (size_t i = 0; i < ADDRESSES_MAX; i++) {
		message.resolver.item[i].len = sizeof(message.resolver.item[i].sa);
		memset(&message.resolver.item[i].sa, 1, sizeof(message.resolver.item[i].sa));
	}
	say(fd, sizeof(message.resolver));
}

/* Describes an export that is larger than possible. */
static void lie_about_the_export(int fd)
{
	ready(fd);
	message.worker.type = WORKER_DONE;
	message.worker.export.size = UINT64_MAX;
	memset(message.worker.export.name, 'x', sizeof(message.worker.export.name));
	say(fd, sizeof(message.worker));
}

/* Reports an error with an unterminated message. */
static void fail_without_end(int fd, enum sandbox_profile profile)
{
	size_t size = proper_size(profile);

	memset(&message, 'x', size);
	if (profile == SANDBOX_RESOLVE)
		message.resolver.ret = -EPERM;
	else if (profile == SANDBOX_KEYS)
		memcpy(&message, &(int32_t){-EPERM}, sizeof(int32_t));
	else
		message.worker = (struct worker_answer){.type = WORKER_FAILED, .ret = -EPERM};
	if (profile != SANDBOX_RESOLVE && profile != SANDBOX_KEYS)
		memset(message.worker.err.message, 'x', sizeof(message.worker.err.message));
	say(fd, size);
}

void answer_badly(int fd, enum sandbox_profile profile, uint32_t number)
{
	size_t size = proper_size(profile);

	if (profile == SANDBOX_ZYGOTE)
		return;
	switch (number) {
	case 1: /* too short */
		say(fd, 7);
		break;
	case 2: /* too long */
		say(fd, sizeof(message));
		break;
	case 3: /* empty */
		say(fd, 0);
		break;
	case 4: /* every field is out of range */
		memset(&message, 0xff, size);
		say(fd, size);
		break;
	case 5: /* zeros */
		say(fd, size);
		break;
	case 6: /* with unexpected descriptors */
		with_descriptors(fd, size);
		break;
	case 7:
		lie_about_addresses(fd);
		break;
	case 8:
		lie_about_the_export(fd);
		break;
	case 9:
		fail_without_end(fd, profile);
		break;
	case 10: /* the same answer repeatedly */
		for (int i = 0; i < 10000; i++)
			say(fd, size);
		break;
	case 11: /* no answer, and exit status 0 */
		break;
	case 12: /* a crash */
		abort();
	default:
		return;
	}
	_exit(0);
}
