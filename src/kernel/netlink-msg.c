/* SPDX-License-Identifier: MIT */
#include "kernel/netlink-msg.h"

#include <errno.h>
#include <linux/nbd-netlink.h>
#include <linux/nbd.h>
#include <netlink/attr.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>
#include <string.h>

/* NBD_ATTR_BACKEND_IDENTIFIER came with 5.14; headers may be older. */
#define ATTR_BACKEND_IDENTIFIER 10

#define MESSAGE_MAX                                                                   \
	8192 /* the fixed attributes, 16 sockets and an identifier need about 1.5 KiB \
	      */

static struct nl_msg *start(int family, int command)
{
	struct nl_msg *msg = nlmsg_alloc_size(MESSAGE_MAX);

	if (msg && genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, NLM_F_REQUEST,
			       (uint8_t)command, NBD_GENL_VERSION))
		return msg;
	nlmsg_free(msg);
	return NULL;
}

static int put_sockets(struct nl_msg *msg, const int *fds, size_t n)
{
	struct nlattr *list = nla_nest_start(msg, NBD_ATTR_SOCKETS);
	struct nlattr *item;

	if (!list)
		return -NLE_NOMEM;
	for (size_t i = 0; i < n; i++) {
		item = nla_nest_start(msg, NBD_SOCK_ITEM);
		if (!item)
			return -NLE_NOMEM;
		NLA_PUT_U32(msg, NBD_SOCK_FD, (uint32_t)fds[i]);
		nla_nest_end(msg, item);
	}
	nla_nest_end(msg, list);
	return 0;
nla_put_failure:
	return -NLE_NOMEM;
}

struct nl_msg *netlink_msg_connect(int family, const struct kernel_attach *a)
{
	struct nl_msg *msg = start(family, NBD_CMD_CONNECT);

	if (!msg)
		return NULL;
	NLA_PUT_U32(msg, NBD_ATTR_INDEX, (uint32_t)a->index);
	NLA_PUT_U64(msg, NBD_ATTR_SIZE_BYTES, a->size);
	NLA_PUT_U64(msg, NBD_ATTR_BLOCK_SIZE_BYTES, a->block_size);
	NLA_PUT_U64(msg, NBD_ATTR_TIMEOUT, a->timeout);
	NLA_PUT_U64(msg, NBD_ATTR_SERVER_FLAGS, a->server_flags);
	NLA_PUT_U64(msg, NBD_ATTR_DEAD_CONN_TIMEOUT, a->dead_timeout);
	NLA_PUT_STRING(msg, ATTR_BACKEND_IDENTIFIER, a->identifier);
	if (put_sockets(msg, a->fds, a->n_fds) < 0)
		goto nla_put_failure;
	return msg;
nla_put_failure:
	nlmsg_free(msg);
	return NULL;
}

struct nl_msg *netlink_msg_connect_last(int family, int index, int fd)
{
	struct nl_msg *msg = start(family, NBD_CMD_CONNECT);

	if (!msg)
		return NULL;
	NLA_PUT_U32(msg, NBD_ATTR_INDEX, (uint32_t)index);
	NLA_PUT_U64(msg, NBD_ATTR_SIZE_BYTES, 0);
	NLA_PUT_U64(msg, NBD_ATTR_CLIENT_FLAGS, NBD_CFLAG_DESTROY_ON_DISCONNECT);
	if (put_sockets(msg, &fd, 1) < 0)
		goto nla_put_failure;
	return msg;
nla_put_failure:
	nlmsg_free(msg);
	return NULL;
}

struct nl_msg *netlink_msg_change(int family, const struct kernel_change *c)
{
	struct nl_msg *msg = start(family, NBD_CMD_RECONFIGURE);

	if (!msg)
		return NULL;
	NLA_PUT_U32(msg, NBD_ATTR_INDEX, (uint32_t)c->index);
	NLA_PUT_STRING(msg, ATTR_BACKEND_IDENTIFIER, c->identifier);
	if (c->set_timeout)
		NLA_PUT_U64(msg, NBD_ATTR_TIMEOUT, c->timeout);
	if (c->set_dead_timeout)
		NLA_PUT_U64(msg, NBD_ATTR_DEAD_CONN_TIMEOUT, c->dead_timeout);
	if (c->size)
		NLA_PUT_U64(msg, NBD_ATTR_SIZE_BYTES, c->size);
	if (c->fd >= 0 && put_sockets(msg, &c->fd, 1) < 0)
		goto nla_put_failure;
	return msg;
nla_put_failure:
	nlmsg_free(msg);
	return NULL;
}

static struct nl_msg *about(int family, int command, int index)
{
	struct nl_msg *msg = start(family, command);

	if (!msg)
		return NULL;
	NLA_PUT_U32(msg, NBD_ATTR_INDEX, (uint32_t)index);
	return msg;
nla_put_failure:
	nlmsg_free(msg);
	return NULL;
}

struct nl_msg *netlink_msg_disconnect(int family, int index)
{
	return about(family, NBD_CMD_DISCONNECT, index);
}

struct nl_msg *netlink_msg_status(int family, int index)
{
	return about(family, NBD_CMD_STATUS, index);
}

/* The message's attribute, or NULL if it is of another family or command, or lacks it. */
static struct nlattr *attribute(const struct nlmsghdr *msg, int family, int command, int type)
{
	/* libnl's readers do not write, but take no const. */
	struct nlmsghdr *hdr = (struct nlmsghdr *)(uintptr_t)msg;

	if (hdr->nlmsg_type != family || !genlmsg_valid_hdr(hdr, 0) ||
	    genlmsg_hdr(hdr)->cmd != command)
		return NULL;
	return nlmsg_find_attr(hdr, GENL_HDRLEN, type);
}

static int index_of(struct nlattr *attr, int *ret_index)
{
	uint32_t index;

	if (!attr || nla_len(attr) != sizeof(index))
		return -EBADMSG;
	index = nla_get_u32(attr);
	if (index > INT32_MAX)
		return -EBADMSG;
	*ret_index = (int)index;
	return 0;
}

bool netlink_msg_listed(const struct nlmsghdr *msg, int family, int index)
{
	struct nlattr *list = attribute(msg, family, NBD_CMD_STATUS, NBD_ATTR_DEVICE_LIST);
	struct nlattr *item;
	int left, found;

	if (!list)
		return false;
	nla_for_each_nested(item, list, left) if (nla_type(item) == NBD_DEVICE_ITEM &&
						  index_of(nla_find(nla_data(item), nla_len(item),
								    NBD_DEVICE_INDEX),
							   &found) == 0 &&
						  found == index) return true;
	return false;
}

int netlink_msg_index(const struct nlmsghdr *msg, int family, int command, int *ret_index)
{
	return index_of(attribute(msg, family, command, NBD_ATTR_INDEX), ret_index);
}

bool netlink_msg_link_dead(const void *datagram, size_t len, int family, int index)
{
	const struct nlmsghdr *hdr = datagram;
	int left = len > INT32_MAX ? INT32_MAX : (int)len;
	int found;

	for (; nlmsg_ok(hdr, left); hdr = nlmsg_next((struct nlmsghdr *)(uintptr_t)hdr, &left))
		if (netlink_msg_index(hdr, family, NBD_CMD_LINK_DEAD, &found) == 0 &&
		    found == index)
			return true;
	return false;
}
