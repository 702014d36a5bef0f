/* SPDX-License-Identifier: MIT */
#include "kernel/netlink.h"

#include <errno.h>
#include <linux/nbd-netlink.h>
#include <netlink/errno.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "kernel/explain.h"
#include "kernel/netlink-msg.h"
#include "kernel/sysfs.h"
#include "kernel/tune.h"

#define RENEW_LIMIT_MS 1000 /* it takes some 20 ms */
#define LEAVE_LIMIT_MS 300  /* no longer: the device may be one that stays */
#define LEAVE_TRIES    3

struct netlink {
	struct kernel base; /* first */
	int family;
	struct nl_sock *commands;
	struct nl_sock *events;
};

/* What a command came to; filled by the callbacks. */
struct answer {
	int family;
	uint32_t number; /* of the command's message */
	bool done;
	int error; /* 0 or -errno, from the kernel's own reply */
	int asked; /* the device of a STATUS */
	bool listed;
};

static struct netlink *netlink_of(const struct kernel *k)
{
	return (struct netlink *)(uintptr_t)k;
}

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *e, void *arg)
{
	struct answer *answer = arg;

	(void)from;
	answer->error = e->error;
	answer->done = true;
	return NL_STOP;
}

static int on_ack(struct nl_msg *msg, void *arg)
{
	struct answer *answer = arg;

	(void)msg;
	answer->done = true;
	return NL_STOP;
}

static int on_reply(struct nl_msg *msg, void *arg)
{
	struct answer *answer = arg;

	answer->listed |= netlink_msg_listed(nlmsg_hdr(msg), answer->family, answer->asked);
	return NL_OK;
}

/*
 * libnl expects the numbers of answers in order. After one command that was not sent, or whose
 * answer was lost, it would reject every later answer.
 */
static int on_number(struct nl_msg *msg, void *arg)
{
	const struct answer *answer = arg;

	return nlmsg_hdr(msg)->nlmsg_seq == answer->number ? NL_OK : NL_SKIP;
}

static int exchange(struct netlink *n, struct nl_msg *msg, struct nl_cb *cb, struct answer *answer)
{
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_reply, answer);
	nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_ack, answer);
	nl_cb_set(cb, NL_CB_SEQ_CHECK, NL_CB_CUSTOM, on_number, answer);
	/* libnl's own error numbers lose the kernel's, so the callback keeps it. */
	nl_cb_err(cb, NL_CB_CUSTOM, on_error, answer);
	if (nl_send_auto(n->commands, msg) < 0)
		return -EIO;
	answer->number = nlmsg_hdr(msg)->nlmsg_seq;
	while (!answer->done)
		if (nl_recvmsgs(n->commands, cb) < 0 && !answer->done)
			return -EIO;
	return answer->error;
}

/* Sends msg (consumed) and waits for the kernel's acknowledgement. */
static int command(struct netlink *n, struct nl_msg *msg, struct answer *answer)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int ret = -ENOMEM;

	*answer = (struct answer){.family = n->family, .asked = answer->asked};
	if (msg && cb)
		ret = exchange(n, msg, cb, answer);
	nl_cb_put(cb);
	nlmsg_free(msg);
	return ret;
}

/*
 * Waits until the driver has removed a device, which happens after the last close, for example
 * udev's.
 */
static int wait_until_removed(struct netlink *n, int index, int limit_ms)
{
	int ret;

	for (int i = 0; i < limit_ms; i++) {
		struct answer answer = {.asked = index};

		/* The number stays taken for a while after the device has left sysfs. */
		ret = command(n, netlink_msg_status(n->family, index), &answer);
		if (ret < 0 || !answer.listed)
			return ret;
		usleep(1000);
	}
	return -EBUSY;
}

/*
 * Makes the kernel remove a free device, so that CONNECT creates it again without leftover
 * settings: configures an empty device on a socket without a peer, which the kernel removes on
 * disconnect. Returns 0 or -errno; EBUSY while anybody has it open.
 */
static int renew(struct netlink *n, int index)
{
	_cleanup_fd_ int ours = -1, theirs = -1;
	struct answer answer = {0};
	int pair[2], ret;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	ours = pair[0];
	theirs = pair[1]; /* NOLINT(clang-analyzer-deadcode.DeadStores): closed by its cleanup */
	ret = command(n, netlink_msg_connect_last(n->family, index, ours), &answer);
	if (ret == 0)
		ret = command(n, netlink_msg_disconnect(n->family, index), &answer);
	return ret < 0 ? ret : wait_until_removed(n, index, RENEW_LIMIT_MS);
}

/* 0 or -errno, of the kernel's. */
static int connect_device(struct netlink *n, const struct kernel_attach *a)
{
	struct answer answer = {0};
	int ret = 0;

	if (sysfs_device_free(a->index) && tune_leftovers(a->index, a->server_flags))
		ret = renew(n, a->index);
	return ret < 0 ? ret : command(n, netlink_msg_connect(n->family, a), &answer);
}

static bool all_alive(const struct kernel_attach *a)
{
	struct pollfd p[KERNEL_CONNECTIONS_MAX];

	for (size_t i = 0; i < a->n_fds; i++)
		p[i] = (struct pollfd){.fd = a->fds[i], .events = POLLRDHUP};
	return poll(p, a->n_fds, 0) == 0;
}

