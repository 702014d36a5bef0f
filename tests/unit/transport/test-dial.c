/* SPDX-License-Identifier: MIT */
/* Long: a list of cases, each read by itself. */
#include "transport-fixture.h"

#include "transport/dial.h"
#include "skip.h"

static const struct source anywhere = {.kind = SOURCE_ANY};

struct outcome {
	struct loop *loop;
	bool called;
	int ret, fd;
	struct address peer;
	struct err err;
	uint64_t ms;
};

static void on_done(int ret, int fd, const struct address *peer, const struct err *err, void *arg)
{
	struct outcome *o = arg;

	assert_false(o->called);
	o->called = true;
	o->ret = ret;
	o->fd = fd;
	if (ret == 0)
		o->peer = *peer;
	else
		o->err = *err;
	loop_stop(o->loop, 0);
}

static struct outcome dial_from(const struct address_list *list, const struct source *source)
{
	struct outcome o = {.loop = loop_new(), .fd = -1};
	uint64_t start = loop_now();
	struct dial *d;

	assert_int_equal(dial_new(o.loop,
				  &(struct dial_config){
				      .what = "the server", .addresses = list, .source = source},
				  on_done, &o, &d, &o.err),
			 0);
	assert_false(o.called);
	loop_run(o.loop);
	o.ms = loop_now() - start;
	loop_run_for(o.loop, 300); /* no timer calls a second time */
	dial_free(d);
	loop_free(o.loop);
	return o;
}

static struct outcome dial(const struct address_list *list)
{
	return dial_from(list, &anywhere);
}

static void put(struct address_list *list, struct address a)
{
	assert_true(address_list_add(list, &a));
}

static void connects(void **state)
{
	struct address a = literal_address("127.0.0.1", 0);
	int server = listen_at(&a, 1);
	struct address_list list = {.n = 1, .item = {a}};
	struct outcome o = dial(&list);

	(void)state;
	assert_int_equal(o.ret, 0);
	assert_true(address_equal(&o.peer, &a));
	assert_true(fcntl(o.fd, F_GETFD) & FD_CLOEXEC);
	close(o.fd);
	close(server);
}

static void refused(void **state)
{
	struct address_list list = {0};
	struct outcome o;

	(void)state;
	put(&list, literal_address("127.0.0.1", unused_port("127.0.0.1")));
	o = dial(&list);
	assert_int_equal(o.ret, -ECONNREFUSED);
	assert_int_equal(o.err.kind, ERR_RETRY);
	assert_string_equal(o.err.message,
			    "the server refuses connections: is the server running?");
}

/* A name may have such an address. */
static void link_local_without_interface(void **state)
{
	struct address_list list = {0};
	struct outcome o;

	(void)state;
	put(&list, literal_address("fe80::1", 5));
	o = dial(&list);
	assert_true(o.ret < 0);
	assert_int_equal(o.err.kind, ERR_RETRY);
	assert_non_null(strstr(o.err.message, "write ADDRESS%INTERFACE"));
}

static void all_refused(void **state)
{
	struct address_list list = {0};
	uint16_t port = unused_port("127.0.0.1");
	struct outcome o;

	(void)state;
	for (int i = 1; i <= ADDRESSES_MAX; i++) {
		char host[32];

		snprintf(host, sizeof(host), "127.0.0.%d", i);
		put(&list, literal_address(host, port));
	}
	o = dial(&list);
	assert_int_equal(o.ret, -ECONNREFUSED);
	assert_true(o.ms < 1000);
	assert_string_equal(o.err.message,
			    "the server refuses connections: is the server running?");
}

/* Names different failures, up to a limit. */
static void failures_named(void **state)
{
	struct address_list list = {0};
	struct source here = {
	    .kind = SOURCE_ADDRESS,
	    .address = literal_address("127.0.0.1", 0),
	};
	uint16_t port = unused_port("127.0.0.1");
	struct outcome o;
	int shown = 0;

	(void)state;
	put(&list, literal_address("127.0.0.1", port));
	put(&list, literal_address("::1", unused_port("::1")));
	for (int i = 0; i < 5; i++)
		put(&list, literal_address("::1", (uint16_t)(i + 1)));
	o = dial_from(&list, &here);
	assert_true(o.ret < 0);
	assert_int_equal(o.err.kind, ERR_RETRY);
	assert_non_null(strstr(o.err.message, "cannot connect to the server from 127.0.0.1: "
					      "127.0.0.1:"));
	assert_non_null(strstr(o.err.message, ": Connection refused; [::1]:"));
	assert_non_null(strstr(o.err.message, "; and 3 more"));
	for (const char *at = o.err.message; (at = strstr(at, "[::1]:")); at++)
		shown++;
	assert_int_equal(shown, 3); /* of the four that are told */
}

