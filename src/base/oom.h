/* SPDX-License-Identifier: MIT */
/*
 * How likely the kernel is to end a process when memory is short: proc(5), oom_score_adj. Looked up
 * by base/held, so that it is found after the root has changed.
 */
#ifndef BASE_OOM_H
#define BASE_OOM_H

#include <sys/types.h>

#define OOM_NEVER    "-1000"
#define OOM_ORDINARY "0"

/* Of this process. A score below the present one needs privilege. 0 or -errno. */
int oom_set(const char *score);

/*
 * A process that was protected, or its child, is ended like any other from now on; one that is
 * ended sooner than others stays so. pid: 0 is this process.
 */
void oom_be_ordinary(pid_t pid);

#endif
