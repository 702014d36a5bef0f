/* SPDX-License-Identifier: MIT */
/* Long: the simulated kernel is a third of it, and has no other user. */
/* kernel/netlink.c with a simulated kernel behind libnl's calls, and files instead of sysfs. */
#undef _FORTIFY_SOURCE /* for clang, recvfrom() would be a name of several functions */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/nbd-netlink.h>
#include <netlink/errno.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/netlink.h"
#include "kernel/root.h"
#include "tree-fixture.h"

#define FAMILY 31

static char root[64];

/* The kernel. */
static struct {
	char said[256];	   /* the commands, in order */
	int answers[8];	   /* answers to the commands other than STATUS, in order; 0 is success */
	int n;		   /* number of answers that were given */
	int listed;	   /* number of STATUS answers that list the device */
	int family, group; /* what the names resolve to, or an error */
	int connect_error, join_error, send_error;
	bool deaf; /* no answer comes */
	int cmd;   /* command of the message that must be answered */
} kernel;

static nl_recvmsg_msg_cb_t on_valid, on_ack;
static nl_recvmsg_err_cb_t on_error;
static void *answer;
static int events[2]; /* ours, the other end */

const char *sysfs_root(void)
{
	return root;
}

/* Port of the sender of the next datagrams, as recvfrom(2) tells it; 0 is the kernel. */
static uint32_t sender;
static bool sender_is_netlink;

ssize_t recvfrom(int fd, void *data, size_t len, int flags, struct sockaddr *from,
		 socklen_t *from_len)
{
	ssize_t n = recv(fd, data, len, flags);

	if (from && sender_is_netlink) {
		*(struct sockaddr_nl *)from =
		    (struct sockaddr_nl){.nl_family = AF_NETLINK, .nl_pid = sender};
		*from_len = sizeof(struct sockaddr_nl);
	} else if (from) {
		*from_len = 0;
	}
	return n;
}

/* Replaces libnl's function. */
int genl_connect(struct nl_sock *sock)
{
	(void)sock;
	return kernel.connect_error;
}

int genl_ctrl_resolve(struct nl_sock *sock, const char *name)
{
	(void)sock;
	assert_string_equal(name, "nbd");
	return kernel.family;
}

int genl_ctrl_resolve_grp(struct nl_sock *sock, const char *family, const char *group)
{
	(void)sock;
	(void)family;
	assert_string_equal(group, "nbd_mc_group");
	return kernel.group;
}

int nl_socket_add_memberships(struct nl_sock *sock, int group, ...)
{
	(void)sock;
	assert_int_equal(group, kernel.group);
	return kernel.join_error;
}

int nl_socket_get_fd(const struct nl_sock *sock)
{
	(void)sock;
	return events[0];
}

int nl_cb_set(struct nl_cb *cb, enum nl_cb_type type, enum nl_cb_kind kind,
	      nl_recvmsg_msg_cb_t function, void *arg)
{
	(void)cb;
	(void)kind;
	if (type == NL_CB_VALID)
		on_valid = function;
	if (type == NL_CB_ACK)
		on_ack = function;
	answer = arg;
	return 0;
}

int nl_cb_err(struct nl_cb *cb, enum nl_cb_kind kind, nl_recvmsg_err_cb_t function, void *arg)
{
	(void)cb;
	(void)kind;
	on_error = function;
	answer = arg;
	return 0;
}

int nl_send_auto(struct nl_sock *sock, struct nl_msg *msg)
{
	static const char *const names[] = {
	    [NBD_CMD_CONNECT] = "connect ",
	    [NBD_CMD_DISCONNECT] = "disconnect ",
	    [NBD_CMD_RECONFIGURE] = "change ",
	    [NBD_CMD_STATUS] = "status ",
	};

	(void)sock;
	assert_int_equal(nlmsg_hdr(msg)->nlmsg_type, FAMILY);
	kernel.cmd = genlmsg_hdr(nlmsg_hdr(msg))->cmd;
	strncat(kernel.said, names[kernel.cmd], sizeof(kernel.said) - strlen(kernel.said) - 1);
	return kernel.send_error;
}

