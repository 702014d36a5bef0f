/* SPDX-License-Identifier: MIT */
/*
 * Imitates the machine's sleep for build/stub/nbd-attach. A sleep of N ms adds N ms to the distance
 * of CLOCK_BOOTTIME from CLOCK_MONOTONIC, and the kernel cancels timers on CLOCK_REALTIME. Here the
 * file `slept` of the driver's directory holds that distance in ms, and a byte written to the FIFO
 * `wake` cancels the timer. Without the FIFO the timer is the real one.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/timerfd.h>
#include <time.h>

#include "client.h"

int __real_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
	int ret = __real_clock_gettime(clock, ts);
	uint64_t ms = 0;
	FILE *f;

	if (ret < 0 || clock != CLOCK_BOOTTIME)
		return ret;
	f = fopen(stub_path("slept").text, "re");
	if (f && fscanf(f, "%" SCNu64, &ms) == 1)
		ts->tv_sec += (time_t)(ms / 1000);
	if (f)
		fclose(f);
	return ret;
}

int __real_timerfd_create(int clock, int flags);
int __wrap_timerfd_create(int clock, int flags);
int __wrap_timerfd_create(int clock, int flags)
{
	int fd = -1;

	if (clock == CLOCK_REALTIME)
		fd = open(stub_path("wake").text, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	return fd >= 0 ? fd : __real_timerfd_create(clock, flags);
}
