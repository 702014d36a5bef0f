/* SPDX-License-Identifier: MIT */
/*
 * What both implementations of kernel.h check before they ask the kernel, and the sentences for
 * what it answers: the driver itself says little more than EINVAL. Nothing blocks.
 */
#ifndef KERNEL_EXPLAIN_H
#define KERNEL_EXPLAIN_H

#include "kernel/kernel.h"

/*
 * Refuses what would only fail as EINVAL, after the kernel has shut the sockets down. 0 or -errno
 * with ERR_SYSTEM (block size), ERR_USAGE (index, number of connections).
 */
int attach_check(const struct kernel_attach *a, struct err *err);

/* Fills err for a refusal (-errno) and returns it. */
int attach_explain(const struct kernel_attach *a, int error, struct err *err);
int change_explain(const struct kernel_change *c, int error, struct err *err); /* 0 stays 0 */
int detach_explain(int index, int error, struct err *err);

/* The sentence for EPERM. */
int privilege_explain(struct err *err);

#endif
