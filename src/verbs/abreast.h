/* SPDX-License-Identifier: MIT */
/*
 * Does one thing for several devices at the same time, in one process a device, so that none waits
 * for another: all of them take as long as the slowest one, not the sum.
 */
#ifndef VERBS_ABREAST_H
#define VERBS_ABREAST_H

/*
 * Starts fn(index, arg) in a process of its own, whose exit status is what fn returns. The process
 * ends with its parent, by SIGTERM. Without memory for a process, fn is called here, and the
 * result kept for abreast_wait(). The caller must have no threads.
 */
void abreast_start(int (*fn)(int index, void *arg), int index, void *arg);

/* Waits for all of them. The result is the largest exit status, which is the worst. */
int abreast_wait(void);

#endif
