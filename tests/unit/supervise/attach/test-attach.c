/* SPDX-License-Identifier: MIT */
/*
 * The part alone, with real servers and a kernel that is a struct kernel_ops of this test. Its
 * device does not exist, so no attachment succeeds here; the stub tests that.
 */
#include "helper-fixture.h"
#include "rundir-fixture.h"
#include "server-fixture.h"

#include "kernel/kernel.h"
#include "runtime/rundir.h"
#include "supervise/attach/attach.h"

#define INDEX 4000

static struct {
	struct kernel kernel;
	struct loop *loop;
	struct helpers *helpers;
	struct endpoint endpoint;
	struct attachment at;
	struct part_env env;
	struct links *links;
	struct attach *a;
	/* The answers to the part and from the kernel. */
	int refuses;
	bool kernel_refuses;
	/* The requests and events. */
	unsigned attached, detached, n_fds, again, failed, due, dialled, joined, begun, configured;
	uint64_t dead_timeout;
	struct err err;
} f;

static int kernel_attaches(struct kernel *k, const struct kernel_attach *a, struct err *err)
{
	(void)k;
	f.attached++;
	f.n_fds = (unsigned)a->n_fds;
	f.dead_timeout = a->dead_timeout;
	return f.kernel_refuses ? err_set(err, ERR_RETRY, EAGAIN, "the kernel refuses") : 0;
}

static int kernel_detaches(struct kernel *k, int index, struct err *err)
{
	(void)k;
	(void)err;
	assert_int_equal(index, INDEX);
	f.detached++;
	return 0;
}

static void dialled(void *arg)
{
	(void)arg;
	f.dialled++;
}

static void joined(void *arg)
{
	(void)arg;
	f.joined++;
}

/* The list has the connections before the kernel gets them. */
static void begins(void *arg)
{
	int fds[2 * LINKS_MAX];

	(void)arg;
	assert_int_equal(f.begun, f.attached);
	assert_int_equal(links_kept(f.links, fds), f.at.plan.connections);
	f.begun++;
}

static void configured(void *arg)
{
	(void)arg;
	f.configured++;
}

static void again(const struct err *err, void *arg)
{
	(void)arg;
	f.again++;
	f.err = *err;
}

static void failed(const struct err *err, void *arg)
{
	(void)arg;
	f.failed++;
	f.err = *err;
}

static void due(void *arg)
{
	(void)arg;
	f.due++;
}

static void ready(void *arg)
{
	(void)arg;
}

static int open_kernel(struct err *err, void *arg)
{
	(void)err;
	(void)arg;
	f.env.kernel = &f.kernel;
	return 0;
}

static int planned(struct err *err, void *arg)
{
	(void)arg;
	return f.refuses ? err_set(err, ERR_PERMANENT, f.refuses, "not like this") : 0;
}

static int opened(struct err *err, void *arg)
{
	(void)err;
	(void)arg;
	return 0;
}

static void explain(struct err *err, void *arg)
{
	(void)arg;
	err_prefix(err, "explained: ");
}

static int setup(void **state)
{
	static const struct kernel_ops ops = {
	    .name = "test", .attach = kernel_attaches, .detach = kernel_detaches};
	const struct helpers_config cfg = {.spares = 1};
	struct err err;

	(void)state;
	memset(&f, 0, sizeof(f));
	f.kernel.ops = &ops;
	f.loop = loop_new();
	attachment_init(&f.at, "here");
	f.env = (struct part_env){.loop = f.loop, .offload = offload_new(f.loop), .at = &f.at};
	f.links = links_new(f.loop, NULL, NULL);
	return helpers_new(f.loop, &cfg, &f.helpers, &err) == 0 ? helpers_fill(f.helpers, &err)
								: -1;
}

static int teardown(void **state)
{
	(void)state;
	attach_stop(f.a);
	helpers_free(f.helpers);
	assert_true(offload_free(f.env.offload));
	attach_free(f.a);
	links_free(f.links);
	endpoint_done(&f.endpoint);
	loop_free(f.loop);
	attachment_close(&f.at);
	unlink(rundir_identifier("here").text);
	unlink(rundir_device(INDEX, "lock").text);
	return 0;
}

static void make_at(uint16_t port, struct attach_config cfg)
{
	static const struct attach_events events = {
	    .dialled = dialled,
	    .joined = joined,
	    .begins = begins,
	    .configured = configured,
	    .again = again,
	    .failed = failed,
	    .due = due,
	    .ready = ready,
	    .open_kernel = open_kernel,
	    .planned = planned,
	    .opened = opened,
	    .explain = explain,
	};

	tcp_endpoint(&f.endpoint, "127.0.0.1", port);
	cfg.at = &f.at;
	cfg.links = f.links;
	cfg.endpoint = &f.endpoint;
	cfg.helpers = f.helpers;
	cfg.connect_timeout_ms = cfg.peer_timeout_ms = 10000;
	cfg.index = INDEX;
	if (!cfg.connections)
		cfg.connections = 1;
	f.a = attach_new(&f.env, &cfg, &events, &f);
	assert_non_null(f.a);
}

