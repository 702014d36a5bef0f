/* SPDX-License-Identifier: MIT */
/*
 * Certificates and keys on their way to a worker. A process of their own reads the files with the
 * caller's rights, checks who else may, and puts them into sealed memory (memfd_create(2)), which
 * goes to the worker as a descriptor: this process holds it, but never reads it, and nothing here
 * parses what is in it. It is read again for each attempt, so that changed files are used; what was
 * read last serves when that fails or takes too long (the files may be on the very device that is
 * being reconnected). Nothing here blocks; everything runs on one loop.
 */
#ifndef TRANSPORT_TLS_FILES_H
#define TRANSPORT_TLS_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "endpoint/endpoint.h"

enum tls_file { TLS_FILE_CA, TLS_FILE_CRL, TLS_FILE_CERT, TLS_FILE_KEY, TLS_FILE_PSK, TLS_FILES };

#define TLS_PATH_SHOWN 256 /* bytes of a file's path in messages, with the NUL */

/* What the sealed memory begins with; the contents follow in the order of enum tls_file. */
struct tls_contents {
	uint32_t len[TLS_FILES];	      /* bytes; 0: there is no such file */
	char path[TLS_FILES][TLS_PATH_SHOWN]; /* for messages, cut off if need be; "": no file */
};

#define TLS_FILE_MAX (4U << 20) /* bytes; the usual bundle of all authorities has 0.2 MB */

struct tls_files;
struct helpers;

/* The endpoint and helpers, which start the process, are borrowed. NULL: no memory. */
struct tls_files *tls_files_new(struct loop *loop, struct helpers *helpers,
				const struct endpoint *endpoint);
void tls_files_free(struct tls_files *f); /* accepts NULL; before the helpers */

/* Reads the files, unless that is under way, or they are kept. */
void tls_files_refresh(struct tls_files *f);

/*
 * From now on what was read stays, locked in memory if possible: no process, no file. If nothing
 * was read yet, that is done first. Accepts NULL.
 */
void tls_files_keep(struct tls_files *f);

/*
 * Called once, from the loop or before tls_files_get() returns. ret 0: fd (borrowed) is the
 * sealed memory; else -errno with *err: USAGE (a file is missing, empty, or open to others, as its
 * directory may be), SYSTEM.
 */
typedef void tls_files_fn(int ret, int fd, const struct err *err, void *arg);

/* Embedded in who waits; zeroed at first. */
struct tls_wait {
	tls_files_fn *fn;
	void *arg;
	struct tls_wait *next, **link; /* link is NULL: not waiting */
};

void tls_files_get(struct tls_files *f, struct tls_wait *wait, tls_files_fn *fn, void *arg);
void tls_wait_cancel(struct tls_wait *wait);

#endif
