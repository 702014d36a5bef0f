/* SPDX-License-Identifier: MIT */
/* base/offload.c: the helper thread and its queue. */
#include "transport-fixture.h"

#include <pthread.h>

#include "base/offload.h"

static struct loop *loop;
static struct offload *offload;
static pthread_t loop_thread;

/* Jobs record their letters; the queue keeps their order, and the loop's thread calls done(). */
static char worked[64], done[64];

struct job {
	char letter;
	unsigned ms;		  /* duration of work() */
	int *gate;		  /* work() waits until this can be read; NULL: it does not wait */
	const struct job *follow; /* started by done(); NULL: none */
};

static void append(char *list, char letter)
{
	size_t len = strlen(list);

	assert_true(len + 1 < sizeof(worked));
	list[len] = letter;
}

static void work(void *arg)
{
	const struct job *job = arg;
	char byte;

	assert_false(pthread_equal(pthread_self(), loop_thread));
	if (job->gate)
		(void)!read(*job->gate, &byte, 1);
	usleep(job->ms * 1000);
	append(worked, job->letter);
}

static void finished(void *arg)
{
	const struct job *job = arg;

	assert_true(pthread_equal(pthread_self(), loop_thread));
	assert_non_null(strchr(worked, job->letter));
	append(done, job->letter);
	if (job->follow)
		assert_int_equal(
		    offload_run(offload, work, finished, (void *)(uintptr_t)job->follow), 0);
}

static int run(const struct job *job)
{
	return offload_run(offload, work, finished, (void *)(uintptr_t)job);
}

static void await(const char *want)
{
	for (int i = 0; i < 500 && strlen(done) < strlen(want); i++)
		loop_run_for(loop, 10);
	assert_string_equal(done, want);
	assert_string_equal(worked, want);
}

static int setup(void **state)
{
	(void)state;
	memset(worked, 0, sizeof(worked));
	memset(done, 0, sizeof(done));
	loop_thread = pthread_self();
	loop = loop_new();
	offload = offload_new(loop);
	return loop && offload ? offload_start(offload) : -1;
}

static int teardown(void **state)
{
	(void)state;
	assert_true(offload_free(offload));
	loop_free(loop);
	return 0;
}

static void jobs_are_done_in_order(void **state)
{
	/* The first ones take longest. */
	static const struct job jobs[] = {{.letter = 'a', .ms = 40},
					  {.letter = 'b', .ms = 20},
					  {.letter = 'c'},
					  {.letter = 'd', .ms = 10},
					  {.letter = 'e'}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(jobs); i++)
		assert_int_equal(run(&jobs[i]), 0);
	assert_string_equal(done, "");
	await("abcde");
}

static void done_may_give_a_job(void **state)
{
	static const struct job c = {.letter = 'c'}, b = {.letter = 'b', .follow = &c},
				a = {.letter = 'a', .ms = 5, .follow = &b},
				x = {.letter = 'x', .ms = 5};

	(void)state;
	assert_int_equal(run(&a), 0);
	assert_int_equal(run(&x), 0);
	await("axbc");
}

/* The ring wraps many times. */
static void there_is_no_end_of_jobs(void **state)
{
	static const struct job job = {.letter = 'j'};

	(void)state;
	for (int round = 0; round < 20; round++) {
		memset(worked, 0, sizeof(worked));
		memset(done, 0, sizeof(done));
		for (int i = 0; i < round % OFFLOAD_JOBS + 1; i++)
			assert_int_equal(run(&job), 0);
		await(&"jjjjjjjj"[OFFLOAD_JOBS - 1 - round % OFFLOAD_JOBS]);
	}
}

static void a_full_queue_is_busy(void **state)
{
	int gate[2];
	struct job first = {.letter = 'f', .gate = &gate[0]};
	static const struct job job = {.letter = 'j'};

	(void)state;
	assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
	assert_int_equal(run(&first), 0);
	for (int i = 1; i < OFFLOAD_JOBS; i++)
		assert_int_equal(run(&job), 0);
	assert_int_equal(run(&job), -EBUSY);
	assert_int_equal(write(gate[1], "x", 1), 1);
	/* A slot is free only when the loop has handled it, so that done() gets the right job. */
	for (int i = 0; i < 500 && strlen(worked) < OFFLOAD_JOBS; i++)
		usleep(10000);
	assert_int_equal(run(&job), -EBUSY);
	await("fjjjjjjj");
	assert_int_equal(run(&job), 0);
	await("fjjjjjjjj");
	close(gate[0]);
	close(gate[1]);
}

