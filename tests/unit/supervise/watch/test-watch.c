/* SPDX-License-Identifier: MIT */
/*
 * The part alone: its connections are socket pairs, its kernel is a struct kernel_ops of this test,
 * whose messages come over another pair, and the device's mark is a file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop-fixture.h"
#include "runtime/state.h"
#include "supervise/watch/watch.h"

struct fixture {
	struct kernel kernel;
	int kernel_fd[2]; /* the kernel's end is [1]: a byte is an enum kernel_event */
	struct attachment at;
	struct part_env env;
	struct watch *w;
	int server[2]; /* the other ends of the connections */

	/* The events of the part. */
	unsigned died, alive, gone, doubt, looked;
	bool quiet;
};

static int event_fd(const struct kernel *k)
{
	return ((const struct fixture *)k)->kernel_fd[0];
}

static enum kernel_event next_event(struct kernel *k, int index)
{
	unsigned char event;

	assert_int_equal(index, 4000);
	return read(((struct fixture *)k)->kernel_fd[0], &event, 1) == 1 ? event
									 : KERNEL_EVENT_NONE;
}

static void end(struct fixture *f)
{
	loop_stop(f->env.loop, 0);
}

static void died(unsigned alive, void *arg)
{
	struct fixture *f = arg;

	f->died++;
	f->alive = alive;
	end(f);
}

static void gone(void *arg)
{
	struct fixture *f = arg;

	f->gone++;
	end(f);
}

static void doubt(void *arg)
{
	struct fixture *f = arg;

	f->doubt++;
	end(f);
}

static void slept(uint64_t ms, void *arg)
{
	(void)arg;
	fail_msg("the machine slept for %u ms", (unsigned)ms);
}

static bool looked(bool quiet, void *arg)
{
	struct fixture *f = arg;

	f->looked++;
	f->quiet = quiet;
	end(f);
	return true;
}

static void changed(void *arg)
{
	(void)arg;
}

static int setup(void **state)
{
	static const struct kernel_ops ops = {
	    .name = "test", .event_fd = event_fd, .next_event = next_event};
	static const struct watch_events events = {.died = died,
						   .gone = gone,
						   .doubt = doubt,
						   .slept = slept,
						   .looked = looked,
						   .changed = changed};
	static const struct watch_config cfg = {.peer_timeout_ms = 10000};
	struct fixture *f = calloc(1, sizeof(*f));

	f->kernel.ops = &ops;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, f->kernel_fd), 0);
	attachment_init(&f->at, "here");
	f->at.index = 4000;
	f->at.mark = memfd_create("mark", MFD_CLOEXEC);
	assert_int_equal(write(f->at.mark, "1", 1), 1);
	f->env = (struct part_env){.loop = loop_new(), .kernel = &f->kernel, .at = &f->at};
	f->w = watch_new(&f->env, &cfg, &events, f);
	assert_non_null(f->w);
	assert_int_equal(watch_listen(f->w), 0);
	for (int i = 0; i < 2; i++) {
		int pair[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		assert_int_equal(links_add(watch_links(f->w), pair[0]), 0);
		f->server[i] = pair[1];
	}
	assert_int_equal(links_watch(watch_links(f->w)), 0);
	*state = f;
	return 0;
}

static void hang_up(struct fixture *f, int i)
{
	if (f->server[i] >= 0)
		close(f->server[i]);
	f->server[i] = -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	watch_free(f->w);
	loop_free(f->env.loop);
	attachment_close(&f->at);
	hang_up(f, 0);
	hang_up(f, 1);
	close(f->kernel_fd[0]);
	close(f->kernel_fd[1]);
	free(f);
	return 0;
}

static void lose_device(struct fixture *f)
{
	assert_int_equal(ftruncate(f->at.mark, 0), 0);
}

static void kernel_says(struct fixture *f, enum kernel_event event)
{
	unsigned char byte = (unsigned char)event;

	assert_int_equal(write(f->kernel_fd[1], &byte, 1), 1);
}

static void test_one_dies(void **state)
{
	struct fixture *f = *state;
	struct state r = {.index = 0};

	assert_string_equal(watch_cause(f->w), "");
	hang_up(f, 1);
	loop_run_until_stopped(f->env.loop);
	assert_int_equal(f->died, 1);
	assert_int_equal(f->alive, 1);
	assert_string_equal(watch_cause(f->w), "the server closed the connection");
	watch_report(f->w, &r);
	assert_int_equal(r.alive, 1);
	assert_int_equal(r.connections, 2);
	/* One connection is left, so a detach shows by itself: no further checks are needed. */
	loop_run_for(f->env.loop, 2500);
	assert_int_equal(f->died, 1);
}

