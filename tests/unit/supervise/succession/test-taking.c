/* SPDX-License-Identifier: MIT */
/* supervise/succession/taking.c: who is in charge after each end of a conversation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rundir-fixture.h"
#include "runtime/rundir.h"
#include "skip.h"
#include "supervise/succession/taking.h"

#define LIMIT_US 200000
#define INDEX	 3
#define STRANGER 54321 /* any unused user ID */

static struct taking t;
static int other;	/* the end of the one in charge */
static pid_t in_charge; /* its process */

static int setup(void **state)
{
	const struct timeval limit = {.tv_usec = LIMIT_US};
	int pair[2];

	(void)state;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	t = TAKING_NONE;
	t.fd = pair[0];
	other = pair[1];
	in_charge = fork();
	if (in_charge == 0) {
		pause();
		_exit(0);
	}
	t.pidfd = (int)syscall(SYS_pidfd_open, in_charge, 0);
	return setsockopt(t.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

static int teardown(void **state)
{
	(void)state;
	taking_done(&t);
	if (other >= 0)
		close(other);
	kill(in_charge, SIGKILL);
	return waitpid(in_charge, NULL, 0) == in_charge ? 0 : -1;
}

static void answer(const void *packet, size_t len)
{
	assert_int_equal(send(other, packet, len, MSG_NOSIGNAL), len);
}

static void hang_up(void)
{
	close(other);
	other = -1;
}

static void it_is_committed(void **state)
{
	uint8_t packet[MESSAGES_MAX];
	enum message_type type;
	struct offer offer;
	struct err err;
	ssize_t len;

	(void)state;
	answer(packet, messages_write(MESSAGE_COMMIT, NULL, packet));
	assert_int_equal(taking_commit(&t, &err), 0);
	len = recv(other, packet, sizeof(packet), 0);
	assert_int_equal(messages_read(packet, (size_t)len, 0, &type, &offer), 0);
	assert_int_equal(type, MESSAGE_READY);
}

static void it_is_kept(void **state)
{
	struct err err;

	(void)state;
	answer("4 not now", 9);
	assert_true(taking_commit(&t, &err) < 0);
	assert_int_equal(err.kind, ERR_RETRY);
	assert_string_equal(err.message, "not now");
}

static void another_message_is_no_commit(void **state)
{
	uint8_t packet[MESSAGES_MAX];
	struct err err;

	(void)state;
	answer(packet, messages_write(MESSAGE_READY, NULL, packet));
	assert_true(taking_commit(&t, &err) < 0);
}

/* It lives, so that it keeps the device. */
static void it_hangs_up(void **state)
{
	struct err err;

	(void)state;
	hang_up();
	assert_true(taking_commit(&t, &err) < 0);
	assert_int_equal(err.kind, ERR_RETRY);
}

/* Its locks are open here as well, and nobody else has them. */
static void it_is_killed_after_its_offer(void **state)
{
	struct err err;

	(void)state;
	if (t.pidfd < 0)
		skip_because("the kernel has no pidfds");
	hang_up();
	kill(in_charge, SIGKILL);
	assert_int_equal(taking_commit(&t, &err), 0);
}

/* Its service manager starts another one, and does not know of an heir that was not committed. */
static void an_heir_does_not_take_over_then(void **state)
{
	struct err err;

	(void)state;
	t.by_commit_alone = true;
	hang_up();
	kill(in_charge, SIGKILL);
	assert_true(taking_commit(&t, &err) < 0);
	assert_int_equal(err.kind, ERR_RETRY);
}

/* After the time-out no COMMIT can be sent that nobody would read: both would be out of charge. */
static void it_is_too_late(void **state)
{
	uint8_t packet[MESSAGES_MAX];
	size_t len = messages_write(MESSAGE_COMMIT, NULL, packet);
	struct err err;

	(void)state;
	assert_true(taking_commit(&t, &err) < 0);
	assert_int_equal(send(other, packet, len, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
}

/* What it says would be believed. */
static void it_is_another_users(void **state)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), ready[2];
	struct rundir_path path;
	struct taking asked;
	struct err err;
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip_because("it takes root");
	assert_int_equal(rundir_make_own(NULL), 0);
	path = rundir_device(INDEX, "control");
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%.100s", path.text);
	assert_int_equal(bind(fd, (void *)&sun, sizeof(sun)), 0);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		if (setresuid(STRANGER, STRANGER, STRANGER) < 0 || listen(fd, 1) < 0)
			_exit(1);
		close(ready[1]);
		pause();
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &(char){0}, 1), 0);
	assert_true(taking_ask(&asked, INDEX, &err) < 0);
	assert_int_equal(err.kind, ERR_BUSY);
	taking_done(&asked);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(ready[0]);
	close(fd);
	unlink(path.text);
	assert_int_equal(rundir_remove_own(NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(it_is_committed, setup, teardown),
	    cmocka_unit_test_setup_teardown(it_is_kept, setup, teardown),
	    cmocka_unit_test_setup_teardown(another_message_is_no_commit, setup, teardown),
	    cmocka_unit_test_setup_teardown(it_hangs_up, setup, teardown),
	    cmocka_unit_test_setup_teardown(it_is_killed_after_its_offer, setup, teardown),
	    cmocka_unit_test_setup_teardown(an_heir_does_not_take_over_then, setup, teardown),
	    cmocka_unit_test_setup_teardown(it_is_too_late, setup, teardown),
	    cmocka_unit_test(it_is_another_users),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
