/* SPDX-License-Identifier: MIT */
/*
 * The part alone, for a device that does not exist, with a kernel that is a struct kernel_ops of
 * this test; test-adopt.c and the stub test what is taken over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <sys/mman.h>
#include <unistd.h>

#include "loop-fixture.h"
#include "kernel/kernel.h"
#include "rundir-fixture.h"
#include "supervise/attach/takeover.h"

struct fixture {
	struct kernel kernel;
	struct attachment at;
	struct given given;
	struct part_env env;
	struct links *links;
	struct takeover *t;
	unsigned changed, died, adopted, failed;
	struct err err;
};

static int change(struct kernel *k, const struct kernel_change *c, struct err *err)
{
	struct fixture *f = (struct fixture *)k;

	(void)c;
	(void)err;
	f->changed++;
	return 0;
}

static void died(unsigned alive, const char *why, void *arg)
{
	struct fixture *f = arg;

	(void)alive;
	(void)why;
	f->died++;
}

static int found(const struct takeover_found *what, struct err *err, void *arg)
{
	(void)what;
	(void)err;
	(void)arg;
	fail_msg("a device was found");
	return 0;
}

static void adopted(void *arg)
{
	((struct fixture *)arg)->adopted++;
}

static void failed(const struct err *err, void *arg)
{
	struct fixture *f = arg;

	f->failed++;
	f->err = *err;
	loop_stop(f->env.loop, 0);
}

static int setup(void **state)
{
	static const struct kernel_ops ops = {.name = "test", .change = change};
	static const struct takeover_events events = {
	    .found = found, .adopted = adopted, .failed = failed};
	struct fixture *f = calloc(1, sizeof(*f));
	struct takeover_config cfg = {.at = &f->at, .given = &f->given, .connections = 2};

	f->kernel.ops = &ops;
	attachment_init(&f->at, "here");
	f->at.index = 4000;
	f->at.mark = memfd_create("mark", MFD_CLOEXEC);
	assert_int_equal(write(f->at.mark, "1", 1), 1);
	f->env = (struct part_env){.loop = loop_new(), .kernel = &f->kernel, .at = &f->at};
	f->env.offload = offload_new(f->env.loop);
	f->links = links_new(f->env.loop, died, f);
	cfg.links = f->links;
	f->t = takeover_new(&f->env, &cfg, &events, f);
	assert_non_null(f->t);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	assert_true(offload_free(f->env.offload));
	takeover_free(f->t);
	links_free(f->links);
	loop_free(f->env.loop);
	attachment_close(&f->at);
	free(f);
	return 0;
}

static void test_no_device(void **state)
{
	struct fixture *f = *state;
	takeover_start(f->t, 77);
	assert_true(f->at.taken_over);
	assert_int_equal(f->failed, 0); /* not from inside */
	loop_run_until_stopped(f->env.loop);
	assert_int_equal(f->failed, 1);
	assert_int_equal(f->adopted, 0);
	assert_string_not_equal(f->err.message, "");
	assert_int_equal(f->changed, 0); /* the kernel's settings were not changed */
}

/* Only connections that cannot be examined need a probe. */
static void test_probe(void **state)
{
	struct fixture *f = *state;

	takeover_probe(NULL);
	takeover_probe(f->t);
	loop_run_for(f->env.loop, 100);
	assert_int_equal(f->changed, 0);
	assert_int_equal(links_add_foreign(f->links, NULL), 0);
	links_expect(f->links, 1);
	takeover_probe(f->t);
	takeover_probe(f->t); /* one at a time */
	loop_run_for(f->env.loop, 500);
	/* There is no probe if the kernel's log cannot be read. */
	assert_in_range(f->changed, 0, 1);
	/* Without a log record, no connection is dead. */
	assert_int_equal(f->died, 0);
	assert_int_equal(links_alive(f->links), 1);
}

/* The end of one opens the way for the next: the server may fall silent at any time. */
static void test_probes_one_after_the_other(void **state)
{
	struct fixture *f = *state;
	int first;

	assert_int_equal(links_add_foreign(f->links, NULL), 0);
	links_expect(f->links, 1);
	takeover_probe(f->t);
	loop_run_for(f->env.loop, 500);
	first = f->changed;
	takeover_probe(f->t);
	loop_run_for(f->env.loop, 500);
	assert_int_equal(f->changed, 2 * first);
}

/* A device that belongs to another program by now is not probed. */
static void test_probe_of_a_lost_device(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ftruncate(f->at.mark, 0), 0);
	assert_int_equal(links_add_foreign(f->links, NULL), 0);
	links_expect(f->links, 1);
	takeover_probe(f->t);
	loop_run_for(f->env.loop, 300);
	assert_int_equal(f->changed, 0);
	assert_int_equal(f->died, 0);
}

static void test_no_own_device(void **state)
{
	const struct own_wanted wanted = {
	    .identifier = "an export that no device of this machine is attached to"};
	struct fixture *f = *state;
	struct err err;

	f->at.index = -1;
	assert_int_equal(takeover_find_own(&f->at, &wanted, &err), 0);
	assert_int_equal(f->at.index, -1);
	assert_int_equal(f->at.device_lock, -1);
	takeover_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_no_device, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_probe, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_probes_one_after_the_other, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_probe_of_a_lost_device, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_no_own_device, setup, teardown),
	};

	return cmocka_run_group_tests(tests, rundir_make_own, rundir_remove_own);
}
