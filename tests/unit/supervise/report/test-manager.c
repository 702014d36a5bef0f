/* SPDX-License-Identifier: MIT */
/*
 * Messages to systemd and udev: datagrams on a real socket, marks and grace in a real directory.
 * Long: the tests share the manager's end of the socket.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "runtime/grace.h"
#include "runtime/marks.h"
#include "supervise/report/notify.h"
#include "runtime/rundir.h"
#include "loop-fixture.h"
#include "rundir-fixture.h"
#include "supervise/report/manager.h"
#include "tree-fixture.h"

/* The manager's end of the socket; NOTIFY_SOCKET is set to its name. */
static int listen_at(const char *name)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	memcpy(sa.sun_path, name, strlen(name));
	if (name[0] == '@')
		sa.sun_path[0] = '\0';
	else
		unlink(name);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
			 0);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static void assert_told(int fd, const char *text)
{
	char buf[1024];
	ssize_t n = recv(fd, buf, sizeof(buf) - 1, 0);

	assert_true(n >= 0);
	buf[n] = '\0';
	assert_string_equal(buf, text);
}

static void assert_silent(int fd)
{
	char byte;

	assert_int_equal(recv(fd, &byte, 1, 0), -1);
}

static void datagrams_arrive(void **unused)
{
	char path[128], name[64];
	struct notify n;

	(void)unused;
	snprintf(path, sizeof(path), "%s/notify", dir);
	snprintf(name, sizeof(name), "@nbd-attach-test-%d", getpid());
	for (const char *const *at = (const char *const[]){path, name, NULL}; *at; at++) {
		_cleanup_fd_ int fd = listen_at(*at);

		notify_open(&n);
		assert_null(getenv("NOTIFY_SOCKET"));
		notify_send(&n, "READY=1");
		assert_told(fd, "READY=1");
		notify_close(&n);
		notify_send(&n, "STATUS=gone");
		assert_silent(fd);
	}
}

static void without_a_listener_nothing_happens(void **unused)
{
	static const char *const bad[] = {"", "@", "relative", "/does/not/exist"};
	struct notify n;

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		setenv("NOTIFY_SOCKET", bad[i], 1);
		setenv("WATCHDOG_USEC", "1000000", 1);
		notify_open(&n);
		assert_int_equal(n.fd, -1);
		assert_int_equal(n.watchdog_ms, 0);
		assert_null(getenv("WATCHDOG_USEC"));
		notify_send(&n, "READY=1");
	}
}

static void the_watchdog_is_ours_or_not(void **unused)
{
	static const struct {
		const char *usec, *pid;
		uint32_t ms;
	} cases[] = {
	    {"30000000", "self", 30000}, {"30000000", NULL, 30000}, {"30000000", "1", 0},
	    {NULL, "self", 0},		 {"0", "self", 0},	    {"x", "self", 0},
	};
	char path[128], pid[16];
	struct notify n;

	(void)unused;
	snprintf(path, sizeof(path), "%s/notify", dir);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_fd_ int fd = listen_at(path);

		assert_true(fd >= 0);
		snprintf(pid, sizeof(pid), "%d", getpid());
		if (cases[i].usec)
			setenv("WATCHDOG_USEC", cases[i].usec, 1);
		if (cases[i].pid)
			setenv("WATCHDOG_PID", cases[i].pid[0] == 's' ? pid : cases[i].pid, 1);
		notify_open(&n);
		assert_true(n.fd >= 0);
		assert_int_equal(n.watchdog_ms, cases[i].ms);
		assert_null(getenv("WATCHDOG_PID"));
		notify_close(&n);
	}
}

static void end_loop(void *arg)
{
	loop_stop(arg, 0);
}

static void a_manager_hears_of_life(void **unused)
{
	const struct manager_status status = {
	    .state = FSM_ATTACHED, .address = "host:1", .reason = "", .index = 3};
	struct loop *loop = loop_new();
	struct loop_timer *end = loop_timer_new(loop, end_loop, loop);
	struct manager *m;
	char path[128];
	int fd;

	(void)unused;
	snprintf(path, sizeof(path), "%s/notify", dir);
	fd = listen_at(path);
	setenv("WATCHDOG_USEC", "200000", 1);
	m = manager_new(loop);
	assert_non_null(m);
	manager_ready(m);
	assert_told(fd, "READY=1");
	assert_told(fd, "WATCHDOG=1");
	assert_silent(fd);
	loop_timer_set(end, 250);
	loop_run(loop);
	assert_told(fd, "WATCHDOG=1");
	assert_told(fd, "WATCHDOG=1");
	assert_silent(fd);
	manager_status(m, &status);
	manager_status(m, &status); /* no news */
	assert_told(fd, "STATUS=/dev/nbd3: Attached to host:1");
	assert_silent(fd);
	manager_stopping(m);
	assert_told(fd, "STOPPING=1");
	manager_free(m);
	close(fd);
	loop_timer_free(end);
	loop_free(loop);
}