static void signals_stay_with_the_loop(void *arg)
{
	pthread_sigmask(SIG_BLOCK, NULL, arg);
}

static void nothing(void *arg)
{
	(void)arg;
	append(done, 's');
	append(worked, 's');
}

static void the_thread_has_signals_blocked(void **state)
{
	sigset_t mask;

	(void)state;
	sigemptyset(&mask);
	assert_int_equal(offload_run(offload, signals_stay_with_the_loop, nothing, &mask), 0);
	await("s");
	assert_true(sigismember(&mask, SIGTERM));
	assert_true(sigismember(&mask, SIGCHLD));
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	assert_false(sigismember(&mask, SIGTERM));
}

static void here(void *arg)
{
	assert_true(pthread_equal(pthread_self(), loop_thread));
	append(worked, *(const char *)arg);
}

static void here_done(void *arg)
{
	append(done, *(const char *)arg);
}

/* Before a device exists, a job may block the loop; even then the loop calls done(). */
static void without_a_thread_jobs_are_done_at_once(void **state)
{
	static char letters[] = "aaaaaaaab";
	static const struct job job = {.letter = 'j'};

	(void)state;
	assert_true(offload_free(offload));
	offload = offload_new(loop);
	assert_non_null(offload);
	for (int i = 0; i < OFFLOAD_JOBS; i++)
		assert_int_equal(offload_run(offload, here, here_done, &letters[i]), 0);
	assert_int_equal(offload_run(offload, here, here_done, &letters[8]), -EBUSY);
	assert_string_equal(worked, "aaaaaaaa");
	assert_string_equal(done, "");
	await("aaaaaaaa");
	assert_int_equal(offload_start(offload), 0);
	assert_int_equal(offload_start(offload), 0); /* it runs */
	assert_int_equal(run(&job), 0);
	await("aaaaaaaaj");

	/* A thread that was never started can be ended, too. */
	assert_true(offload_free(offload));
	offload = offload_new(loop);
	assert_int_equal(offload_run(offload, here, here_done, &letters[8]), 0);
}

static void it_ends_with_jobs_not_reported(void **state)
{
	static const struct job job = {.letter = 'j'};

	(void)state;
	assert_true(offload_free(NULL));
	assert_int_equal(run(&job), 0);
	for (int i = 0; i < 500 && !worked[0]; i++)
		usleep(10000);
	usleep(500000); /* the thread waits again, on a busy machine, too */
	assert_true(offload_free(offload));
	assert_string_equal(done, "");
	offload = offload_new(loop);
	assert_non_null(offload);
}

/* For leak checkers: a reference is left. */
static struct offload *volatile left;

/* Like a job that blocks in the kernel: its thread and memory are not freed. */
static void a_blocked_job_is_left_alone(void **state)
{
	static int gate[2];
	static const struct job blocked = {.letter = 'b', .gate = &gate[0]},
				waiting = {.letter = 'w'};
	uint64_t start = loop_now();

	(void)state;
	assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
	assert_int_equal(run(&blocked), 0);
	assert_int_equal(run(&waiting), 0);
	loop_run_for(loop, 20);
	left = offload;
	assert_false(offload_free(left));
	assert_in_range(loop_now() - start, 0, 2000);
	/* When the kernel returns, no further job begins, and done() is not called. */
	assert_int_equal(write(gate[1], "x", 1), 1);
	for (int i = 0; i < 500 && !worked[0]; i++)
		usleep(10000);
	usleep(500000);
	assert_string_equal(worked, "b");
	assert_string_equal(done, "");
	offload = offload_new(loop);
	assert_non_null(offload);
}

#define WITH_OFFLOAD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_OFFLOAD(jobs_are_done_in_order),
	    WITH_OFFLOAD(done_may_give_a_job),
	    WITH_OFFLOAD(there_is_no_end_of_jobs),
	    WITH_OFFLOAD(a_full_queue_is_busy),
	    WITH_OFFLOAD(the_thread_has_signals_blocked),
	    WITH_OFFLOAD(without_a_thread_jobs_are_done_at_once),
	    WITH_OFFLOAD(it_ends_with_jobs_not_reported),
	    WITH_OFFLOAD(a_blocked_job_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