/* A device whose server grants everything, with `n` connections. */
static pid_t start_server(struct attach_config cfg)
{
	struct address at = literal_address("127.0.0.1", 0);
	pid_t pid = server_start(listen_at(&at, 8), good_server);

	make_at(address_port(&at), cfg);
	return pid;
}

static void await(const unsigned *count)
{
	for (int i = 0; i < 1500 && *count == 0; i++)
		loop_run_for(f.loop, 10);
	assert_int_not_equal(*count, 0);
}

static void a_device_is_planned(void **state)
{
	pid_t pid = start_server((struct attach_config){.connections = 4});
	struct attach_facts facts;

	(void)state;
	attach_dial(f.a);
	await(&f.dialled);
	assert_int_equal(f.at.plan.size, 1 << 20);
	assert_int_equal(f.at.known.size, 1 << 20);
	/* The server does not allow several connections. */
	assert_int_equal(f.at.plan.connections, 1);
	assert_true(f.at.identifier_lock >= 0);
	assert_true(attach_facts(f.a, &facts));
	assert_int_equal(facts.unix_uid, (uid_t)-1);
	assert_null(facts.sample);
	attach_join(f.a);
	await(&f.joined);
	attach_forget(f.a);
	assert_false(attach_facts(f.a, &facts));
	assert_int_equal(f.failed + f.again, 0);
	server_stop(pid);
}

/* The only failures that are not retried, except with --wait. */
static void a_server_that_is_down(void **state)
{
	(void)state;
	make_at(unused_port("127.0.0.1"), (struct attach_config){0});
	attach_dial(f.a);
	await(&f.failed);
	assert_int_equal(f.err.kind, ERR_RETRY);
	assert_memory_equal(f.err.message, "explained: ", 11);
	assert_int_equal(f.again, 0);
}

static void a_server_is_waited_for(void **state)
{
	(void)state;
	make_at(unused_port("127.0.0.1"), (struct attach_config){.wait_ms = ATTACH_FOREVER});
	attach_dial(f.a);
	await(&f.again);
	attach_pause(f.a);
	assert_int_equal(f.due, 0);
	await(&f.due);
	attach_stop_waiting(f.a);
	attach_dial(f.a);
	await(&f.failed);
	assert_int_equal(f.again, 1);
}

static void a_plan_is_refused(void **state)
{
	pid_t pid = start_server((struct attach_config){.wait_ms = ATTACH_FOREVER});

	(void)state;
	f.refuses = EINVAL;
	attach_dial(f.a);
	await(&f.failed);
	assert_string_equal(f.err.message, "not like this");
	assert_int_equal(f.at.identifier_lock, -1);
	server_stop(pid);
}

/* Makes the connections and hands them to the kernel. */
static void configure(const unsigned *count)
{
	attach_dial(f.a);
	await(&f.dialled);
	attach_join(f.a);
	await(&f.joined);
	attach_configure(f.a, 77);
	await(count);
	assert_int_equal(f.n_fds, 1);
	assert_int_equal(f.dead_timeout, 77);
	/* Another attempt makes new ones. */
	assert_int_equal(links_alive(f.links), 0);
	assert_int_equal(f.configured, 0);
}

/* The next user of the device may be another program. */
static void assert_udev_may_read(void)
{
	assert_int_equal(access(rundir_device(INDEX, "noscan").text, F_OK), -1);
}

static void the_kernel_refuses(void **state)
{
	pid_t pid =
	    start_server((struct attach_config){.wait_ms = ATTACH_FOREVER, .no_scan = true});

	(void)state;
	f.kernel_refuses = true;
	configure(&f.again);
	assert_int_equal(f.attached, 1);
	assert_int_equal(f.detached, 0);
	assert_udev_may_read();
	server_stop(pid);
}

/* The device has no queue that can be configured, so it does not stay attached. */
static void a_device_that_cannot_be_set_up(void **state)
{
	pid_t pid = start_server((struct attach_config){.no_scan = true});

	(void)state;
	configure(&f.failed);
	assert_int_equal(f.detached, 1);
	assert_udev_may_read();
	server_stop(pid);
}

static void a_part_that_is_not_there(void **state)
{
	(void)state;
	attach_stop(NULL);
	attach_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_device_is_planned, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_server_that_is_down, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_server_is_waited_for, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_plan_is_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_kernel_refuses, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_device_that_cannot_be_set_up, setup, teardown),
	    cmocka_unit_test(a_part_that_is_not_there),
	};

	return cmocka_run_group_tests(tests, rundir_make_own, rundir_remove_own);
}