/* The STATUS of nbd3, attached. */
static void list(void)
{
	struct nl_msg *msg = nlmsg_alloc();
	struct nlattr *all, *one;

	assert_non_null(genlmsg_put(msg, 0, 0, FAMILY, 0, 0, NBD_CMD_STATUS, 0));
	all = nla_nest_start(msg, NBD_ATTR_DEVICE_LIST);
	one = nla_nest_start(msg, NBD_DEVICE_ITEM);
	nla_put_u32(msg, NBD_DEVICE_INDEX, 3);
	nla_put_u8(msg, NBD_DEVICE_CONNECTED, 0);
	nla_nest_end(msg, one);
	nla_nest_end(msg, all);
	on_valid(msg, answer);
	nlmsg_free(msg);
}

int nl_recvmsgs(struct nl_sock *sock, struct nl_cb *cb)
{
	struct nlmsgerr e = {0};

	(void)sock;
	(void)cb;
	if (kernel.deaf)
		return -NLE_FAILURE;
	if (kernel.cmd == NBD_CMD_STATUS) {
		if (kernel.listed > 0) {
			kernel.listed--;
			list();
		}
		on_ack(NULL, answer);
		return 0;
	}
	assert_in_range(kernel.n, 0, 7);
	e.error = kernel.answers[kernel.n++];
	if (e.error)
		on_error(NULL, &e, answer);
	else
		on_ack(NULL, answer);
	return e.error ? -NLE_FAILURE : 0;
}

static void attribute(const char *name, const char *value)
{
	char path[192];

	snprintf(path, sizeof(path), "block/nbd3/%s", name);
	tree_put(root, path, value);
}

static int set_up(void **state)
{
	static const char *const directories[] = {"/block", "/block/nbd3", "/block/nbd3/queue"};
	char path[128];
	bool missing;

	memset(&kernel, 0, sizeof(kernel));
	kernel.family = FAMILY;
	kernel.group = 5;
	strcpy(root, "/tmp/test-netlink-XXXXXX");
	if (!mkdtemp(root) || socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, events) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", root, directories[i]);
		if (mkdir(path, 0700) < 0)
			return -1;
	}
	attribute("size", "0\n");
	return netlink_new((struct kernel **)state, &missing, NULL);
}

static int tear_down(void **state)
{
	kernel_free(*state);
	close(events[0]);
	close(events[1]);
	return tree_remove(root);
}

static void said(const char *words)
{
	assert_string_equal(kernel.said, words);
	kernel.said[0] = '\0';
	kernel.n = 0;
}

static int attach(struct kernel *k, int fd, struct err *err)
{
	struct kernel_attach a = {
	    .index = 3,
	    .fds = &fd,
	    .n_fds = 1,
	    .size = 1 << 20,
	    .block_size = 4096,
	    .server_flags = NBD_TX_HAS_FLAGS,
	    .identifier = "",
	};

	return kernel_attach(k, &a, err);
}

static void it_attaches_changes_and_detaches(void **state)
{
	struct kernel_change c = {.index = 3, .fd = -1, .identifier = "", .set_timeout = true};
	struct err err = {0};

	assert_true(kernel_can_change(*state));
	assert_int_equal(attach(*state, events[1], &err), 0);
	said("connect ");
	assert_int_equal(kernel_change(*state, &c, &err), 0);
	said("change ");
	assert_int_equal(kernel_detach(*state, 3, &err), 0);
	said("disconnect ");
}

static void refusals_are_told(void **state)
{
	struct kernel_change c = {.index = 3, .fd = -1, .identifier = ""};
	struct err err = {0};

	kernel.answers[0] = -EBUSY;
	assert_int_equal(attach(*state, events[1], &err), -EBUSY);
	assert_int_equal(err.kind, ERR_BUSY);
	said("connect ");
	kernel.answers[0] = -EINVAL;
	assert_int_equal(kernel_change(*state, &c, &err), -ENODEV);
	kernel.answers[0] = -EPERM;
	kernel.n = 0;
	assert_int_equal(kernel_change(*state, &c, &err), -EPERM);
	assert_int_equal(err.kind, ERR_SYSTEM);
	kernel.answers[0] = -EIO;
	kernel.n = 0;
	assert_int_equal(kernel_change(*state, &c, &err), -EIO);
	assert_int_equal(err.kind, ERR_FAILED);
}

