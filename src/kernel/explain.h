/* SPDX-License-Identifier: MIT */
/*
 * Checks that both implementations of kernel.h make before they call the kernel, and messages for
 * the kernel's errors, because the driver returns little more than EINVAL. Nothing blocks.
 */
#ifndef KERNEL_EXPLAIN_H
#define KERNEL_EXPLAIN_H

#include "kernel/kernel.h"

/*
 * Refuses settings for which the kernel would return only EINVAL, after it has shut the sockets
 * down. 0 or -errno with ERR_SYSTEM (block size), ERR_USAGE (index, number of connections).
 */
int attach_check(const struct kernel_attach *a, struct err *err);

/* Fills err for a refusal (-errno) and returns it. */
int attach_explain(const struct kernel_attach *a, int error, struct err *err);
int change_explain(const struct kernel_change *c, int error, struct err *err); /* 0 stays 0 */
int detach_explain(int index, int error, struct err *err);

/* The sentence for EPERM. */
int privilege_explain(struct err *err);

#endif
