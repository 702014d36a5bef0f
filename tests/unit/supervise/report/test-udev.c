/* SPDX-License-Identifier: MIT */
/* The part alone, for a device that does not exist; guests test what reaches udev. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "supervise/report/udev.h"

#define LATE_MS 20000

struct fixture {
	struct attachment at;
	struct part_env env;
	unsigned told;
};

static void told(void *arg)
{
	struct fixture *f = arg;

	f->told++;
	loop_stop(f->env.loop, 0);
}

static const struct udev_events events = {.told = told};

static void late(void *arg)
{
	(void)arg;
	fail_msg("nothing was told");
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	attachment_init(&f->at, "here");
	f->at.index = 4000;
	f->env = (struct part_env){.loop = loop_new(), .at = &f->at};
	f->env.offload = offload_new(f->env.loop);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	assert_true(offload_free(f->env.offload));
	loop_free(f->env.loop);
	free(f);
	return 0;
}

/* The device may be detached by then: the wait must end nevertheless. */
static void test_told_once(void **state)
{
	struct fixture *f = *state;
	const struct udev_config cfg = {.name = "data"};
	struct udev *u = udev_new(&f->env, &cfg, false, &events, f);
	struct loop_timer *limit = loop_timer_new(f->env.loop, late, f);

	udev_tell(u, false);
	assert_int_equal(f->told, 0); /* not before the job is done */
	udev_tell(u, true);	      /* a later job reports it */
	loop_timer_set(limit, LATE_MS);
	loop_run(f->env.loop);
	assert_int_equal(f->told, 1);
	loop_timer_free(limit);
	udev_free(u);
}

/* With --swap nothing is done in an outage, and nothing waits for it. */
static void test_swap(void **state)
{
	struct fixture *f = *state;
	const struct udev_config cfg = {.swap = true};
	struct udev *u = udev_new(&f->env, &cfg, false, &events, f);

	udev_tell(u, true);
	udev_tell(u, true);
	assert_int_equal(f->told, 1);
	udev_free(u);
}

/* Only a service has a unit, and no child may send messages for it. */
static void test_unit(void **state)
{
	struct fixture *f = *state;
	const struct udev_config cfg = {.name = NULL};

	setenv("NBD_ATTACH_UNIT", "nbd-attach@data.service", 1);
	udev_free(udev_new(&f->env, &cfg, false, &events, f));
	assert_non_null(getenv("NBD_ATTACH_UNIT"));
	udev_free(udev_new(&f->env, &cfg, true, &events, f));
	assert_null(getenv("NBD_ATTACH_UNIT"));
}

static void test_null(void **state)
{
	(void)state;
	udev_tell(NULL, true);
	udev_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_told_once, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_swap, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_unit, setup, teardown),
	    cmocka_unit_test(test_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
