/* SPDX-License-Identifier: MIT */
#include "endpoint/uri-library.h"

#include "base/cleanup.h"
#include "base/library.h"
#include "base/sonames.h"

LIBRARY_NOTE(SONAME_URIPARSER, "uri", "NBD URIs");

int uri_library_load(struct uri_library *ret_library, struct err *err)
{
	struct uri_library library;
	const struct library_symbol symbols[] = {
	    LIBRARY_SYMBOL("uriParseSingleUriA", library.parse),
	    LIBRARY_SYMBOL("uriFreeUriMembersA", library.free_members),
	    LIBRARY_SYMBOL("uriUnescapeInPlaceExA", library.unescape),
	};
	int ret = library_load(SONAME_URIPARSER, symbols, ARRAY_SIZE(symbols), err);

	if (ret == 0)
		*ret_library = library;
	return ret;
}
