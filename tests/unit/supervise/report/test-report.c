/* SPDX-License-Identifier: MIT */
/*
 * The part alone, for a device that does not exist: with a run directory, a service manager's
 * socket and a command of the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "kernel/kernel.h"
#include "rundir-fixture.h"
#include "runtime/state.h"
#include "supervise/report/report.h"

#define INDEX 4000

static struct {
	struct kernel kernel;
	struct attachment at;
	struct part_env env;
	struct endpoint endpoint;
	struct report *r;
	int manager_fd; /* the messages to the service manager */
	char heard[1000];
	/* The parts' status. */
	int64_t outage_since;
	const char *error;
	unsigned filled, ready;
} f;

static void ready(void *arg)
{
	assert_ptr_equal(arg, &f);
	f.ready++;
}

static void fill(struct state *ret_state, void *arg)
{
	assert_ptr_equal(arg, &f);
	f.filled++;
	ret_state->outage_since = f.outage_since;
	snprintf(ret_state->error, sizeof(ret_state->error), "%s", f.error);
}

static void listen_as_manager(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};

	f.manager_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/notify", dir);
	assert_int_equal(bind(f.manager_fd, (void *)&sun, sizeof(sun)), 0);
	setenv("NOTIFY_SOCKET", sun.sun_path, 1);
}

/* All messages since the last call. */
static const char *hear(void)
{
	size_t len = 0;
	ssize_t n;

	while ((n = recv(f.manager_fd, f.heard + len, sizeof(f.heard) - 2 - len, 0)) > 0) {
		len += (size_t)n;
		f.heard[len++] = '\n';
	}
	f.heard[len] = '\0';
	return f.heard;
}

static int setup(void **state)
{
	static const struct kernel_ops ops = {.name = "test"};

	(void)state;
	memset(&f, 0, sizeof(f));
	f.error = "";
	f.kernel.ops = &ops;
	attachment_init(&f.at, "an identifier");
	f.at.index = INDEX;
	f.at.plan = (struct plan){.size = 1 << 20, .block_size = 512, .connections = 1};
	snprintf(f.at.server, sizeof(f.at.server), "127.0.0.1:10809");
	f.env = (struct part_env){.loop = loop_new(), .kernel = &f.kernel, .at = &f.at};
	f.env.offload = offload_new(f.env.loop);
	endpoint_init(&f.endpoint);
	f.endpoint.host = strdup("example.org");
	f.endpoint.export_name = strdup("disk");
	listen_as_manager();
	return 0;
}

static int teardown(void **state)
{
	char path[200];

	(void)state;
	assert_true(offload_free(f.env.offload));
	report_free(f.r);
	loop_free(f.env.loop);
	endpoint_done(&f.endpoint);
	close(f.manager_fd);
	snprintf(path, sizeof(path), "%s/notify", dir);
	unlink(path);
	state_remove(INDEX);
	return 0;
}

static void make(struct report_config cfg)
{
	static const struct report_events events = {.fill = fill, .ready = ready};
	struct err err;

	cfg.service = true;
	assert_int_equal(report_new(&f.env, &cfg, &events, &f, &f.r, &err), 0);
}

static void open_report(void)
{
	struct err err;

	assert_int_equal(report_open(f.r, &f.endpoint, true, &err), 0);
}

static void the_file(void **state)
{
	struct state s;

	(void)state;
	make((struct report_config){.name = "data", .config = "conf", .dead_timeout_s = 77});
	open_report();
	f.error = "it is away";
	report_write(f.r, FSM_LOST);
	assert_int_equal(state_read(INDEX, &s, NULL), 0);
	assert_string_equal(s.name, "lost");
	assert_string_equal(s.uri, "nbd://example.org/disk");
	assert_string_equal(s.identifier, "an identifier");
	assert_string_equal(s.address, "127.0.0.1:10809");
	assert_string_equal(s.stable_name, "data");
	assert_string_equal(s.config, "conf");
	assert_string_equal(s.backend, "test");
	assert_string_equal(s.error, "it is away");
	assert_int_equal(s.dead_timeout, 77);
	assert_int_equal(s.size, 1 << 20);
	assert_int_equal(s.pid, getpid());
	/* It is computed anew each time. */
	f.at.plan.size = 1 << 21;
	f.error = "";
	report_write(f.r, FSM_ATTACHED);
	assert_int_equal(state_read(INDEX, &s, NULL), 0);
	assert_string_equal(s.name, "attached");
	assert_string_equal(s.error, "");
	assert_int_equal(s.size, 1 << 21);
	assert_int_equal(f.filled, 2);
}

