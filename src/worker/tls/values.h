/* SPDX-License-Identifier: MIT */
/*
 * The values about a TLS session that cross a process boundary: plain values, no pointers. Nothing
 * here knows GnuTLS.
 */
#ifndef WORKER_TLS_VALUES_H
#define WORKER_TLS_VALUES_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "endpoint/endpoint.h"

#define TLS_HOSTNAME_MAX 256
#define TLS_USERNAME_MAX 256
#define TLS_PRIORITY_MAX 1024

/* The parent's request: plain values, which cross the process boundary as bytes. */
struct tls_job {
	bool on;
	bool verify;
	bool offload;			 /* into the kernel, when the handshake is over */
	bool only_tls12;		 /* see tls_handshake() */
	uint32_t type;			 /* enum endpoint_tls_type, not UNSET */
	char hostname[TLS_HOSTNAME_MAX]; /* "": none */
	char username[TLS_USERNAME_MAX];
	char priority[TLS_PRIORITY_MAX]; /* "": ours */
};

/* The last second that a certificate can name (9999-12-31), since 1970. */
#define TLS_EXPIRES_MAX INT64_C(253402300799)

/* The result, for people: plain values as well. */
struct tls_facts {
	char version[16]; /* "TLS1.3"; "": no TLS */
	char cipher[32];
	char peer[256];	      /* the subject of its certificate; "" without one */
	int64_t peer_expires; /* seconds since 1970, to TLS_EXPIRES_MAX; 0: no certificate */
	int64_t own_expires;
};

/* Fills a job from the user's options. 0, or -ENAMETOOLONG with *err (USAGE). */
int tls_job_fill(struct tls_job *ret_job, const struct endpoint *e, struct err *err);

#define TLS_RENEWS_KEYS ENOKEY /* tls_handshake() returns it for nothing else */

#define TLS_NOT_IN_KERNEL EPROTONOSUPPORT /* tls_offload() likewise */

#endif