/* A device that the kernel is removing: the same sockets can be used for another attempt. */
static void it_waits_until_a_device_has_left(void **state)
{
	struct err err = {0};

	kernel.answers[0] = -EINVAL;
	kernel.listed = 2;
	assert_int_equal(attach(*state, events[1], &err), 0);
	said("connect status status status connect ");
}

static void it_waits_three_times_at_most(void **state)
{
	struct err err = {0};

	for (int i = 0; i < 8; i++)
		kernel.answers[i] = -EINVAL;
	assert_int_equal(attach(*state, events[1], &err), -EINVAL);
	assert_int_equal(err.kind, ERR_SYSTEM);
	said("connect status connect status connect status connect ");
}

static void a_device_that_stays_is_not_waited_for(void **state)
{
	struct err err = {0};

	kernel.answers[0] = -EINVAL;
	kernel.listed = 1 << 20;
	assert_int_equal(attach(*state, events[1], &err), -EINVAL);
	assert_int_equal(kernel.n, 1);
}

/* The kernel has shut the socket down: it cannot be used again. */
static void a_dead_socket_is_not_offered_again(void **state)
{
	struct err err = {0};
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	close(pair[1]);
	kernel.answers[0] = -EINVAL;
	assert_int_equal(attach(*state, pair[0], &err), -EINVAL);
	said("connect ");
	close(pair[0]);
}

static void a_device_that_is_gone_is_detached(void **state)
{
	struct err err = {0};

	kernel.answers[0] = -EINVAL;
	assert_int_equal(kernel_detach(*state, 3, &err), 0);
	/* An attached device is refused. */
	attribute("pid", "1\n");
	kernel.n = 0;
	assert_int_equal(kernel_detach(*state, 3, &err), -EINVAL);
	kernel.answers[0] = -EPERM;
	kernel.n = 0;
	assert_int_equal(kernel_detach(*state, 3, &err), -EPERM);
}

static void no_answer_is_an_error(void **state)
{
	struct err err = {0};

	kernel.deaf = true;
	assert_int_equal(kernel_detach(*state, 3, &err), -EIO);
	kernel.deaf = false;
	kernel.send_error = -NLE_FAILURE;
	assert_int_equal(kernel_detach(*state, 3, &err), -EIO);
}

static void what_cannot_be_is_not_tried(void **state)
{
	static const char identifier[] = "";
	int fds[KERNEL_CONNECTIONS_MAX + 1] = {0};
	struct kernel_attach good = {.index = 3,
				     .fds = fds,
				     .n_fds = 1,
				     .size = 1 << 20,
				     .block_size = 4096,
				     .identifier = identifier},
			     a;
	struct err err = {0};
	char *longer = calloc(1, KERNEL_IDENTIFIER_MAX + 2);

	memset(longer, 'a', KERNEL_IDENTIFIER_MAX + 1);
#define refused(member, value, kind_)                                       \
	do {                                                                \
		a = good;                                                   \
		a.member = (value);                                         \
		assert_int_equal(kernel_attach(*state, &a, &err), -EINVAL); \
		assert_int_equal(err.kind, kind_);                          \
	} while (0)
	refused(index, 1 << 20, ERR_USAGE);
	refused(n_fds, 0, ERR_USAGE);
	refused(n_fds, KERNEL_CONNECTIONS_MAX + 1, ERR_USAGE);
	refused(n_fds, 2, ERR_PERMANENT);
	refused(block_size, 256, ERR_SYSTEM);
	refused(block_size, 513, ERR_SYSTEM);
	refused(block_size, 1 << 30, ERR_SYSTEM);
	refused(size, (1 << 20) + 512, ERR_PERMANENT);
	refused(size, UINT64_C(1) << 63, ERR_PERMANENT);
	refused(identifier, longer, ERR_USAGE);
	said("");
	longer[KERNEL_IDENTIFIER_MAX] = '\0';
	a = good;
	a.identifier = longer;
	assert_int_equal(kernel_attach(*state, &a, &err), 0);
	free(longer);
}