/* Receives a message with a descriptor, and returns the inode of that. */
static ino_t assert_gets_fd(int fd, const char *text)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	char buf[1024] = "";
	struct iovec to = {.iov_base = buf, .iov_len = sizeof(buf) - 1};
	struct msghdr msg = {.msg_iov = &to,
			     .msg_iovlen = 1,
			     .msg_control = control.space,
			     .msg_controllen = sizeof(control.space)};
	struct stat st;
	int got;

	assert_true(recvmsg(fd, &msg, 0) > 0);
	assert_string_equal(buf, text);
	assert_int_equal(msg.msg_controllen, sizeof(control.space));
	assert_int_equal(control.header.cmsg_type, SCM_RIGHTS);
	memcpy(&got, CMSG_DATA(&control.header), sizeof(got));
	assert_int_equal(fstat(got, &st), 0);
	close(got);
	return st.st_ino;
}

static ino_t inode(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

/* Sends until the manager's queue is full. */
static void fill(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	memcpy(sa.sun_path, path, strlen(path));
	while (sendto(fd, "STATUS=full", 11, 0, (struct sockaddr *)&sa, sizeof(sa)) > 0)
		;
}

/* The manager keeps sockets, and what it did not accept is sent again. */
static void sockets_are_kept(void **unused)
{
	struct loop *loop = loop_new();
	struct manager *m;
	char path[128], buf[100];
	int fd, pair[2];

	(void)unused;
	snprintf(path, sizeof(path), "%s/notify", dir);
	fd = listen_at(path);
	m = manager_new(loop);
	assert_non_null(m);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	manager_found(m, "link-5-7", pair[0]);
	manager_found(m, "another", pair[1]);
	manager_keep(m, pair, 1, 5); /* it has that one */
	assert_silent(fd);
	manager_keep(m, pair, 2, 5);
	assert_int_equal(assert_gets_fd(fd, "FDSTORE=1\nFDPOLL=0\nFDNAME=link-5-8"),
			 inode(pair[1]));
	assert_silent(fd);

	fill(path);
	manager_keep(m, pair + 1, 1, 6);
	while (recv(fd, buf, sizeof(buf), 0) > 0)
		assert_memory_equal(buf, "STATUS=full", 11);
	manager_keep(m, pair + 1, 1, 6);
	assert_told(fd, "FDSTOREREMOVE=1\nFDNAME=link-5-7");
	assert_told(fd, "FDSTOREREMOVE=1\nFDNAME=link-5-8");
	assert_int_equal(assert_gets_fd(fd, "FDSTORE=1\nFDPOLL=0\nFDNAME=link-6-9"),
			 inode(pair[1]));
	manager_keep(m, pair + 1, 1, 6);
	assert_silent(fd);
	fill(path);
	assert_false(manager_succeeded(m, 4711));
	while (recv(fd, buf, sizeof(buf), 0) > 0)
		;
	assert_true(manager_succeeded(m, 4711));
	assert_told(fd, "MAINPID=4711");
	manager_keep(m, NULL, 0, 6);
	assert_silent(fd);
	manager_free(m);
	close(fd);
	close(pair[0]);
	close(pair[1]);
	loop_free(loop);
}

/* Until no more fits into the manager's queue. */
static unsigned fill_queue(const char *name)
{
	struct notify other;
	unsigned n = 0;

	setenv("NOTIFY_SOCKET", name, 1);
	notify_open(&other);
	while (notify_send_fd(&other, "STATUS=another service", -1))
		n++;
	notify_close(&other);
	return n;
}

/* A manager that is busy gets everything later. */
static void a_full_queue_loses_nothing(void **unused)
{
	const struct manager_status status = {
	    .state = FSM_ATTACHED, .address = "here", .reason = "", .index = 3};
	struct loop *loop = loop_new();
	_cleanup_fd_ int fd = -1;
	struct manager *m;
	char path[128];
	unsigned n;

	(void)unused;
	snprintf(path, sizeof(path), "%s/notify", dir);
	fd = listen_at(path);
	setenv("WATCHDOG_USEC", "30000000", 1);
	m = manager_new(loop);
	assert_non_null(m);
	n = fill_queue(path);
	manager_status(m, &status);
	manager_ready(m);
	for (unsigned i = 0; i < n; i++)
		assert_told(fd, "STATUS=another service");
	assert_silent(fd);
	loop_run_for(loop, 500);
	assert_told(fd, "READY=1");
	assert_told(fd, "WATCHDOG=1");
	assert_told(fd, "STATUS=/dev/nbd3: Attached to here");
	assert_silent(fd);
	/* Once is enough. */
	manager_status(m, &status);
	loop_run_for(loop, 500);
	assert_silent(fd);
	manager_free(m);
	loop_free(loop);
}

/* How often this thread has waited. */
static long waits(void)
{
	struct rusage usage;

	assert_int_equal(getrusage(RUSAGE_THREAD, &usage), 0);
	return usage.ru_nvcsw;
}

/* Without a manager the process does not wake up more often than for one. */
static void a_manager_that_has_ended_is_left_alone(void **unused)
{
	struct loop *loop = loop_new();
	struct manager *m;
	char path[128];
	long before;
	int fd;

	(void)unused;
	snprintf(path, sizeof(path), "%s/notify", dir);
	fd = listen_at(path);
	setenv("WATCHDOG_USEC", "2000000", 1); /* a sign of life every second */
	m = manager_new(loop);
	assert_non_null(m);
	manager_ready(m);
	assert_told(fd, "READY=1");
	close(fd);
	before = waits();
	loop_run_for(loop, 2900);
	assert_true(waits() - before < 7);
	manager_free(m);
	loop_free(loop);
}

static void without_a_manager_nobody_is_told(void **unused)
{
	struct loop *loop = loop_new();

	(void)unused;
	unsetenv("NOTIFY_SOCKET");
	assert_null(manager_new(loop));
	manager_ready(NULL);
	manager_stopping(NULL);
	manager_keep(NULL, NULL, 0, 0);
	manager_found(NULL, "link-1-1", 0);
	assert_false(manager_succeeded(NULL, 1));
	assert_false(manager_name(NULL, 0, NULL));
	manager_status(NULL, NULL);
	manager_free(NULL);
	loop_free(loop);
}

static void sentences_are_for_people(void **unused)
{
	static const struct {
		struct manager_status status;
		const char *sentence;
	} cases[] = {
	    {{.state = FSM_STARTING, .address = "", .reason = "", .index = -1}, "Connecting"},
	    {{.state = FSM_ATTACHED,
	      .address = "10.0.0.1:10809",
	      .reason = "",
	      .since = 1000000,
	      .index = 0},
	     "/dev/nbd0: Attached to 10.0.0.1:10809, since 13:46:40"},
	    {{.state = FSM_LOST,
	      .address = "10.0.0.1:10809",
	      .reason = "it died",
	      .since = 900000,
	      .next_try = 1000005,
	      .fails_at = 1000600,
	      .index = 12},
	     "/dev/nbd12: The server is lost, I/O waits, server 10.0.0.1:10809, since 1970-01-11 "
	     "10:00, until 13:56:40, next try 13:46:45: it died"},
	    {{.state = FSM_REFUSED,
	      .address = "10.0.0.1:10809",
	      .reason = "another size",
	      .fails_at = 1000600,
	      .index = 12},
	     "/dev/nbd12: The server is refused, I/O waits, server 10.0.0.1:10809, until 13:56:40: "
	     "another size"},
	    {{.state = FSM_HELD,
	      .address = "10.0.0.1:10809",
	      .reason = "",
	      .fails_at = 1000600,
	      .index = 12},
	     "/dev/nbd12: The server has another disk, I/O waits for --reconnect --accept content, "
	     "server 10.0.0.1:10809, until 13:56:40"},
	    {{.state = FSM_EXPIRED,
	      .address = "10.0.0.1:10809",
	      .reason = "",
	      .fails_at = 1000600,
	      .index = 12},
	     "/dev/nbd12: The server is lost, I/O fails, server 10.0.0.1:10809"},
	    {{.state = FSM_ENDED,
	      .address = "10.0.0.1:10809",
	      .reason = "",
	      .kept = "/dev/nbd12 is mounted on \"/data\"",
	      .since = 900000,
	      .index = 12},
	     "/dev/nbd12: Still attached, without a supervisor: mounted on \"/data\""},
	};
	char text[400];

	(void)unused;
	setenv("TZ", "UTC", 1);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		manager_sentence(&cases[i].status, 1000000, text, sizeof(text));
		assert_string_equal(text, cases[i].sentence);
	}
	for (int s = 0; s < FSM_STATES; s++) {
		const struct manager_status status = {
		    .state = (enum fsm_state)s, .address = "", .reason = "", .index = -1};

		manager_sentence(&status, 1000000, text, sizeof(text));
		assert_true(text[0] >= 'A' && text[0] <= 'Z');
	}
}

