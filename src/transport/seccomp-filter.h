/* SPDX-License-Identifier: MIT */
/*
 * The system call filters of the sandbox as programs for the kernel, built by libseccomp. A
 * filter is a plain value. Building one needs memory and descriptors for a moment; installing it
 * needs nothing.
 */
#ifndef TRANSPORT_SECCOMP_FILTER_H
#define TRANSPORT_SECCOMP_FILTER_H

#include <stddef.h>
#include <linux/filter.h>

#include "base/err.h"
#include "transport/sandbox.h"

#define SECCOMP_FILTER_MAX 512 /* instructions */

struct seccomp_filter {
	size_t n;
	struct sock_filter program[SECCOMP_FILTER_MAX];
};

/* 0 or -errno with *err (SYSTEM). */
int seccomp_filter_build(enum sandbox_profile profile, struct seccomp_filter *ret_filter,
			 struct err *err);

/* Puts it into force for this thread, for good. no_new_privs must be set. 0 or -errno. */
int seccomp_filter_install(const struct seccomp_filter *f);

#endif
