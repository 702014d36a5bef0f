/* SPDX-License-Identifier: MIT */
/* runtime/outage-mark.c, through state_read(). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "rundir-fixture.h"
#include "runtime/outage-mark.h"
#include "runtime/rundir.h"
#include "runtime/state.h"
#include "rundir-fixture.h"

/* With --swap the state file is that of before the outage, and the mark has what is different. */
static void an_outage_mark_corrects_the_state(void **unused)
{
	static struct state in, out;
	struct outage outage = {.attachment = 70, .now = true, .unproved = true};
	struct outage_mark *mark;
	struct err err;

	(void)unused;
	in = (struct state){
	    .index = 6, .attachment = 70, .alive = 2, .connections = 2, .serving = "nbd://b"};
	assert_int_equal(state_write(&in), 0);
	mark = outage_mark_new(6);
	assert_non_null(mark);
	assert_int_equal(state_read(6, &out, &err), 0);
	assert_int_equal(out.alive, 2);
	outage.unsettled = true;
	outage_mark_set(mark, &outage);
	assert_int_equal(state_read(6, &out, &err), 0);
	assert_int_equal(out.alive, 0);
	assert_true(out.unsettled);
	assert_true(out.unproved);
	assert_int_equal(out.outage_began_ms, 0);
	/* Also of a process that has ended. */
	outage.unproved = false;
	outage.since_ms = UINT64_MAX;
	outage.held = true;
	outage_mark_set(mark, &outage);
	outage_mark_free(mark);
	assert_int_equal(state_read(6, &out, &err), 0);
	assert_true(out.unsettled);
	assert_false(out.unproved);
	assert_true(out.outage_began_ms == UINT64_MAX);
	assert_true(out.outage_held);
	/* Another attachment, and no outage. */
	mark = outage_mark_new(6);
	assert_non_null(mark);
	outage.attachment = 71;
	outage_mark_set(mark, &outage);
	assert_int_equal(state_read(6, &out, &err), 0);
	assert_int_equal(out.alive, 2);
	assert_false(out.unsettled);
	outage = (struct outage){.attachment = 70, .unsettled = true};
	outage_mark_set(mark, &outage);
	assert_int_equal(state_read(6, &out, &err), 0);
	assert_false(out.unsettled);
	assert_string_equal(out.serving, "nbd://b");
	/* Another server is in use, and the state file could not be written. */
	outage.moved = true;
	outage_mark_set(mark, &outage);
	assert_int_equal(state_read(6, &out, &err), 0);
	assert_string_equal(out.serving, "unknown");
	outage_mark_free(mark);
	state_remove(6);
	assert_false(outage_mark_read(6, &outage));
}

/* An earlier version wrote neither the time nor the hold. */
static void a_mark_of_an_earlier_version(void **unused)
{
	struct rundir_path path = rundir_device(8, "outage");
	FILE *f = fopen(path.text, "we");
	struct outage outage;

	(void)unused;
	assert_non_null(f);
	fprintf(f, "%020d 1 0 1 0\n", 70);
	fclose(f);
	assert_true(outage_mark_read(8, &outage));
	assert_int_equal(outage.attachment, 70);
	assert_true(outage.now && outage.unproved);
	assert_int_equal(outage.since_ms, 0);
	assert_false(outage.held);
	outage_mark_remove(8);
}

/* --status needs no privilege, so that a strict umask must not hide it. */
static void everybody_may_read_it(void **unused)
{
	mode_t mask = umask(077);
	struct outage_mark *mark = outage_mark_new(7);
	struct stat st;

	(void)unused;
	umask(mask);
	assert_non_null(mark);
	outage_mark_free(mark);
	assert_int_equal(stat(rundir_device(7, "outage").text, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	outage_mark_remove(7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_outage_mark_corrects_the_state),
	    cmocka_unit_test(a_mark_of_an_earlier_version),
	    cmocka_unit_test(everybody_may_read_it),
	};

	return cmocka_run_group_tests(tests, rundir_make_own, rundir_remove_own);
}
