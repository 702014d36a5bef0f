/* SPDX-License-Identifier: MIT */
#include "base/protect.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/held.h"
#include "base/libc.h"
#include "base/log.h"
#include "base/oom.h"

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

#define STACK_ROOM 65536
#define TOP_PAD	   16384 /* bytes the heap grows by beyond a request: all of it is locked later */

/*
 * A process that is marked in this way survives the change from the initramfs to the real root, and
 * is not killed before the root is unmounted: systemd.io/ROOT_STORAGE_DAEMONS.
 */
void protect_mark(void)
{
	program_invocation_name[0] = '@';
	log_to_kernel_log();
}

void protect_early(void)
{
	mallopt(M_TOP_PAD, TOP_PAD);
	if (access("/etc/initrd-release", F_OK) == 0)
		protect_mark();
	prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
}

bool protect_root(void)
{
	return program_invocation_name[0] == '@';
}

void protect_directories(void)
{
	if (!protect_root())
		return;
	held_keep("/run");
	held_keep("/dev");
	held_keep("/proc");
}

/* Touches what later calls need, so that it is there. */
static void use_stack(void)
{
	volatile char room[STACK_ROOM];

	for (size_t i = 0; i < sizeof(room); i += 1024)
		room[i] = 0;
}

/*
 * bytes: what an outage takes with one connection (33 KiB, and buffers of up to 41 KiB for a
 * moment), and half as much again; and the same for each further connection (30 KiB)
 */
#define HEAP_ROOM    (size_t)131072
#define ATTEMPT_ROOM (size_t)49152

void protect_heap(unsigned connections)
{
	size_t size = HEAP_ROOM + (connections - 1) * ATTEMPT_ROOM;
	void *room;

	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	mallopt(M_MMAP_THRESHOLD, 1 << 25);
	room = malloc(size);
	if (room)
		memset(room, 0, size);
	free(room);
}

void protect_memory(void)
{
	int ret;

	if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		log_warning("cannot lock this process in memory: %s", strerror(errno));
	tzset(); /* the log's time stamps: it reads a file */
	use_stack();
	ret = oom_set(OOM_NEVER);
	if (ret < 0)
		log_info("cannot hide from the OOM killer: %s", strerror(-ret));
}

void protect_undo(void)
{
	prctl(PR_SET_IO_FLUSHER, 0, 0, 0, 0);
	oom_set(OOM_ORDINARY);
}
