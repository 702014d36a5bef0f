/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "supervise/timeouts.h"

static void test_dead(void **state)
{
	struct supervisor_config cfg = {.reconnect = true, .dead_timeout_s = 77};

	(void)state;
	assert_int_equal(timeouts_dead(&cfg), 77);
	/* The driver multiplies it, so "forever" is only a long time. */
	cfg.dead_timeout_s = SUPERVISOR_FOREVER;
	assert_in_range(timeouts_dead(&cfg), 86400, INT32_MAX);
	cfg.reconnect = false;
	assert_int_equal(timeouts_dead(&cfg), 0);
}

/* The kernel's own limit must not end the wait of a device on hold. */
static void test_kernel(void **state)
{
	struct supervisor_config cfg = {.reconnect = true, .dead_timeout_s = 77};

	(void)state;
	assert_int_equal(timeouts_kernel(&cfg), 77);
	cfg.same_content = 65536;
	assert_int_equal(timeouts_kernel(&cfg), 77);
	cfg.same_content = IDS_SAMPLE;
	assert_in_range(timeouts_kernel(&cfg), 86400, INT32_MAX);
	assert_int_equal(timeouts_dead(&cfg), 77);
	cfg.reconnect = false;
	assert_int_equal(timeouts_kernel(&cfg), 0);
}

/*
 * With one connection, requests that were in flight at its death are sent again at the next check.
 */
static void test_io(void **state)
{
	struct supervisor_config cfg = {.io_timeout_ms = 2000};

	(void)state;
	assert_int_equal(timeouts_io(&cfg, 1), 2000);
	assert_int_equal(timeouts_resent(&cfg), 4000);
	assert_int_equal(timeouts_io(&cfg, 2), 30000);
	cfg.timeout = 5;
	assert_int_equal(timeouts_io(&cfg, 1), 5000);
	assert_int_equal(timeouts_io(&cfg, 2), 5000);
}

/* With a short dead timeout, and where nothing waits for the server, requests fail soon. */
static void test_io_of_its_own(void **state)
{
	struct supervisor_config cfg = {.reconnect = true, .dead_timeout_s = 600};

	(void)state;
	assert_int_equal(timeouts_io(&cfg, 1), 10000);
	assert_int_equal(timeouts_resent(&cfg), 12000);
	cfg.dead_timeout_s = SUPERVISOR_FOREVER;
	assert_int_equal(timeouts_io(&cfg, 1), 10000);
	cfg.dead_timeout_s = 30;
	assert_int_equal(timeouts_io(&cfg, 1), 3000);
	cfg.dead_timeout_s = 0;
	assert_int_equal(timeouts_io(&cfg, 1), 1000);
	cfg.dead_timeout_s = 600;
	cfg.reconnect = false;
	assert_int_equal(timeouts_io(&cfg, 1), 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_dead),
	    cmocka_unit_test(test_kernel),
	    cmocka_unit_test(test_io),
	    cmocka_unit_test(test_io_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
