/* SPDX-License-Identifier: MIT */
/*
 * The part alone, for a device that does not exist, with a kernel that is a struct kernel_ops of
 * this test. Guests and the stub test how users are found and data is flushed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop-fixture.h"
#include "kernel/kernel.h"
#include "rundir-fixture.h"
#include "supervise/detach/detach.h"

struct fixture {
	struct kernel kernel;
	struct attachment at;
	struct part_env env;
	struct links *links;
	struct detach *d;
	int refuses; /* the kernel's answer */
	unsigned disconnected, released, kept, late;
	bool marked; /* udev's file was there when the kernel was asked */
	bool fails_io;
	struct err err;
};

/* That of udev, which shows that the device is attached. */
static const char *mark_path(void)
{
	static char text[128];

	snprintf(text, sizeof(text), "%s/nbd4000.77.udev", dir);
	return text;
}

static int kernel_detaches(struct kernel *k, int index, struct err *err)
{
	struct fixture *f = (struct fixture *)k;

	assert_int_equal(index, 4000);
	f->disconnected++;
	f->marked = access(mark_path(), F_OK) == 0;
	return f->refuses ? err_set(err, ERR_FAILED, f->refuses, "the kernel refuses") : 0;
}

static int change(struct kernel *k, const struct kernel_change *c, struct err *err)
{
	(void)k;
	(void)c;
	(void)err;
	return 0;
}

static void link_died(unsigned alive, const char *why, void *arg)
{
	(void)alive;
	(void)why;
	loop_stop(((struct fixture *)arg)->env.loop, 0);
}

static void released(const struct err *err, void *arg)
{
	struct fixture *f = arg;

	f->released++;
	f->err = *err;
	loop_stop(f->env.loop, 0);
}

static void kept(const struct err *err, bool fails_io, void *arg)
{
	struct fixture *f = arg;

	f->kept++;
	f->err = *err;
	f->fails_io = fails_io;
	loop_stop(f->env.loop, 0);
}

static void late(const struct err *err, void *arg)
{
	(void)err;
	((struct fixture *)arg)->late++;
}

static int setup(void **state)
{
	static const struct kernel_ops ops = {
	    .name = "test", .detach = kernel_detaches, .change = change};
	static const struct detach_events events = {
	    .released = released, .kept = kept, .late = late};
	struct fixture *f = calloc(1, sizeof(*f));

	f->kernel.ops = &ops;
	attachment_init(&f->at, "here");
	f->at.index = 4000;
	f->at.mark = memfd_create("mark", MFD_CLOEXEC);
	assert_int_equal(write(f->at.mark, "1", 1), 1);
	f->env = (struct part_env){.loop = loop_new(), .kernel = &f->kernel, .at = &f->at};
	f->env.offload = offload_new(f->env.loop);
	assert_int_equal(offload_start(f->env.offload), 0);
	f->links = links_new(f->env.loop, link_died, f);
	f->d = detach_new(&f->env, f->links, &events, f);
	assert_non_null(f->d);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	detach_free(f->d);
	assert_true(offload_free(f->env.offload));
	links_free(f->links);
	loop_free(f->env.loop);
	attachment_close(&f->at);
	free(f);
	return 0;
}

/* A caller that has looked and flushed waits only for the disconnect. */
static const struct detach_wish prepared = {.force = true, .prepared = true};

static void add_link(struct fixture *f, int *ret_server)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(links_add(f->links, pair[0]), 0);
	assert_int_equal(links_watch(f->links), 0);
	*ret_server = pair[1];
}

static void test_released(void **state)
{
	struct fixture *f = *state;
	int server;

	close(open(mark_path(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	add_link(f, &server);
	detach_start(f->d, &prepared);
	assert_int_equal(f->released, 0); /* not from inside */
	loop_run_until_stopped(f->env.loop);
	assert_int_equal(f->released, 1);
	assert_string_equal(f->err.message, "");
	assert_int_equal(f->disconnected, 1);
	/* Or udev would take it for the work of another program, and have it attached again. */
	assert_false(f->marked);
	assert_int_equal(access(mark_path(), F_OK), -1);
	close(server);
}

/* While a connection lives, its I/O was not changed. After that the detach can be repeated. */
static void test_refused(void **state)
{
	struct fixture *f = *state;
	int server;

	add_link(f, &server);
	f->refuses = EBUSY;
	detach_start(f->d, &prepared);
	loop_run_until_stopped(f->env.loop);
	assert_int_equal(f->kept, 1);
	assert_false(f->fails_io);
	assert_string_equal(f->err.message, "the kernel refuses");
	f->refuses = 0;
	detach_start(f->d, &prepared);
	loop_run_until_stopped(f->env.loop);
	assert_int_equal(f->released, 1);
	close(server);
}

/* For a lost device, waiting requests are failed first, with other timeouts. */
static void test_refused_when_lost(void **state)
{
	struct fixture *f = *state;
	int server;

	add_link(f, &server);
	close(server);
	loop_run_until_stopped(f->env.loop);
	f->refuses = EBUSY;
	detach_start(f->d, &prepared);
	loop_run_until_stopped(f->env.loop);
	assert_int_equal(f->kept, 1);
	assert_true(f->fails_io);
}

/* By now the device belongs to another program, and is left alone. */
static void test_detached_by_another(void **state)
{
	struct fixture *f = *state;
	int server;

	add_link(f, &server);
	assert_int_equal(ftruncate(f->at.mark, 0), 0);
	detach_start(f->d, &prepared);
	loop_run_until_stopped(f->env.loop);
	assert_int_equal(f->released, 1);
	assert_string_equal(f->err.message, "another program had detached it");
	assert_int_equal(f->disconnected, 0);
	close(server);
}

/* A device whose users cannot be examined may be in use. */
static void test_in_doubt(void **state)
{
	struct fixture *f = *state;
	const struct detach_wish cautious = {.cautious = true};
	int server;

	add_link(f, &server);
	detach_start(f->d, &cautious);
	loop_run_until_stopped(f->env.loop);
	assert_int_equal(f->kept, 1);
	assert_int_equal(f->disconnected, 0);
	assert_int_equal(f->late, 0);
	close(server);
}

static void test_null(void **state)
{
	(void)state;
	detach_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_released, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_refused_when_lost, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_detached_by_another, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_in_doubt, setup, teardown),
	    cmocka_unit_test(test_null),
	};

	return cmocka_run_group_tests(tests, rundir_make_own, rundir_remove_own);
}
