/* SPDX-License-Identifier: MIT */
/*
 * The nbd family's messages, built and read in memory: no socket, nothing blocks. Messages belong
 * to the caller (nlmsg_free()); buffers are borrowed.
 */
#ifndef KERNEL_NETLINK_MSG_H
#define KERNEL_NETLINK_MSG_H

#include <stddef.h>

#include "kernel/kernel.h"

struct nl_msg;
struct nlmsghdr;

/*
 * CONNECT. Sends every setting, even zeroes, because a setting that is left out keeps the value of
 * the device's earlier user. NULL: no memory, or the identifier does not fit.
 */
struct nl_msg *netlink_msg_connect(int family, const struct kernel_attach *a);

/*
 * CONNECT of an empty device over one socket, such that the kernel removes the device when it is
 * disconnected. NULL: no memory.
 */
struct nl_msg *netlink_msg_connect_last(int family, int index, int fd);

/* RECONFIGURE. NULL: no memory, or the identifier does not fit. */
struct nl_msg *netlink_msg_change(int family, const struct kernel_change *c);

/* DISCONNECT. NULL: no memory. */
struct nl_msg *netlink_msg_disconnect(int family, int index);

/* STATUS of one device. NULL: no memory. */
struct nl_msg *netlink_msg_status(int family, int index);

/*
 * True if a message is a reply to STATUS that lists `index`: the driver knows such a device,
 * attached or not.
 */
bool netlink_msg_listed(const struct nlmsghdr *msg, int family, int index);

/*
 * The device's index in a LINK_DEAD event, or another message of the family: 0, or -EBADMSG when
 * the message is of another family or command, or carries no index that makes sense.
 */
int netlink_msg_index(const struct nlmsghdr *msg, int family, int command, int *ret_index);

/*
 * True if a datagram from the multicast group holds a LINK_DEAD for `index`. Malformed parts are
 * ignored.
 */
bool netlink_msg_link_dead(const void *datagram, size_t len, int family, int index);

#endif
