/* SPDX-License-Identifier: MIT */
/*
 * kernel/netlink.c with libnl and the real kernel, whose controller of generic netlink takes the
 * place of nbd: it knows no such command, and says so. A command or an answer is lost, as when the
 * kernel has no memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/genetlink.h>
#include <netlink/genl/ctrl.h>
#include <netlink/netlink.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/netlink.h"
#include "kernel/root.h"

static bool send_fails, receive_fails; /* the next time */

const char *sysfs_root(void)
{
	return "/nonexistent";
}

/* These replace libc's for libnl. */
ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	if (!send_fails)
		return syscall(SYS_sendmsg, fd, msg, flags);
	send_fails = false;
	errno = ENOBUFS;
	return -1;
}

ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	if (!receive_fails)
		return syscall(SYS_recvmsg, fd, msg, flags);
	receive_fails = false;
	errno = ENOBUFS;
	return -1;
}

int genl_ctrl_resolve(struct nl_sock *sock, const char *name)
{
	(void)sock;
	(void)name;
	return GENL_ID_CTRL;
}

int genl_ctrl_resolve_grp(struct nl_sock *sock, const char *family, const char *group)
{
	(void)sock;
	(void)family;
	(void)group;
	return 0;
}

int nl_socket_add_memberships(struct nl_sock *sock, int group, ...)
{
	(void)sock;
	(void)group;
	return 0;
}

static int set_up(void **state)
{
	struct kernel *k = NULL;
	bool missing = false;
	struct err err;

	*state = netlink_new(&k, &missing, &err) == 0 ? k : NULL;
	return 0;
}

static int tear_down(void **state)
{
	if (*state)
		kernel_free(*state);
	return 0;
}

static int answer(void **state)
{
	struct err err;

	if (!*state)
		skip(); /* a sandbox without netlink */
	return kernel_detach(*state, 0, &err);
}

static void test_command_lost(void **state)
{
	assert_int_equal(answer(state), -EOPNOTSUPP);
	send_fails = true;
	assert_int_equal(answer(state), -EIO);
	for (int i = 0; i < 3; i++)
		assert_int_equal(answer(state), -EOPNOTSUPP);
}

/* It comes before the answer to the next command. */
static void test_answer_lost(void **state)
{
	assert_int_equal(answer(state), -EOPNOTSUPP);
	receive_fails = true;
	assert_int_equal(answer(state), -EIO);
	for (int i = 0; i < 3; i++)
		assert_int_equal(answer(state), -EOPNOTSUPP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_command_lost, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_answer_lost, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
