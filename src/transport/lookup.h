/* SPDX-License-Identifier: MIT */
/*
 * Looks a host name up, in a process of its own (resolve.h). Never blocks. There is no time limit:
 * the caller frees it, which ends the process.
 */
#ifndef TRANSPORT_LOOKUP_H
#define TRANSPORT_LOOKUP_H

#include "base/err.h"
#include "base/loop.h"
#include "transport/helpers.h"
#include "worker/resolve.h"

struct lookup;

/*
 * Called once, from the loop, never from lookup_new(). ret 0: the addresses, at least one.
 * -errno: *err as of resolve_answer_check(), or how the process ended. It may free the lookup.
 */
typedef void lookup_done_fn(int ret, const struct address_list *list, const struct err *err,
			    void *arg);

/* `host` is borrowed as long as the lookup lives. */
int lookup_new(struct loop *loop, struct helpers *helpers, const char *host, uint16_t port,
	       lookup_done_fn *done, void *arg, struct lookup **ret_lookup, struct err *err);
void lookup_free(struct lookup *l); /* accepts NULL */

#endif