static bool is_there(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return access(path, F_OK) == 0;
}

static void assert_file(const char *name, const char *text)
{
	char path[256], buf[512] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "r");
	assert_non_null(f);
	buf[fread(buf, 1, sizeof(buf) - 1, f)] = '\0';
	fclose(f);
	assert_string_equal(buf, text);
}

static void touch(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	close(creat(path, 0600));
}

static void marks_follow_the_device(void **unused)
{
	struct marks m = {.index = 3,
			  .pid = 42,
			  .name = "data",
			  .unit = "nbd-attach@data.service",
			  .backend = "nbd://host/"};
	bool changed = false;

	(void)unused;
	touch("nbd3.41.udev");
	touch("nbd3.41.lost");
	touch("nbd31.41.lost");
	assert_int_equal(marks_set(&m, &changed), 0);
	assert_true(changed);
	assert_file("nbd3.42.udev", "NBD_ATTACH_NAME=data\nNBD_ATTACH_PID=42\n"
				    "NBD_ATTACH_UNIT=nbd-attach@data.service\n");
	assert_false(is_there("nbd3.42.lost"));
	assert_false(is_there("nbd3.41.udev"));
	assert_false(is_there("nbd3.41.lost"));
	assert_true(is_there("nbd31.41.lost"));
	assert_int_equal(marks_set(&m, &changed), 0);
	assert_false(changed);

	m.lost = true;
	assert_int_equal(marks_set(&m, &changed), 0);
	assert_true(changed);
	assert_file("nbd3.42.lost", "nbd://host/");
	assert_int_equal(marks_set(&m, &changed), 0);
	assert_false(changed);
	m.lost = false;
	assert_int_equal(marks_set(&m, &changed), 0);
	assert_true(changed);
	assert_false(is_there("nbd3.42.lost"));

	m.unit = NULL;
	assert_int_equal(marks_set(&m, &changed), 0);
	assert_true(changed);
	assert_file("nbd3.42.udev", "NBD_ATTACH_NAME=data\nNBD_ATTACH_PID=42\n");
	marks_remove(3);
	assert_false(is_there("nbd3.42.udev"));
	assert_true(is_there("nbd31.41.lost"));
}

