/* SPDX-License-Identifier: MIT */
/* uriparser, loaded by the first URI: positional arguments and supervisors do without it. */
#ifndef ENDPOINT_URI_LIBRARY_H
#define ENDPOINT_URI_LIBRARY_H

#include <uriparser/Uri.h>

#include "base/err.h"

struct uri_library {
	__typeof__(&uriParseSingleUriA) parse;
	__typeof__(&uriFreeUriMembersA) free_members;
	__typeof__(&uriUnescapeInPlaceExA) unescape;
};

/* May block on files. 0, or -ENOENT with an ERR_SYSTEM sentence. */
int uri_library_load(struct uri_library *ret_library, struct err *err);

#endif
