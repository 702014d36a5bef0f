/* SPDX-License-Identifier: MIT */
/* Code that --list and --info share: makes one attempt and waits for its end. */
#ifndef VERBS_PROBE_H
#define VERBS_PROBE_H

#include "cli/options.h"
#include "transport/attempt.h"

struct probe_answer {
	struct nbd_export export; /* of INFO */
	char address[256];	  /* the server's, as for people */
	struct tls_facts tls;
};

/*
 * Blocks at most --connect-timeout. Returns 0 with *ret_answer, or the exit status with *ret_err,
 * the error being logged. `listed` and its argument as in attempt_new(), NULL for INFO.
 */
int probe(const struct options *o, enum nego_goal goal, attempt_listed_fn *listed, void *arg,
	  struct probe_answer *ret_answer, struct err *ret_err);

/* Warns if TLS is used without verifying the server. */
void probe_warn(const struct options *o);

/* Warns of a certificate that has expired or expires soon. */
void probe_warn_of_expiry(const struct tls_facts *tls);

#endif
