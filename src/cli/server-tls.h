/* SPDX-License-Identifier: MIT */
/*
 * The options of TLS put into the endpoint, beside what a URI may have said, and a check that
 * everything TLS needs is given: leaving an option out never leads to an unverified or unencrypted
 * connection. Never blocks; no file is looked at.
 */
#ifndef CLI_SERVER_TLS_H
#define CLI_SERVER_TLS_H

#include "base/err.h"
#include "cli/options.h"
#include "endpoint/endpoint.h"

/*
 * Moves the texts of *t into *e, sets e->tls_type, and checks. 0, or -EINVAL with an ERR_USAGE
 * sentence that names what is missing or contradicts something else.
 */
int options_tls_apply(struct options_tls *t, struct endpoint *e, struct err *err);

/*
 * The same for a further server: copies of the texts that *e does not have itself, of those that
 * go with its kind of TLS.
 */
int options_tls_share(const struct options_tls *t, struct endpoint *e, struct err *err);

void options_tls_done(struct options_tls *t);

#endif
