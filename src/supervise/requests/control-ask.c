/* SPDX-License-Identifier: MIT */
/* The command's side of control.h. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "runtime/lock.h"
#include "runtime/rundir.h"
#include "runtime/rundir-socket.h"
#include "supervise/requests/control.h"

/* Times 20 ms: a helper of a killed supervisor may keep its socket for this time. */
#define RESETS_MAX 50

/* EAGAIN: the time that the caller allows has passed, because nobody reads or answers. */
static int fail(int index, enum err_kind kind, int error, const char *what, struct err *err)
{
	if (error != EAGAIN)
		return err_errno(err, kind, error, "%s", what);
	return err_set(err, ERR_FAILED, EAGAIN,
		       "the supervisor of /dev/nbd%d, process %d, does not answer: it may be "
		       "stopped",
		       index, lock_holder(rundir_device(index, "lock").text));
}

/*
 * A caught signal interrupts send(2) and poll(2), and so does SIGCONT after a stop (signal(7)).
 * Neither is a reason to give the supervisor up.
 */
static ssize_t send_text(int fd, const char *text)
{
	ssize_t n;

	do
		n = send(fd, text, strlen(text), MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n;
}

/* Until `end`, in ms of loop_now(): then -1 with EAGAIN. */
static ssize_t receive(int fd, char *buf, size_t size, uint64_t end)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint64_t left;
	int n;

	do {
		left = loop_now() < end ? end - loop_now() : 0;
		n = poll(&p, 1, left < INT_MAX ? (int)left : INT_MAX);
	} while (n < 0 && errno == EINTR);
	if (n > 0)
		return recv(fd, buf, size, MSG_DONTWAIT);
	if (n == 0)
		errno = EAGAIN;
	return -1;
}

/* -ECONNRESET: nobody has read the request. */
static int ask(int index, const struct control_request *request, unsigned limit_ms, int *ret_status,
	       struct err *err)
{
	const uint64_t end = loop_now() + limit_ms;
	_cleanup_fd_ int fd = rundir_connect(rundir_device(index, "control").text, limit_ms);
	char text[32], answer[ERR_MESSAGE_MAX + 16];
	char *sentence;
	bool unsent;
	ssize_t n;

	if (fd == -ENOENT)
		return -ENOENT;
	if (fd == -EACCES)
		return err_set(err, ERR_SYSTEM, EACCES,
			       "nbd-attach needs root to talk to the supervisor of /dev/nbd%d",
			       index);
	if (fd < 0)
		return fail(index, ERR_SYSTEM, -fd, "cannot reach the supervisor", err);
	control_format(request, text, sizeof(text));
	/* EPIPE: the caller was refused, and the answer says why. */
	unsent = send_text(fd, text) < 0;
	if (unsent && errno != EPIPE)
		return fail(index, ERR_FAILED, errno, "cannot ask the supervisor", err);
	n = receive(fd, answer, sizeof(answer) - 1, end);
	if (n < 0)
		return fail(index, ERR_FAILED, errno, "the supervisor does not answer", err);
	if (unsent && n == 0)
		return err_set(err, ERR_FAILED, ECONNRESET, "the supervisor has ended");
	answer[n] = '\0';
	sentence = strchr(answer, ' ');
	if (!sentence)
		return err_set(err, ERR_FAILED, EPIPE, "the supervisor ended before it answered");
	*ret_status = atoi(answer);
	err_set(err, ERR_FAILED, 0, "%s", sentence + 1);
	return 0;
}

int control_ask(int index, const struct control_request *request, unsigned limit_ms,
		int *ret_status, struct err *err)
{
	const struct timespec pause = {.tv_nsec = 20000000};
	int ret = ask(index, request, limit_ms, ret_status, err);

	/*
	 * The supervisor was killed: a helper that it was just starting keeps its socket for a
	 * moment. Soon no process listens, or the next supervisor does.
	 */
	for (int i = 0; i < RESETS_MAX && ret == -ECONNRESET; i++) {
		nanosleep(&pause, NULL);
		ret = ask(index, request, limit_ms, ret_status, err);
	}
	return ret;
}