/*
 * A device that is being removed refuses with EINVAL until the driver has forgotten it, and leaves
 * the sockets alone. Whatever else that may mean shuts them down, or comes from a device that
 * stays.
 */
static bool has_left(struct netlink *n, const struct kernel_attach *a)
{
	return all_alive(a) && wait_until_removed(n, a->index, LEAVE_LIMIT_MS) == 0;
}

static int netlink_attach(struct kernel *k, const struct kernel_attach *a, struct err *err)
{
	struct netlink *n = netlink_of(k);
	int ret = attach_check(a, err);

	if (ret < 0)
		return ret;
	ret = connect_device(n, a);
	for (int i = 0; i < LEAVE_TRIES && ret == -EINVAL && has_left(n, a); i++)
		ret = connect_device(n, a);
	return ret < 0 ? attach_explain(a, ret, err) : 0;
}

static int netlink_change(struct kernel *k, const struct kernel_change *c, struct err *err)
{
	struct netlink *n = netlink_of(k);
	struct answer answer = {0};

	return change_explain(c, command(n, netlink_msg_change(n->family, c), &answer), err);
}

static int netlink_detach(struct kernel *k, int index, struct err *err)
{
	struct netlink *n = netlink_of(k);
	struct answer answer = {0};
	int ret = command(n, netlink_msg_disconnect(n->family, index), &answer);

	/* EINVAL: there is no such device, or it is being removed. */
	if (ret == 0 || (ret == -EINVAL && !sysfs_attached(index)))
		return 0;
	return detach_explain(index, ret, err);
}

static int netlink_event_fd(const struct kernel *k)
{
	return nl_socket_get_fd(netlink_of(k)->events);
}

static enum kernel_event netlink_next_event(struct kernel *k, int index)
{
	struct netlink *n = netlink_of(k);
	struct sockaddr_nl from = {0};
	uint8_t datagram[4096] __attribute__((aligned(NLMSG_ALIGNTO)));
	socklen_t from_len;
	ssize_t len;

	for (;;) {
		from_len = sizeof(from);
		len = recvfrom(nl_socket_get_fd(n->events), datagram, sizeof(datagram),
			       MSG_DONTWAIT, (struct sockaddr *)&from, &from_len);
		if (len < 0 && errno == ENOBUFS)
			return KERNEL_EVENT_OVERFLOW;
		if (len < 0 && errno != EINTR)
			return KERNEL_EVENT_NONE;
		/* Port 0 is the kernel; another process may have sent anything. */
		if (len > 0 && from_len == sizeof(from) && from.nl_pid == 0 &&
		    netlink_msg_link_dead(datagram, (size_t)len, n->family, index))
			return KERNEL_EVENT_LINK_DEAD;
	}
}

static void netlink_free(struct kernel *k)
{
	struct netlink *n = netlink_of(k);

	nl_socket_free(n->commands);
	nl_socket_free(n->events);
	free(n);
}

static const struct kernel_ops netlink_ops = {
    .name = "netlink",
    .attach = netlink_attach,
    .change = netlink_change,
    .detach = netlink_detach,
    .event_fd = netlink_event_fd,
    .next_event = netlink_next_event,
    .free = netlink_free,
};

/* 0, or a libnl error number (negative). */
static int open_sockets(struct netlink *n)
{
	int group, ret;

	n->commands = nl_socket_alloc();
	n->events = nl_socket_alloc();
	if (!n->commands || !n->events)
		return -NLE_NOMEM;
	if ((ret = genl_connect(n->commands)) < 0 || (ret = genl_connect(n->events)) < 0)
		return ret;
	n->family = genl_ctrl_resolve(n->commands, NBD_GENL_FAMILY_NAME);
	if (n->family < 0)
		return n->family;
	group = genl_ctrl_resolve_grp(n->commands, NBD_GENL_FAMILY_NAME, NBD_GENL_MCAST_GROUP_NAME);
	if (group < 0)
		return group;
	/* Before any CONNECT, so that no LINK_DEAD event is missed. */
	return nl_socket_add_memberships(n->events, group, 0);
}

int netlink_is_missing(struct err *err)
{
	const char *where =
	    sysfs_kernel_since(6, 4)
		? ""
		: ", because before Linux 6.4 there is one only in the first network namespace of "
		  "the machine: run nbd-attach there";

	return err_set(
	    err, ERR_SYSTEM, ENOENT,
	    "the nbd module offers no netlink interface here%s; with --backend ioctl the "
	    "device can be attached, but it ends when its connection does",
	    where);
}

int netlink_new(struct kernel **ret_kernel, bool *ret_missing, struct err *err)
{
	struct netlink *n = calloc(1, sizeof(*n));
	int ret;

	if (!n)
		return err_errno(err, ERR_SYSTEM, ENOMEM, "cannot prepare netlink");
	n->base.ops = &netlink_ops;
	ret = open_sockets(n);
	if (ret == 0) {
		*ret_kernel = &n->base;
		return 0;
	}
	netlink_free(&n->base);
	if (ret == -NLE_OBJ_NOTFOUND) {
		*ret_missing = true;
		return netlink_is_missing(err);
	}
	return err_set(err, ERR_SYSTEM, EIO, "cannot use the kernel's netlink interface: %s",
		       nl_geterror(ret));
}
