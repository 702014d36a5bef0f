/* SPDX-License-Identifier: MIT */
/* One export, described for people and for programs. Prints; blocks only as the stream does. */
#ifndef VERBS_EXPORT_H
#define VERBS_EXPORT_H

#include "nbd/export.h"
#include "base/json.h"
#include "endpoint/endpoint.h"
#include "worker/tls/values.h"

struct export_view {
	const struct nbd_export *export; /* NULL: it could not be described */
	const char *name;		 /* as it was asked for, or as the server calls it */
	const char *description;	 /* "": none */
	const struct endpoint *endpoint; /* where it is: its URI and whether there is TLS */
	bool passing;			 /* the server ends with us, so its URI is of no use */
	const char *server;		 /* the address that answered */
	const struct tls_facts *tls;	 /* the session's, version "" without TLS */
};

/* On a terminal in bold what leads a paragraph, unless NO_COLOR or TERM=dumb is set. */
void export_print(const struct export_view *v, FILE *out);

/* The members of the object that is open; the man page's JSON section says which. */
void export_json(const struct export_view *v, struct json *j);

/* "oldstyle", "newstyle" or "newstyle-fixed" */
const char *export_style(enum nbd_style style);

#endif