static void no_device_no_file(void **state)
{
	struct state s;

	(void)state;
	f.at.index = -1;
	make((struct report_config){.on_change = "exit 1"});
	report_write(f.r, FSM_STARTING);
	report_change(f.r, FSM_STARTING, FSM_JOINING, "", 0);
	assert_int_equal(f.filled, 0);
	assert_int_equal(state_read(INDEX, &s, NULL), -ENOENT);
}

/* With --swap nothing is written in an outage; the manager is notified nevertheless. */
static void swap_writes_nothing_in_an_outage(void **state)
{
	struct state s;

	(void)state;
	make((struct report_config){.swap = true, .dead_timeout_s = REPORT_FOREVER});
	open_report();
	f.outage_since = 1000;
	f.error = "no route to host";
	report_write(f.r, FSM_LOST);
	assert_int_equal(state_read(INDEX, &s, NULL), -ENOENT);
	report_tell(f.r, FSM_LOST, "it has died", 0);
	assert_non_null(strstr(hear(), "no route to host"));
	f.outage_since = 0;
	report_write(f.r, FSM_ATTACHED);
	assert_int_equal(state_read(INDEX, &s, NULL), 0);
}

static void why_it_is_not_well(void **state)
{
	(void)state;
	make((struct report_config){.dead_timeout_s = REPORT_FOREVER});
	open_report();
	report_write(f.r, FSM_LOST);
	report_tell(f.r, FSM_LOST, "it has died", 0);
	assert_non_null(strstr(hear(), "it has died"));
	/* After a failed attempt, its error is reported instead. */
	f.error = "it refuses connections";
	report_write(f.r, FSM_LOST);
	report_tell(f.r, FSM_LOST, "it has died", 0);
	assert_non_null(strstr(hear(), "it refuses connections"));
	report_write(f.r, FSM_ATTACHED);
	report_tell(f.r, FSM_ATTACHED, "it has died", 0);
	assert_null(strstr(hear(), "it "));
}

/* The time is the caller's: the dead timeout may not count, or a shutdown may end the wait first.
 */
static void until_when_it_waits(void **state)
{
	(void)state;
	setenv("TZ", "UTC", 1);
	make((struct report_config){.dead_timeout_s = 77});
	open_report();
	f.outage_since = time(NULL);
	report_write(f.r, FSM_LOST);
	report_tell(f.r, FSM_LOST, "", 0);
	assert_null(strstr(hear(), "until"));
	report_tell(f.r, FSM_LOST, "", 86400 + 3600);
	assert_non_null(strstr(hear(), "until 1970-01-02 01:00"));
}

/* The device is ready when the partitions exist and udev knows of it. */
static void ready_after_both(void **state)
{
	(void)state;
	make((struct report_config){.swap = true, .dead_timeout_s = REPORT_FOREVER});
	assert_null(getenv("NOTIFY_SOCKET"));
	open_report();
	report_usable(f.r);
	assert_null(strstr(hear(), "READY=1"));
	assert_int_equal(f.ready, 0);
	report_lost(f.r, true); /* with --swap udev is not notified in an outage */
	assert_non_null(strstr(hear(), "READY=1"));
	assert_int_equal(f.ready, 1);
	report_usable(f.r);
	assert_int_equal(f.ready, 1);
	assert_null(strstr(hear(), "READY=1"));
	report_stopping(f.r);
	assert_non_null(strstr(hear(), "STOPPING=1"));
}

static void the_command_is_waited_for(void **state)
{
	char command[300], path[200], line[100] = "";
	FILE *file;

	(void)state;
	snprintf(path, sizeof(path), "%s/said", dir);
	snprintf(command, sizeof(command), "echo \"$NBD_OLD_STATE $NBD_STATE\" >%s", path);
	make((struct report_config){.on_change = command});
	open_report();
	report_change(f.r, FSM_ATTACHED, FSM_LOST, "it has died", 0);
	report_end(f.r, 10000);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_non_null(fgets(line, sizeof(line), file));
	fclose(file);
	unlink(path);
	assert_non_null(strstr(line, "lost"));
}

static void a_part_that_is_not_there(void **state)
{
	(void)state;
	report_end(NULL, 0);
	report_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(the_file, setup, teardown),
	    cmocka_unit_test_setup_teardown(no_device_no_file, setup, teardown),
	    cmocka_unit_test_setup_teardown(swap_writes_nothing_in_an_outage, setup, teardown),
	    cmocka_unit_test_setup_teardown(why_it_is_not_well, setup, teardown),
	    cmocka_unit_test_setup_teardown(until_when_it_waits, setup, teardown),
	    cmocka_unit_test_setup_teardown(ready_after_both, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_command_is_waited_for, setup, teardown),
	    cmocka_unit_test(a_part_that_is_not_there),
	};

	return cmocka_run_group_tests(tests, rundir_make_own, rundir_remove_own);
}
