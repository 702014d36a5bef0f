/* SPDX-License-Identifier: MIT */
/*
 * Memory that only one kind of process needs. All processes are the same program, and those that
 * are locked in memory would hold a static variable of this size in vain.
 */
#ifndef BASE_PAGES_H
#define BASE_PAGES_H

#include <stddef.h>
#include <sys/mman.h>

/* Zeroed, aligned to a page, and outside the heap; or NULL. */
static inline void *pages_new(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static inline void pages_free(void *p, size_t size)
{
	if (p)
		munmap(p, size);
}

#endif