/* One family refuses, the other serves: no delay, in either order. */
static void one_family(void **state)
{
	struct address v4 = literal_address("127.0.0.1", 0);
	int server = listen_at(&v4, 4);
	struct address_list list = {0};
	struct outcome o;

	(void)state;
	put(&list, literal_address("::1", unused_port("::1")));
	put(&list, v4);
	o = dial(&list);
	assert_int_equal(o.ret, 0);
	assert_true(address_equal(&o.peer, &v4));
	assert_true(o.ms < 240);
	close(o.fd);
	close(server);
}

/* The queue is full of connections that are not accepted: further ones get no answer. */
static int black_hole(struct address *a, int filler[2])
{
	int server = listen_at(a, 0);

	for (int i = 0; i < 2; i++) {
		filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)!connect(filler[i], (void *)&a->sa, a->len);
		usleep(20000);
	}
	return server;
}

/* RFC 8305: the second is tried 250 ms later, while the first stays under way. */
static void staggered(void **state)
{
	struct address hole = literal_address("127.0.0.1", 0), v6 = literal_address("::1", 0);
	unsigned before = open_descriptors();
	int filler[2], a = black_hole(&hole, filler), b = listen_at(&v6, 4);
	struct address_list list = {.n = 2, .item = {hole, v6}};
	struct outcome o = dial(&list);

	(void)state;
	assert_int_equal(o.ret, 0);
	assert_true(address_equal(&o.peer, &v6));
	assert_in_range(o.ms, 245, 2000);
	close(o.fd);
	close(a);
	close(b);
	close(filler[0]);
	close(filler[1]);
	assert_int_equal(open_descriptors(), before);
}

static void freed_under_way(void **state)
{
	struct address hole = literal_address("127.0.0.1", 0);
	unsigned before = open_descriptors();
	int filler[2], server = black_hole(&hole, filler);
	struct address_list list = {.n = 1, .item = {hole}};
	struct outcome o = {.loop = loop_new()};
	char buf[200];
	struct text t;
	struct dial *d;

	(void)state;
	put(&list, literal_address("127.0.0.1", unused_port("127.0.0.1")));
	assert_int_equal(
	    dial_new(o.loop,
		     &(struct dial_config){.what = "x", .addresses = &list, .source = &anywhere},
		     on_done, &o, &d, &o.err),
	    0);
	loop_run_for(o.loop, 400);
	assert_false(o.called);
	/* The details in the error of a deadline. */
	text_init(&t, buf, sizeof(buf));
	assert_true(dial_failures(d, &t));
	assert_non_null(strstr(buf, "Connection refused"));
	dial_free(d);
	loop_free(o.loop);
	close(server);
	close(filler[0]);
	close(filler[1]);
	assert_int_equal(open_descriptors(), before);
}

static void unix_missing(void **state)
{
	struct address_list list = {.n = 1, .item = {unix_address("/nonexistent/socket")}};
	struct outcome o = dial(&list);

	(void)state;
	assert_int_equal(o.ret, -ENOENT);
	assert_int_equal(o.err.kind, ERR_RETRY);
	assert_string_equal(o.err.message, "the server does not exist: is the server running?");
}

/* A server that takes one client at a time: its queue is full, then it accepts. */
static void unix_full(void **state)
{
	char dir[] = "/tmp/test-dial.XXXXXX", path[64];
	struct address a;
	struct address_list list = {.n = 1};
	struct outcome o = {.loop = loop_new(), .fd = -1};
	struct dial *d;
	int server, first;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/socket", dir);
	a = list.item[0] = unix_address(path);
	server = listen_at(&a, 0);
	first = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(first, (void *)&list.item[0].sa, list.item[0].len), 0);
	assert_int_equal(
	    dial_new(o.loop,
		     &(struct dial_config){.what = "x", .addresses = &list, .source = &anywhere},
		     on_done, &o, &d, &o.err),
	    0);
	loop_run_for(o.loop, 200);
	assert_false(o.called);
	close(accept(server, NULL, NULL));
	loop_run(o.loop);
	assert_true(o.called);
	assert_int_equal(o.ret, 0);
	close(o.fd);
	dial_free(d);
	loop_free(o.loop);
	close(first);
	close(server);
	unlink(path);
	rmdir(dir);
}

