/* SPDX-License-Identifier: MIT */
/*
 * Finds the users of a device: mounts (in every visible mount namespace), swap, file systems over
 * several devices, device mapper and RAID (holders), loop devices, and processes that have it open
 * or mapped. It uses only /proc and sysfs: it does not open the device, and does not wait for it.
 *
 * It cannot see openers in another PID namespace (`unsure`), descriptors registered with io_uring
 * and closed, users inside the kernel that appear in none of the places above (they hold the device
 * exclusively, so kernel/claim.h meets them).
 */
#ifndef KERNEL_USAGE_H
#define KERNEL_USAGE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct usage {
	unsigned n;	  /* users found */
	unsigned passing; /* those of n that are udev's processes or another detach's, which soon
			     close the device */
	bool unsure;	  /* some processes could not be examined: there may be more users */
	char sentence[ERR_MESSAGE_MAX -
		      256]; /* a sentence that names the first few users; "" if n is 0 */
};

/*
 * Looks at every process of the system, so it takes some milliseconds, or tens of them; reading
 * /proc can wait for a process that is short of memory: not on an event loop's thread. The calling
 * process, `skip` (0: none) and processes of claim_look() do not count as users. 0, or -errno with
 * ERR_SYSTEM when /proc or sysfs cannot be read at all.
 */
int usage_find(int index, pid_t skip, struct usage *ret_usage, struct err *err);

/* The question that usage_find() answers, of one of several devices. */
struct usage_question {
	int index;
	pid_t skip; /* no user of any of these devices; 0: none */
	int ret;    /* 0, or -errno: nobody can tell */
	struct usage usage;
};

/*
 * Answers n questions by one look at every process, which then takes hardly longer than for one
 * device. Each of the answers is of a look that began after the call.
 */
void usage_find_several(struct usage_question *questions, size_t n);

/*
 * The same with other directories than "/proc", "/sys" and "/dev/md" (whose links name RAID
 * devices), for tests.
 */
int usage_find_at(const char *proc, const char *sys, const char *md, int index, pid_t skip,
		  struct usage *ret_usage, struct err *err);
void usage_find_several_at(const char *proc, const char *sys, const char *md,
			   struct usage_question *questions, size_t n);

#endif
