/* SPDX-License-Identifier: MIT */
/* transport/answer.c: what a worker may say depends on its job. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "worker/worker.h"

/* A job without TLS has nothing to tell of it. */
static void facts_without_tls(void **state)
{
	static const struct tls_facts lies[] = {
	    {.version = "TLS1.3"}, {.cipher = "AES-256-GCM"}, {.peer = "CN=bank.example"},
	    {.peer_expires = 1},   {.own_expires = 1},
	};
	const struct worker_expected plain = {.ready = true}, tls = {.ready = true, .tls = true};
	static struct worker_answer answer = {.type = WORKER_DONE};
	struct err err;

	(void)state;
	assert_int_equal(worker_answer_fits(&answer, &plain, &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		answer.tls = lies[i];
		assert_int_equal(worker_answer_fits(&answer, &plain, &err), -EPROTO);
		assert_int_equal(err.kind, ERR_PERMANENT);
		assert_int_equal(worker_answer_fits(&answer, &tls, &err), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(facts_without_tls),
	};

	return cmocka_run_group_tests_name("transport-answer-fits", tests, NULL, NULL);
}
