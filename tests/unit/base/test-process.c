/* SPDX-License-Identifier: MIT */
/*
 * Ends a helper of another account without CAP_KILL, as in a service: while the parent sends the
 * signal, no process of that account may signal the parent. The parent is traced, and an attacker
 * tries that at the beginning and at the end of every system call. Needs root.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <stdbool.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "helper-fixture.h"

#include "base/capability.h"
#include "base/process.h"
#include "skip.h"

#define HELPER_ID 54321 /* any unused one */
#define STOPS_MAX 100000

/* Root without CAP_KILL, neither effective nor permitted. */
static int give_up_kill(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct word[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, word) < 0)
		return -errno;
	word[0].effective &= ~CAP_TO_MASK(CAP_KILL);
	word[0].permitted &= ~CAP_TO_MASK(CAP_KILL);
	return syscall(SYS_capset, &header, word) < 0 ? -errno : 0;
}

/* Tells the parent that its account is changed, and waits to be killed. */
static void helper(int fd, pid_t parent, const void *setup, size_t len)
{
	(void)parent;
	(void)setup;
	(void)len;
	if (setresuid(HELPER_ID, HELPER_ID, HELPER_ID) == 0 && write(fd, "x", 1) == 1)
		pause();
}

/* In another process. The exit status says what went wrong. */
static int kill_a_helper(void)
{
	const struct process_job job = {.kind = helper_kind(helper, 0), .name = "helper"};
	struct process_seed seed;
	struct process p = PROCESS_NONE;
	struct process_end end;
	struct err err;
	char byte;

	if (give_up_kill() < 0)
		return 10;
	if (process_seed_open(&seed, &err) < 0 || process_start(&p, &seed, &job, &err) < 0)
		return 11;
	p.uid = HELPER_ID;
	while (read(p.fd, &byte, 1) < 0 && errno == EAGAIN)
		usleep(1000);
	if (kill(p.pid, SIGKILL) == 0)
		return 12; /* then this test proves nothing */
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 || raise(SIGSTOP) != 0)
		return 13;
	if (process_kill(&p) < 0)
		return 14;
	for (int i = 0; !process_reap(&p, &end); i++) {
		if (i == 10000)
			return 15;
		usleep(1000);
	}
	if (end.exited || end.value != SIGKILL)
		return 16;
	process_done(&p);
	process_seed_close(&seed);
	/* The parent has its own rights again. */
	return geteuid() == 0 && capability_effective(CAP_SYS_ADMIN) == 1 ? 0 : 17;
}

/* True if a process of the helper's account may signal that process now. */
static bool attack(pid_t victim)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (setresuid(HELPER_ID, HELPER_ID, HELPER_ID) < 0)
			_exit(2);
		_exit(kill(victim, 0) == 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_not_equal(WEXITSTATUS(status), 2);
	return WEXITSTATUS(status) == 1;
}

static void helper_of_another_account(void **state)
{
	unsigned stops = 0, chances = 0;
	int status;
	pid_t pid;

	(void)state;
#if defined(FOR_VALGRIND)
	skip_because("it cannot be traced");
#endif
	if (geteuid() != 0)
		skip_because("it takes root");
	pid = fork();
	if (pid == 0)
		_exit(kill_a_helper());
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		assert_true(++stops < STOPS_MAX);
		chances += attack(pid);
		if (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) < 0)
			break;
	}
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_true(stops > 4);
	assert_int_equal(chances, 0);
}

/* The end is reported when nothing is left before it. (Two looks: a message of no bytes looks like
 * it.) */
static void an_end_is_looked_for_twice(void **state)
{
	char byte = 'a';
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(process_receive(pair[0], &msg, 0), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(send(pair[1], "", 0, 0), 0);
	assert_int_equal(send(pair[1], "b", 1, 0), 1);
	close(pair[1]);
	assert_int_equal(process_receive(pair[0], &msg, 0), 1);
	assert_int_equal(byte, 'b');
	assert_int_equal(process_receive(pair[0], &msg, 0), 0);
	close(pair[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(helper_of_another_account),
	    cmocka_unit_test(an_end_is_looked_for_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
