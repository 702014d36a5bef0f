/* SPDX-License-Identifier: MIT */
/*
 * Libraries that are loaded when they are needed. What every attach needs is linked; what only some
 * need (to read a URI, say) would cost each of them the time and the locked memory of loading it.
 */
#ifndef BASE_LIBRARY_H
#define BASE_LIBRARY_H

#include <stddef.h>

#include "base/err.h"

struct library_symbol {
	const char *name;
	void *address; /* of the function pointer that is to be set */
};

#define LIBRARY_SYMBOL(symbol, pointer)                 \
	{                                               \
		.name = (symbol), .address = &(pointer) \
	}

/*
 * Loads `soname`, which stays until the process ends, and sets the n pointers; a second call finds
 * it loaded. Opens files and so may block. Returns 0, or -ENOENT with an ERR_SYSTEM sentence if the
 * library is missing or lacks a symbol; some pointers may be set then.
 */
int library_load(const char *soname, const struct library_symbol *symbols, size_t n,
		 struct err *err);

#endif
