/* SPDX-License-Identifier: MIT */
/*
 * The process that asks for a name's addresses: unprivileged and confined as far as getaddrinfo()
 * and its NSS modules allow, it sends one message and exits. The parent checks its answer before
 * using it, because DNS answers are bytes from the network.
 */
#ifndef WORKER_RESOLVE_H
#define WORKER_RESOLVE_H

#include <stdint.h>

#include "base/err.h"
#include "base/process.h"
#include "endpoint/address.h"
#include "worker/sandbox.h"

/* Fills *ret_list with up to ADDRESSES_MAX addresses. 0 or an EAI_ code. May block for long. */
typedef int resolve_lookup_fn(const char *host, uint16_t port, struct address_list *ret_list);

resolve_lookup_fn resolve_lookup; /* getaddrinfo() */

#define RESOLVE_HOST_MAX 254 /* bytes, with the final 0; RFC 1035 section 2.3.4, as text */

/* What a resolver is started with. */
struct resolve_job {
	struct sandbox sandbox;
	char host[RESOLVE_HOST_MAX];
	uint16_t port;
};

struct resolve_answer {
	int32_t ret;	      /* 0, or -errno with err: the sandbox failed */
	int32_t eai;	      /* 0 or EAI_ code */
	int32_t system_errno; /* with EAI_SYSTEM */
	uint32_t n;
	struct address item[ADDRESSES_MAX];
	struct err err;
	int32_t forbidden; /* the first system call that the filter refused, plus 1; 0: none */
};

process_fn resolve_run; /* its setup is a struct resolve_job */

/* The same with another lookup, for tests. */
void resolve_serve(int fd, pid_t parent, const void *setup, size_t len, resolve_lookup_fn *lookup);

/*
 * Gives the addresses of a correct answer, without duplicates, families in turns. -errno with
 * *err: the lookup failed (RETRY: names come back when DNS does), the process could not be
 * confined (SYSTEM), or lied (PERMANENT). `host` is for the sentence.
 */
int resolve_answer_check(const struct resolve_answer *a, const char *host, uint16_t port,
			 struct address_list *ret_list, struct err *err);

#endif
