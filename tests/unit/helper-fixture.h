/* SPDX-License-Identifier: MIT */
/*
 * For tests that start helper processes. The program executes itself for a helper, so here the test
 * program is executed, and must act as the helper before its main(). A test's own helpers are
 * functions that are named by their offset in the program; a number is passed along.
 */
#ifndef HELPER_FIXTURE_H
#define HELPER_FIXTURE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#include "worker/helper-main.h"

static unsigned helper_number; /* in a helper of the test: its number */

/* Returns the kind of a helper that runs `run`. It is valid until 8 more were requested. */
static inline const char *helper_kind(process_fn *run, unsigned number)
{
	static char kinds[8][64];
	static unsigned next;
	char *kind = kinds[next++ % 8];

	snprintf(kind, sizeof(kinds[0]), "test:%td:%u",
		 (intptr_t)(uintptr_t)run - (intptr_t)(uintptr_t)helper_main, number);
	return kind;
}

/* The process that this one has started, the only one. */
static inline pid_t only_child(void)
{
	char path[64];
	int pid = 0, other = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	f = fopen(path, "re");
	if (!f)
		return -1;
	if (fscanf(f, "%d %d", &pid, &other) != 1)
		pid = -1;
	fclose(f);
	return pid;
}

static void __attribute__((constructor)) be_helper(int argc, char **argv)
{
	static struct process_call call;
	intptr_t place;

	if (!process_accept(argc, argv, &call))
		return;
	if (sscanf(call.kind, "test:%td:%u", &place, &helper_number) != 2)
		helper_run(&call);
	((process_fn *)(uintptr_t)((intptr_t)(uintptr_t)helper_main + place))(call.fd, call.parent,
									      call.setup, call.len);
	_exit(0);
}

#endif
