/* SPDX-License-Identifier: MIT */
#include "base/account.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

/* fgetpwent(3) seeks in its file for every line, which costs nothing in memory. */
static bool look_into(const char *path, account_fn *fn, void *arg)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	const struct passwd *pw;
	bool over = false;
	struct stat st;
	void *map;
	FILE *f;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size <= 0)
		return false;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return false;
	f = fmemopen(map, (size_t)st.st_size, "r");
	while (f && !over && (pw = fgetpwent(f)))
		over = fn(pw, arg);
	if (f)
		fclose(f);
	munmap(map, (size_t)st.st_size);
	return over;
}

void account_each(account_fn *fn, void *arg)
{
	/* The second one is where image-based systems keep theirs. */
	if (!look_into("/etc/passwd", fn, arg))
		look_into("/usr/lib/passwd", fn, arg);
}
