/* SPDX-License-Identifier: MIT */
#include "base/library.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

static int missing(const char *soname, struct err *err)
{
	const char *reason = dlerror();

	return err_set(err, ERR_SYSTEM, ENOENT, "cannot load the library %s: %s", soname,
		       reason ? reason : "unknown reason");
}

int library_load(const char *soname, const struct library_symbol *symbols, size_t n,
		 struct err *err)
{
	void *library = dlopen(soname, RTLD_NOW | RTLD_LOCAL);

	if (!library)
		return missing(soname, err);
	for (size_t i = 0; i < n; i++) {
		void *symbol = dlsym(library, symbols[i].name);

		if (!symbol)
			return missing(soname, err);
		/* POSIX's way from an object pointer to a function pointer. */
		memcpy(symbols[i].address, &symbol, sizeof(symbol));
	}
	return 0;
}
