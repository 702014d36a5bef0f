/* SPDX-License-Identifier: MIT */
/* A long outage is reported at its times, with the users of the device, and a short one is not. */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

#include "supervise/report/alarm.h"

struct fixture {
	struct loop *loop;
	struct attachment at;
	struct part_env env;
	unsigned told;
	char users[ERR_MESSAGE_MAX];
};

static void due(const char *users, void *arg)
{
	struct fixture *f = arg;

	f->told++;
	snprintf(f->users, sizeof(f->users), "%s", users);
	loop_stop(f->loop, 0);
}

static const struct alarm_events events = {.due = due};

/* The times of the manual: 30 s, 2, 5 and 9 minutes after the beginning. */
static void test_times(void **state)
{
	static const uint64_t wanted[] = {30000, 120000, 300000, 540000};
	uint64_t at = 0;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		at += alarm_delay(i);
		assert_int_equal(at, wanted[i]);
	}
	assert_int_equal(alarm_delay(4), 0);
	assert_int_equal(alarm_delay(1000), 0);
}

/* A part that is off, and one without an outage. */
static void test_nothing(void **state)
{
	struct fixture f = {.loop = loop_new()};
	struct alarm *a;

	(void)state;
	alarm_begin(NULL);
	alarm_end(NULL);
	alarm_free(NULL);
	f.env = (struct part_env){.loop = f.loop, .at = &f.at};
	a = alarm_new(&f.env, true, &events, &f);
	assert_non_null(a);
	alarm_end(a);
	alarm_begin(a);
	alarm_begin(a);
	alarm_end(a);
	alarm_free(a);
	assert_int_equal(f.told, 0);
	loop_free(f.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_times),
	    cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