static void unix_forbidden(void **state)
{
	char dir[] = "/tmp/test-dial.XXXXXX", path[64];
	struct address a;
	struct address_list list = {.n = 1};
	int server;
	pid_t pid;
	int status;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/socket", dir);
	a = list.item[0] = unix_address(path);
	server = listen_at(&a, 1);
	assert_int_equal(chmod(dir, 0700), 0);
	assert_int_equal(chmod(path, 0600), 0);
	pid = fork();
	if (pid == 0) {
		struct outcome o;

		if (geteuid() == 0 && setresuid(54321, 54321, 54321) < 0)
			_exit(9);
		o = dial(&list);
		_exit(o.ret == -EACCES && o.err.kind == ERR_PERMANENT ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(server);
	unlink(path);
	rmdir(dir);
	if (geteuid() != 0)
		skip_because("its owner is not refused");
	assert_int_equal(status, 0);
}

static void from_interface(void **state)
{
	struct address a = literal_address("127.0.0.1", 0);
	int server = listen_at(&a, 4);
	struct address_list list = {.n = 1, .item = {a}};
	struct source lo = {.kind = SOURCE_INTERFACE, .interface = "lo"};
	struct source gone = {.kind = SOURCE_INTERFACE, .interface = "nope0"};
	struct outcome o = dial_from(&list, &lo);

	(void)state;
	assert_int_equal(o.ret, 0);
	close(o.fd);
	/* An interface may come back, with a hot plug or when the network starts. */
	o = dial_from(&list, &gone);
	assert_int_equal(o.ret, -ENODEV);
	assert_int_equal(o.err.kind, ERR_RETRY);
	close(server);
}

static void from_address(void **state)
{
	struct address a = literal_address("127.0.0.1", 0), me = {.len = sizeof(me.sa)};
	int server = listen_at(&a, 4);
	struct address_list list = {.n = 1, .item = {a}};
	struct source s = {
	    .kind = SOURCE_ADDRESS,
	    .address = literal_address("127.0.0.77", 0),
	};
	struct outcome o = dial_from(&list, &s);
	char text[ADDRESS_TEXT_MAX];

	(void)state;
	assert_int_equal(o.ret, 0);
	assert_int_equal(getsockname(o.fd, (void *)&me.sa, &me.len), 0);
	assert_non_null(strstr(address_describe(&me, text, sizeof(text)), "127.0.0.77:"));
	close(o.fd);
	close(server);
}

static void only_local_port(const char *range)
{
	int fd = open("/proc/sys/net/ipv4/ip_local_port_range", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, range, strlen(range)) != (ssize_t)strlen(range))
		_exit(77);
	close(fd);
}

/* In another network namespace whose only local port is the dialled one. */
static void meet_oneself(void)
{
	struct address a = literal_address("127.0.0.1", 40001);
	struct address_list list = {.n = 1};
	struct outcome o;
	int fd;

	if (!own_loopback())
		_exit(77);
	/* The control: a plain connect() connects to itself. */
	only_local_port("40001 40001");
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (void *)&a.sa, a.len) < 0)
		_exit(78);
	/* Another port, because the first one is still in use. */
	only_local_port("40003 40003");
	list.item[0] = literal_address("127.0.0.1", 40003);
	o = dial(&list);
	_exit(o.ret == -ECONNREFUSED && o.err.kind == ERR_RETRY ? 0 : 1);
}

static void self_connect(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0)
		meet_oneself();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip_because("needs a network namespace");
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(connects),
	    cmocka_unit_test(refused),
	    cmocka_unit_test(link_local_without_interface),
	    cmocka_unit_test(all_refused),
	    cmocka_unit_test(failures_named),
	    cmocka_unit_test(one_family),
	    cmocka_unit_test(staggered),
	    cmocka_unit_test(freed_under_way),
	    cmocka_unit_test(unix_missing),
	    cmocka_unit_test(unix_full),
	    cmocka_unit_test(unix_forbidden),
	    cmocka_unit_test(from_interface),
	    cmocka_unit_test(from_address),
	    cmocka_unit_test(self_connect),
	};

	return cmocka_run_group_tests_name("transport-dial", tests, NULL, NULL);
}
