/* SPDX-License-Identifier: MIT */
/*
 * nbd.ko through its generic netlink family. Two sockets live as long as the struct: commands block
 * and are for the helper thread, LINK_DEAD events arrive on the other and are for the loop. The
 * command socket is never replaced: a proposal (July 2026) would end a device together with the
 * socket that configured it.
 */
#ifndef KERNEL_NETLINK_H
#define KERNEL_NETLINK_H

#include "kernel/kernel.h"

/*
 * Blocks while another process's command holds the family. *ret_missing is set true, and -ENOENT
 * returned, when the kernel has no such family (in a network namespace of its own: before 6.4).
 * Other errors: ERR_SYSTEM.
 */
int netlink_new(struct kernel **ret_kernel, bool *ret_missing, struct err *err);

/* Says that it is missing, why, and what can be done: -ENOENT with ERR_SYSTEM. */
int netlink_is_missing(struct err *err);

#endif
