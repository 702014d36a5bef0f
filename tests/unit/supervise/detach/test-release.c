/* SPDX-License-Identifier: MIT */
/* supervise/detach/release.c: the kernel blocks the helper thread. */
#include "transport-fixture.h"

#include <sys/eventfd.h>

#include "supervise/detach/release.h"

#define NO_DEVICE 1048575

static struct loop *loop;
static struct offload *offload;
static struct release *under_test;
static int gate;
static unsigned jobs_done;

static struct {
	unsigned called;
	int ret;
	struct err err;
	uint64_t at;
} got;

/* Simulates a call into the kernel that does not return. */
static void hang(void *arg)
{
	uint64_t value;

	(void)arg;
	(void)!read(gate, &value, sizeof(value));
}

static void hung(void *arg)
{
	(void)arg;
	jobs_done++;
}

static void let_return(void)
{
	const uint64_t one = 1;

	assert_int_equal(write(gate, &one, sizeof(one)), sizeof(one));
}

static void on_released(int ret, const struct err *err, void *arg)
{
	assert_ptr_equal(arg, &got);
	got.called++;
	got.ret = ret;
	got.err = *err;
	got.at = loop_now();
	release_free(under_test);
}

static int setup(void **state)
{
	(void)state;
	memset(&got, 0, sizeof(got));
	jobs_done = 0;
	gate = eventfd(0, EFD_CLOEXEC);
	loop = loop_new();
	offload = offload_new(loop);
	return offload_start(offload);
}

static int teardown(void **state)
{
	(void)state;
	assert_true(offload_free(offload));
	loop_free(loop);
	close(gate);
	return 0;
}

static void begin(bool force)
{
	const struct release_config cfg = {
	    .index = NO_DEVICE, .mark = -1, .offload = offload, .force = force};

	under_test = release_new(loop, &cfg, on_released, &got);
	assert_non_null(under_test);
}

/* --- a kernel that records requests, and takes as long as the test wants ------------ */

static unsigned detached;

static int fake_detach(struct kernel *k, int index, struct err *err)
{
	(void)k;
	(void)err;
	assert_int_equal(index, NO_DEVICE);
	hang(NULL);
	detached++;
	return 0;
}

static const struct kernel_ops fake_ops = {.name = "netlink", .detach = fake_detach};
static struct kernel fake = {.ops = &fake_ops};

static struct {
	unsigned called, late;
	struct err err;
} told;

static void on_told(int ret, const struct err *err, void *arg)
{
	assert_ptr_equal(arg, &told);
	if (ret == -EINPROGRESS) {
		told.late++;
		told.err = *err;
		return;
	}
	told.called++;
	release_free(under_test);
}

static void begin_prepared(void)
{
	const struct release_config cfg = {.index = NO_DEVICE,
					   .mark = -1,
					   .kernel = &fake,
					   .offload = offload,
					   .force = true,
					   .prepared = true};

	memset(&told, 0, sizeof(told));
	detached = 0;
	under_test = release_new(loop, &cfg, on_told, &told);
	assert_non_null(under_test);
}

/* If it is given up before the disconnect has begun, the disconnect does not happen. */
static void what_is_given_up_does_not_happen(void **state)
{
	(void)state;
	assert_int_equal(offload_run(offload, hang, hung, NULL), 0);
	begin_prepared();
	loop_run_for(loop, 2000);
	assert_int_equal(told.called, 1);
	assert_int_equal(told.late, 0);
	let_return();
	loop_run_for(loop, 200);
	assert_int_equal(jobs_done, 1);
	assert_int_equal(detached, 0);
}

/* A disconnect that has begun cannot be cancelled: callers are told, and its end is reported. */
static void what_has_begun_happens(void **state)
{
	(void)state;
	begin_prepared();
	loop_run_for(loop, 2500);
	assert_int_equal(told.called, 0);
	assert_int_equal(told.late, 1);
	assert_non_null(strstr(told.err.message, "as soon as"));
	let_return();
	loop_run_for(loop, 500);
	assert_int_equal(detached, 1);
	assert_int_equal(told.late, 1);
	assert_int_equal(told.called, 1);
}

/* Two seconds are what the manual promises for --detach --force. */
static void force_does_not_wait_for_the_thread(void **state)
{
	uint64_t start = loop_now();

	(void)state;
	assert_int_equal(offload_run(offload, hang, hung, NULL), 0);
	begin(true);
	loop_run_for(loop, 2500);
	assert_int_equal(got.called, 1);
	assert_int_equal(got.ret, -ETIMEDOUT);
	assert_int_equal(got.err.kind, ERR_FAILED);
	assert_in_range(got.at - start, 1000, 2000);
	/* The thread returns: a release that was given up is not carried out, and leaks nothing. */
	let_return();
	loop_run_for(loop, 300);
	assert_int_equal(jobs_done, 1);
	assert_int_equal(got.called, 1);
}

/* A busy machine may take its time. */
static void await_jobs(unsigned n)
{
	for (int i = 0; i < 500 && (unsigned)jobs_done < n; i++)
		loop_run_for(loop, 10);
	assert_int_equal(jobs_done, n);
}

static void a_full_queue_is_an_answer(void **state)
{
	(void)state;
	for (int i = 0; i < OFFLOAD_JOBS; i++)
		assert_int_equal(offload_run(offload, hang, hung, NULL), 0);
	begin(true);
	loop_run_for(loop, 200);
	assert_int_equal(got.called, 1);
	assert_int_equal(got.err.kind, ERR_BUSY);
	for (unsigned i = 0; i < OFFLOAD_JOBS; i++) {
		let_return();
		await_jobs(i + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(force_does_not_wait_for_the_thread, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_full_queue_is_an_answer, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_is_given_up_does_not_happen, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_has_begun_happens, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