/* Only the kernel's own events count: these come from another sender. */
static void a_datagram_of_others_is_no_event(void **state)
{
	char datagram[64] = {0};

	assert_int_equal(kernel_event_fd(*state), events[0]);
	assert_int_equal(kernel_next_event(*state, 3), KERNEL_EVENT_NONE);
	assert_int_equal(send(events[1], datagram, sizeof(datagram), 0), sizeof(datagram));
	assert_int_equal(kernel_next_event(*state, 3), KERNEL_EVENT_NONE);
	assert_int_equal(recv(events[0], datagram, sizeof(datagram), MSG_DONTWAIT), -1);
}

static void send_link_dead(uint32_t index)
{
	struct {
		struct nlmsghdr head;
		struct genlmsghdr genl;
		struct nlattr attr;
		uint32_t index;
	} dead = {
	    .head = {.nlmsg_len = sizeof(dead), .nlmsg_type = FAMILY},
	    .genl = {.cmd = NBD_CMD_LINK_DEAD, .version = 1},
	    .attr = {.nla_len = sizeof(dead.attr) + sizeof(index), .nla_type = NBD_ATTR_INDEX},
	    .index = index,
	};

	assert_int_equal(send(events[1], &dead, sizeof(dead), 0), sizeof(dead));
}

static void the_kernel_says_that_a_link_is_dead(void **state)
{
	sender_is_netlink = true;
	sender = 0;
	send_link_dead(4);
	send_link_dead(3);
	assert_int_equal(kernel_next_event(*state, 3), KERNEL_EVENT_LINK_DEAD);
	assert_int_equal(kernel_next_event(*state, 3), KERNEL_EVENT_NONE);
	/* Any process may send one to this port. */
	sender = 4711;
	send_link_dead(3);
	assert_int_equal(kernel_next_event(*state, 3), KERNEL_EVENT_NONE);
	sender = 0;
	sender_is_netlink = false;
	send_link_dead(3);
	assert_int_equal(kernel_next_event(*state, 3), KERNEL_EVENT_NONE);
}

static void a_kernel_without_the_family(void **state)
{
	struct kernel *k = NULL;
	struct err err = {0};
	bool missing = false;

	(void)state;
	kernel.family = -NLE_OBJ_NOTFOUND;
	assert_int_equal(netlink_new(&k, &missing, &err), -ENOENT);
	assert_true(missing);
	assert_null(k);
	missing = false;
	kernel.family = FAMILY;
	kernel.group = -NLE_PERM;
	assert_int_equal(netlink_new(&k, &missing, &err), -EIO);
	assert_false(missing);
	kernel.group = 5;
	kernel.join_error = -NLE_PERM;
	assert_int_equal(netlink_new(&k, &missing, &err), -EIO);
	kernel.join_error = 0;
	kernel.connect_error = -NLE_NOMEM;
	assert_int_equal(netlink_new(&k, &missing, &err), -EIO);
	assert_false(missing);
	assert_null(k);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    test(it_attaches_changes_and_detaches),	 test(refusals_are_told),
	    test(it_waits_until_a_device_has_left),	 test(it_waits_three_times_at_most),
	    test(a_device_that_stays_is_not_waited_for), test(a_dead_socket_is_not_offered_again),
	    test(a_device_that_is_gone_is_detached),	 test(no_answer_is_an_error),
	    test(what_cannot_be_is_not_tried),		 test(a_datagram_of_others_is_no_event),
	    test(the_kernel_says_that_a_link_is_dead),	 test(a_kernel_without_the_family),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
