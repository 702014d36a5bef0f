/* SPDX-License-Identifier: MIT */
#include "tests/fault/ledger.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fault/fault.h"

static void map(struct ledger *l, const char *path, int fd)
{
	l->entries =
	    mmap(NULL, l->n * sizeof(*l->entries), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (l->entries == MAP_FAILED)
		fault_die("cannot map %s: %m", path);
	close(fd);
}

void ledger_create(struct ledger *l, const char *path, uint64_t n)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	l->n = n;
	if (fd < 0 || ftruncate(fd, (off_t)(n * sizeof(*l->entries))) < 0)
		fault_die("cannot create %s: %m", path);
	map(l, path, fd);
}

void ledger_open(struct ledger *l, const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		fault_die("cannot open %s: %m", path);
	l->n = (uint64_t)st.st_size / sizeof(*l->entries);
	map(l, path, fd);
}
