/* SPDX-License-Identifier: MIT */
/* A run directory for the tests: setup and teardown for cmocka_run_group_tests(). */
#ifndef RUNDIR_FIXTURE_H
#define RUNDIR_FIXTURE_H

#include <stdlib.h>
#include <unistd.h>

static char dir[] = "/tmp/nbd-attach-test-XXXXXX";

static inline int rundir_make_own(void **state)
{
	(void)state;
	return mkdtemp(dir) && setenv("NBD_ATTACH_RUNDIR", dir, 1) == 0 ? 0 : -1;
}

/* Fails if a test has left a file there. */
static inline int rundir_remove_own(void **state)
{
	(void)state;
	return rmdir(dir);
}

#endif
