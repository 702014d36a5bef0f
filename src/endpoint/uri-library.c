/* SPDX-License-Identifier: MIT */
#include "endpoint/uri-library.h"

#include "base/cleanup.h"
#include "base/library.h"

#define SONAME "liburiparser.so.1"

LIBRARY_NOTE(SONAME, "uri", "NBD URIs");

int uri_library_load(struct uri_library *ret_library, struct err *err)
{
	struct uri_library library;
	const struct library_symbol symbols[] = {
	    LIBRARY_SYMBOL("uriParseSingleUriA", library.parse),
	    LIBRARY_SYMBOL("uriFreeUriMembersA", library.free_members),
	    LIBRARY_SYMBOL("uriUnescapeInPlaceExA", library.unescape),
	};
	int ret = library_load(SONAME, symbols, ARRAY_SIZE(symbols), err);

	if (ret == 0)
		*ret_library = library;
	return ret;
}
