/* SPDX-License-Identifier: MIT */
#include "runtime/rundir.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

const char *rundir(void)
{
	const char *dir = secure_getenv("NBD_ATTACH_RUNDIR");

	return dir && dir[0] == '/' ? dir : "/run/nbd-attach";
}

int rundir_make(struct err *err)
{
	if (mkdir(rundir(), 0755) < 0 && errno != EEXIST)
		return err_errno(err, ERR_SYSTEM, errno, "cannot create %s", rundir());
	return 0;
}

struct rundir_path rundir_device(int index, const char *suffix)
{
	struct rundir_path p;

	snprintf(p.text, sizeof(p.text), "%s/nbd%d.%s", rundir(), index, suffix);
	return p;
}

struct rundir_path rundir_name(const char *name)
{
	struct rundir_path p;

	snprintf(p.text, sizeof(p.text), "%s/name-%s.lock", rundir(), name);
	return p;
}

struct rundir_path rundir_identifier(const char *identifier)
{
	uint64_t hash = 0xcbf29ce484222325u;
	struct rundir_path p;

	for (const unsigned char *c = (const unsigned char *)identifier; *c; c++)
		hash = (hash ^ *c) * 0x100000001b3u;
	snprintf(p.text, sizeof(p.text), "%s/id-%016llx.lock", rundir(), (unsigned long long)hash);
	return p;
}
