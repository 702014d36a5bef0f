/* SPDX-License-Identifier: MIT */
/*
 * The system call filters of the sandbox. They are made when nbd-attach is built: see
 * seccomp/generate.c, where the rules stand. Nothing allocates or blocks.
 */
#ifndef WORKER_SECCOMP_FILTER_H
#define WORKER_SECCOMP_FILTER_H

#include "worker/sandbox.h"

/* Installs the filter for this thread, permanently. no_new_privs must be set. 0 or -errno. */
int seccomp_filter_install(enum sandbox_profile profile);

#endif