static void what_lies_on_a_lost_device_is_marked(void **unused)
{
	struct marks m = {.index = 3, .pid = 42, .name = "data", .backend = "x", .lost = true};

	(void)unused;
	assert_int_equal(marks_holder(&m, "dm-0", "nbd3p1"), 0);
	assert_file("dm-0.holder",
		    "NBD_ATTACH_SLAVE=nbd3p1\nNBD_ATTACH_DISK=nbd3\nNBD_ATTACH_PID=42\n");
	m.lost = false;
	assert_int_equal(marks_holder(&m, "dm-0", "nbd3p1"), 0);
	assert_false(is_there("dm-0.holder"));
	assert_int_equal(marks_holder(&m, "dm-0", "nbd3p1"), 0);
}

static void a_unit_has_a_name(void **unused)
{
	char long_name[300];

	(void)unused;
	memset(long_name, 'a', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	assert_true(marks_unit_ok("nbd-attach@my\\x2ddisk.service"));
	assert_true(marks_unit_ok("nbd-attach@nbd0.service"));
	assert_false(marks_unit_ok(""));
	assert_false(marks_unit_ok("-h"));
	assert_false(marks_unit_ok("a b"));
	assert_false(marks_unit_ok("a\nX=1"));
	assert_false(marks_unit_ok("$(reboot)"));
	assert_false(marks_unit_ok(long_name));
}

static void grace_is_there_or_not(void **unused)
{
	struct err err;

	(void)unused;
	assert_int_equal(grace_read(), GRACE_NONE);
	assert_int_equal(grace_write(10, &err), 0);
	assert_int_equal(grace_read(), 10);
	assert_int_equal(grace_write(0, &err), 0);
	assert_int_equal(grace_read(), 0);
	assert_int_equal(grace_write(GRACE_NONE, &err), 0);
	assert_int_equal(grace_read(), GRACE_NONE);
	assert_int_equal(grace_write(GRACE_NONE, &err), 0);
}

static int tear_down(void **unused)
{
	(void)unused;
	return tree_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(datagrams_arrive),
	    cmocka_unit_test(without_a_listener_nothing_happens),
	    cmocka_unit_test(the_watchdog_is_ours_or_not),
	    cmocka_unit_test(a_manager_hears_of_life),
	    cmocka_unit_test(sockets_are_kept),
	    cmocka_unit_test(a_full_queue_loses_nothing),
	    cmocka_unit_test(a_manager_that_has_ended_is_left_alone),
	    cmocka_unit_test(without_a_manager_nobody_is_told),
	    cmocka_unit_test(sentences_are_for_people),
	    cmocka_unit_test(marks_follow_the_device),
	    cmocka_unit_test(what_lies_on_a_lost_device_is_marked),
	    cmocka_unit_test(a_unit_has_a_name),
	    cmocka_unit_test(grace_is_there_or_not),
	};

	return cmocka_run_group_tests(tests, rundir_make_own, tear_down);
}
