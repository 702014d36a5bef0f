/* SPDX-License-Identifier: MIT */
#include "runtime/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

const char *rundir(void)
{
	const char *dir = secure_getenv("NBD_ATTACH_RUNDIR");

	return dir && dir[0] == '/' ? dir : "/run/nbd-attach";
}

/* A user who may write in the directory could replace our locks and our state with other files. */
static int check_directory(int fd, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_errno(err, ERR_SYSTEM, errno, "cannot look at %s", rundir());
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return err_set(err, ERR_SYSTEM, EPERM,
			       "%s belongs to the user %u, who could replace the files in it: "
			       "remove it, or give it to root",
			       rundir(), (unsigned)st.st_uid);
	if (st.st_mode & 022 && fchmod(fd, st.st_mode & 07755) < 0)
		return err_errno(err, ERR_SYSTEM, errno,
				 "other users can write in %s, and nbd-attach cannot change that",
				 rundir());
	return 0;
}

int rundir_make(struct err *err)
{
	_cleanup_fd_ int fd = -1;
	mode_t mask = umask(022);
	int ret = mkdir(rundir(), 0755);

	umask(mask);
	if (ret < 0 && errno != EEXIST)
		return err_errno(err, ERR_SYSTEM, errno, "cannot create %s", rundir());
	fd = open(rundir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, ERR_SYSTEM, errno, "cannot open %s", rundir());
	return check_directory(fd, err);
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