/* Only this check notices that another program detaches a lost device. */
static void test_all_die(void **state)
{
	struct fixture *f = *state;

	hang_up(f, 0);
	hang_up(f, 1);
	loop_run_until_stopped(f->env.loop);
	assert_int_equal(f->alive, 0);
	lose_device(f);
	loop_run_until_stopped(f->env.loop);
	assert_int_equal(f->gone, 1);
}

/* Both look the same at first: the state a moment later counts. */
static void test_detached_by_another(void **state)
{
	struct fixture *f = *state;

	hang_up(f, 0);
	hang_up(f, 1);
	lose_device(f);
	loop_run_until_stopped(f->env.loop);
	assert_int_equal(f->gone, 1);
	assert_int_equal(f->died, 0);
}

static void test_look(void **state)
{
	struct fixture *f = *state;

	watch_look(f->w);
	assert_int_equal(f->died + f->gone, 0);
	lose_device(f);
	watch_look(f->w);
	assert_int_equal(f->gone, 1);
}

static void test_paused(void **state)
{
	struct fixture *f = *state;

	watch_pause(f->w);
	hang_up(f, 0);
	hang_up(f, 1);
	loop_run_for(f->env.loop, 300);
	watch_look(f->w);
	assert_int_equal(f->died, 0);
	/* Deaths are recorded nevertheless, and are reported when they count again. */
	assert_int_equal(links_alive(watch_links(f->w)), 0);
	watch_start(f->w, false);
	watch_look(f->w);
	assert_int_equal(f->died, 1);
}

static void test_kernel_speaks(void **state)
{
	struct fixture *f = *state;

	kernel_says(f, KERNEL_EVENT_OVERFLOW);
	loop_run_until_stopped(f->env.loop);
	assert_int_equal(f->doubt, 1);
	/* Our own descriptors are more reliable than the kernel's event. */
	kernel_says(f, KERNEL_EVENT_LINK_DEAD);
	loop_run_for(f->env.loop, 300);
	assert_int_equal(f->died, 0);
	assert_int_equal(links_alive(watch_links(f->w)), 2);
	/* It may also mean that the device was detached. */
	lose_device(f);
	kernel_says(f, KERNEL_EVENT_LINK_DEAD);
	loop_run_until_stopped(f->env.loop);
	assert_int_equal(f->gone, 1);
	watch_stop_listening(f->w);
	kernel_says(f, KERNEL_EVENT_OVERFLOW);
	loop_run_for(f->env.loop, 200);
	assert_int_equal(f->doubt, 1);
	watch_stop_listening(NULL);
}

/* Only the kernel's event shows the end of a connection that another supervisor made. */
static void test_taken_over(void **state)
{
	struct fixture *f = *state;
	struct links *l = watch_links(f->w);

	f->at.taken_over = true;
	links_clear(l);
	assert_int_equal(links_add_foreign(l, NULL), 0);
	links_expect(l, 1);
	kernel_says(f, KERNEL_EVENT_LINK_DEAD);
	loop_run_until_stopped(f->env.loop);
	assert_int_equal(f->died, 1);
	assert_int_equal(f->alive, 0);
}

static void test_looks(void **state)
{
	struct fixture *f = *state;
	uint64_t began = loop_now();

	watch_start(f->w, true);
	loop_run_until_stopped(f->env.loop);
	assert_true(f->quiet);
	loop_run_until_stopped(f->env.loop); /* a command waits, so the next check comes soon */
	assert_int_equal(f->looked, 2);
	assert_true(loop_now() - began >= 1900);
	watch_pause(f->w);
	loop_run_for(f->env.loop, 1500);
	assert_int_equal(f->looked, 2);
}

/* Without that knowledge the device does not count as clean. */
static void test_clean(void **state)
{
	struct fixture *f = *state;

	f->at.plan.flags = NBD_TX_SEND_FLUSH;
	watch_note_writes(f->w);
	assert_false(watch_is_clean(f->w));
	f->at.plan.flags |= NBD_TX_READ_ONLY;
	assert_true(watch_is_clean(f->w));
	f->at.plan.flags = 0;
	assert_true(watch_is_clean(f->w));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_one_dies, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_all_die, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_detached_by_another, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_look, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_paused, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_kernel_speaks, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_taken_over, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_looks, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_clean, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
