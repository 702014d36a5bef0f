/* SPDX-License-Identifier: MIT */
/*
 * --failover and what belongs to it: further servers of the same export, as endpoints beside the
 * first one's. Never blocks.
 */
#ifndef CLI_SERVER_FAILOVER_H
#define CLI_SERVER_FAILOVER_H

#include "base/err.h"
#include "cli/options.h"

/*
 * In two steps, before and after o->endpoint is made and moves the texts of o->tls into it. First
 * the targets take over the options of TLS that they do not have themselves; then what they are
 * together with the first server is checked. 0, or -errno with an ERR_USAGE sentence.
 */
int failover_share(struct options *o, struct err *err);
int failover_check(const struct options *o, struct err *err);

void failover_done(struct options *o);

#endif
