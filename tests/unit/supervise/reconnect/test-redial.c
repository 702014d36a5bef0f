/* SPDX-License-Identifier: MIT */
/* Long: a list of cases, each read by itself. */
/* supervise/reconnect/redial.c: getting a lost server back, with real servers that come and go. */
#include "helper-fixture.h"
#include "server-fixture.h"

#include "supervise/reconnect/redial.h"
#include "transport/helpers.h"
#include "transport/tls-files.h"

static struct loop *loop;
static struct helpers *helpers;
static struct endpoint endpoint;

/* The results of the attempts. */
static struct {
	unsigned taken, refused, failed;
	bool refuse; /* refuses the connections that come */
	int fd[32];
	struct err err;
	struct attempt_result last; /* except for the descriptor */
} got;

static bool on_try(int ret, struct attempt_result *result, const struct err *err, void *arg)
{
	assert_ptr_equal(arg, &got);
	if (ret < 0) {
		assert_null(result);
		assert_string_not_equal(err->message, "");
		got.err = *err;
		got.failed++;
		return false;
	}
	got.last = *result;
	if (got.refuse) {
		got.refused++;
		return false;
	}
	assert_in_range(got.taken, 0, ARRAY_SIZE(got.fd) - 1);
	got.fd[got.taken++] = TAKE_FD(result->fd);
	return true;
}

static int setup(void **state)
{
	const struct helpers_config cfg = {.spares = 1};
	struct err err;

	(void)state;
	memset(&got, 0, sizeof(got));
	loop = loop_new();
	return loop && helpers_new(loop, &cfg, &helpers, &err) == 0 ? helpers_fill(helpers, &err)
								    : -1;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < got.taken; i++)
		close(got.fd[i]);
	helpers_free(helpers);
	endpoint_done(&endpoint);
	loop_free(loop);
	return 0;
}

/* Short delays, so that tests are short too. */
static const struct backoff_config quick = {
    .first_ms = 50, .base_ms = 20, .cap_ms = 200, .fast_ms = 300000, .late_cap_ms = 200};

static struct redial *redial_at(const struct address_list *list, struct redial_config cfg)
{
	struct redial *r;

	/* Known addresses are dialled; the name is not resolved. */
	tcp_endpoint(&endpoint, "nonexistent.invalid", 1);
	cfg.endpoint = &endpoint;
	cfg.addresses = list;
	cfg.helpers = helpers;
	if (!cfg.timeout_ms)
		cfg.timeout_ms = 20000;
	if (!cfg.backoff.cap_ms)
		cfg.backoff = quick;
	r = redial_new(loop, &cfg, on_try, &got);
	assert_non_null(r);
	assert_int_equal(redial_next(r), 0);
	assert_false(redial_connected(r));
	return r;
}

static struct redial *redial_one(const struct address *at)
{
	const struct address_list list = {.n = 1, .item = {*at}};

	return redial_at(&list, (struct redial_config){0});
}

/* Runs until `n` connections came, at most 15 s. Returns the time in ms. */
static uint64_t await_taken(unsigned n)
{
	uint64_t start = loop_now();

	while (got.taken < n && loop_now() - start < 15000)
		loop_run_for(loop, 10);
	assert_int_equal(got.taken, n);
	return loop_now() - start;
}

/* Serves each connection in another process, which ends with the server. */
static void (*serve_one)(int fd);

static void serve_in_parallel(int fd)
{
	pid_t server = getpid();

	signal(SIGCHLD, SIG_IGN);
	if (fork() != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == server)
		serve_one(fd);
	_exit(0);
}

static pid_t parallel_server_start(int listen_fd, void (*serve)(int fd))
{
	serve_one = serve;
	return server_start(listen_fd, serve_in_parallel);
}

static void a_server_that_comes_back_is_found(void **state)
{
	struct address at = literal_address("127.0.0.1", unused_port("127.0.0.1"));
	struct redial *r = redial_one(&at);
	unsigned failed;
	pid_t pid;

	(void)state;
	loop_run_for(loop, 300);
	assert_int_equal(got.failed, 0); /* no connection is wanted */
	redial_want(r, 1, false, false);
	assert_in_range(redial_next(r), loop_now() - 100, loop_now() + 50);
	loop_run_for(loop, 2000);
	failed = got.failed;
	assert_in_range(failed, 3, 200);
	assert_int_equal(got.taken, 0);
	assert_int_equal(got.err.kind, ERR_RETRY);
	assert_int_not_equal(redial_next(r), 0);

	pid = server_start(listen_at(&at, 8), good_server);
	await_taken(1);
	assert_int_equal(got.last.export.size, 1 << 20);
	assert_true(address_equal(&got.last.peer, &at));
	assert_int_equal(redial_next(r), 0);
	failed = got.failed;
	loop_run_for(loop, 500);
	assert_int_equal(got.failed, failed); /* no further attempt was made */
	assert_int_equal(got.taken, 1);
	redial_free(r);
	server_stop(pid);
}

/* Takes a second for each connection. */
static void slow_server(int fd)
{
	usleep(1000000);
	good_server(fd);
}

static void four_are_got_in_parallel(void **state)
{
	struct address at = literal_address("127.0.0.1", 0);
	pid_t pid = parallel_server_start(listen_at(&at, 16), slow_server);
	struct redial *r = redial_one(&at);
	uint64_t ms;

	(void)state;
	redial_want(r, 4, false, false);
	ms = await_taken(4);
	/* One connection to see that the server answers, then the others at once. */
	assert_in_range(ms, 1000, 3900);
	assert_int_equal(redial_next(r), 0);
	loop_run_for(loop, 1500);
	assert_int_equal(got.taken, 4);
	assert_int_equal(got.failed, 0);
	redial_free(r);
	server_stop(pid);
}

/* The server answers, but it is the wrong one, perhaps for an hour. */
static void refusals_slow_it_down(void **state)
{
	struct address at = literal_address("127.0.0.1", 0);
	pid_t pid = parallel_server_start(listen_at(&at, 16), good_server);
	struct redial *r = redial_one(&at);
	unsigned open;

	(void)state;
	got.refuse = true;
	redial_want(r, 2, false, false);
	for (int i = 0; i < 500 && !got.refused; i++)
		loop_run_for(loop, 10);
	loop_run_for(loop, 500);
	open = open_descriptors();
	loop_run_for(loop, 3000);
	/* One more that was planned already; then 1 to 3 s between two. */
	assert_in_range(got.refused, 2, 5);
	assert_in_range(open_descriptors(), 0, open + 4); /* each was closed */
	assert_int_equal(got.taken, 0);
	assert_int_not_equal(redial_next(r), 0);

	got.refuse = false;
	redial_now(r);
	assert_in_range(redial_next(r), loop_now() - 100, loop_now() + 20);
	await_taken(2);
	redial_free(r);
	server_stop(pid);
}

/* Independent of the delay. */
static void now_is_now(void **state)
{
	const struct backoff_config slow = {.first_ms = 3600000,
					    .base_ms = 20,
					    .cap_ms = 3600000,
					    .fast_ms = 300000,
					    .late_cap_ms = 3600000};
	struct address at = literal_address("127.0.0.1", 0);
	pid_t pid = server_start(listen_at(&at, 8), good_server);
	const struct address_list list = {.n = 1, .item = {at}};
	struct redial *r = redial_at(&list, (struct redial_config){.backoff = slow});

	(void)state;
	redial_now(r); /* no connection is wanted */
	assert_int_equal(redial_next(r), 0);
	redial_want(r, 1, false, false);
	assert_in_range(redial_next(r), loop_now() - 100, loop_now() + 3600000);
	redial_now(r);
	assert_in_range(redial_next(r), loop_now() - 100, loop_now() + 20);
	await_taken(1);
	redial_free(r);
	server_stop(pid);
}

/* Stopped: its host accepts, and the handshake gets no answer before it goes on. */
static void a_server_that_resumes_is_not_missed(void **state)
{
	struct address at = literal_address("127.0.0.1", 0);
	pid_t pid = parallel_server_start(listen_at(&at, 16), good_server);
	struct redial *r = redial_one(&at);

	(void)state;
	assert_int_equal(kill(pid, SIGSTOP), 0);
	redial_want(r, 1, false, false);
	loop_run_for(loop, 3000);
	assert_int_equal(got.taken, 0);
	assert_true(redial_connected(r));
	assert_int_equal(kill(pid, SIGCONT), 0);
	await_taken(1);
	assert_int_equal(got.failed, 0);
	assert_false(redial_connected(r));
	redial_free(r);
	server_stop(pid);
}

/* It is killed while it is stopped, and another process takes its place. */
static void a_stopped_server_may_be_replaced(void **state)
{
	struct address at = literal_address("127.0.0.1", 0);
	int fd = listen_at(&at, 16), one = 1;
	pid_t pid;
	struct redial *r = redial_one(&at);

	(void)state;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
	pid = server_start(fd, good_server);
	assert_int_equal(kill(pid, SIGSTOP), 0);
	redial_want(r, 1, false, false);
	loop_run_for(loop, 1500);
	assert_int_equal(got.taken, 0);
	server_stop(pid);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
	assert_int_equal(bind(fd, (void *)&at.sa, at.len), 0);
	assert_int_equal(listen(fd, 8), 0);
	pid = server_start(fd, good_server);
	await_taken(1);
	redial_free(r);
	server_stop(pid);
}

/* Is silent to its first two clients, and does not hang up, either. */
static void mute_twice(int fd)
{
	static unsigned clients;

	if (clients++ < 2)
		assert_true(dup(fd) >= 0);
	else
		good_server(fd);
}

static void two_mute_connections_are_not_waited_for(void **state)
{
	struct address at = literal_address("127.0.0.1", 0);
	pid_t pid = server_start(listen_at(&at, 16), mute_twice);
	struct redial *r = redial_one(&at);

	(void)state;
	redial_want(r, 1, false, false);
	assert_in_range(await_taken(1), 1000, 9000);
	redial_free(r);
	server_stop(pid);
}

static void the_address_that_answered_goes_first(void **state)
{
	struct address dead = literal_address("127.0.0.1", unused_port("127.0.0.1")),
		       good = literal_address("127.0.0.1", 0);
	pid_t pid = parallel_server_start(listen_at(&good, 8), good_server);
	const struct address_list list = {.n = 2, .item = {dead, good}};
	struct redial *r = redial_at(&list, (struct redial_config){0});

	(void)state;
	redial_want(r, 1, false, false);
	await_taken(1);
	/* On a busy machine one or two attempts may have begun before that answer. */
	for (unsigned n = 2; n <= 4 && (n == 2 || !address_equal(got.last.addresses.item, &good));
	     n++) {
		redial_want(r, 1, true, false);
		await_taken(n);
	}
	assert_int_equal(got.last.addresses.n, 2);
	assert_true(address_equal(&got.last.addresses.item[0], &good));
	assert_true(address_equal(&got.last.addresses.item[1], &dead));
	redial_free(r);
	server_stop(pid);
}

/* Long enough that the other address is tried meanwhile. */
static void slower_server(int fd)
{
	usleep(1600000);
	good_server(fd);
}

/* Both answer, one after the other: two connections of a device never lead to two servers. */
static void a_late_answer_of_another_server_is_dropped(void **state)
{
	struct address a = literal_address("127.0.0.1", 0), b = a;
	pid_t first = parallel_server_start(listen_at(&a, 8), slower_server),
	      second = parallel_server_start(listen_at(&b, 8), slower_server);
	const struct address_list list = {.n = 2, .item = {a, b}};
	struct redial *r = redial_at(&list, (struct redial_config){0});
	struct address used;

	(void)state;
	redial_want(r, 2, false, false);
	await_taken(1);
	used = got.last.peer;
	await_taken(2);
	assert_true(address_equal(&got.last.peer, &used));
	redial_free(r);
	server_stop(first);
	server_stop(second);
}

/* Without an address the name is resolved; what it led to is then dialled. */
static void a_name_is_resolved_if_need_be(void **state)
{
	struct address at = literal_address("127.0.0.1", 0);
	pid_t pid = parallel_server_start(listen_at(&at, 8), good_server);
	const struct address_list none = {.n = 0};
	struct redial *r = redial_at(&none, (struct redial_config){0});

	(void)state;
	endpoint_done(&endpoint);
	tcp_endpoint(&endpoint, "localhost", address_port(&at));
	redial_want(r, 2, false, false);
	await_taken(2);
	assert_int_not_equal(got.last.addresses.n, 0);
	assert_true(address_equal(&got.last.addresses.item[0], &at));
	redial_free(r);
	server_stop(pid);
}

/* The server is not to blame, and further connections would wait for the same files. */
static void one_connection_waits_for_the_keys(void **state)
{
	struct address at = literal_address("127.0.0.1", 0);
	int listening = listen_at(&at, 16);
	unsigned connections = 0;
	struct redial *r;
	struct err err;

	(void)state;
	helpers_free(helpers);
	assert_int_equal(
	    helpers_new(loop, &(struct helpers_config){.tls = &endpoint}, &helpers, &err), 0);
	r = redial_one(&at);
	endpoint.tls = true;
	endpoint.tls_type = TLS_TYPE_PSK;
	endpoint.tls_psk_file = strdup("/nowhere/psk");
	tls_files_refresh(helpers_tls_files(helpers));
	assert_true(only_child() > 0);
	assert_int_equal(kill(only_child(), SIGSTOP), 0);
	redial_want(r, 1, false, false);
	loop_run_for(loop, 1500);
	assert_false(redial_connected(r));
	redial_free(r);
	assert_int_equal(got.failed, 0);
	assert_int_equal(fcntl(listening, F_SETFL, O_NONBLOCK), 0);
	for (int fd; (fd = accept(listening, NULL, NULL)) >= 0; connections++)
		close(fd);
	assert_int_equal(connections, 1);
	close(listening);
}

/* The attempt at a server that accepts and is silent is dropped at once. */
static void another_server_is_aimed_at(void **state)
{
	struct address mute = literal_address("127.0.0.1", 0),
		       good = literal_address("127.0.0.1", 0);
	int fd = listen_at(&mute, 8);
	pid_t pid = parallel_server_start(listen_at(&good, 8), good_server);
	const struct address_list list = {.n = 1, .item = {good}};
	struct endpoint other;
	struct redial *r = redial_one(&mute);
	uint64_t begin;

	(void)state;
	tcp_endpoint(&other, "nonexistent.invalid", 2);
	redial_want(r, 1, false, false);
	for (int i = 0; i < 500 && !redial_connected(r); i++)
		loop_run_for(loop, 10);
	assert_true(redial_connected(r));
	begin = loop_now();
	redial_aim(r, &other, helpers, &list, true);
	assert_false(redial_connected(r));
	assert_in_range(redial_next(r), begin, loop_now());
	await_taken(1);
	assert_true(address_equal(&got.last.peer, &good));
	assert_int_equal(redial_addresses(r)->n, 1);
	/* No connection is wanted: the hint is only stored. */
	redial_aim(r, &other, helpers, &list, true);
	assert_int_equal(redial_next(r), 0);
	redial_free(r);
	endpoint_done(&other);
	server_stop(pid);
	close(fd);
}

static void stopping_leaves_nothing(void **state)
{
	struct address at = literal_address("127.0.0.1", 0);
	int fd = listen_at(&at, 16);
	unsigned open;
	struct redial *r;

	(void)state;
	loop_run_for(loop, 500); /* the spare is ready */
	open = open_descriptors();
	r = redial_one(&at);
	redial_want(r, 3, false, false);
	for (int i = 0; i < 500 && !redial_connected(r); i++)
		loop_run_for(loop, 10);
	assert_true(redial_connected(r));
	redial_want(r, 0, false, false);
	assert_false(redial_connected(r));
	assert_int_equal(redial_next(r), 0);
	loop_run_for(loop, 500);
	assert_int_equal(got.taken + got.failed + got.refused, 0);
	assert_in_range(open_descriptors(), 0, open);

	/* Freed during an attempt. */
	redial_want(r, 3, false, false);
	for (int i = 0; i < 500 && !redial_connected(r); i++)
		loop_run_for(loop, 10);
	redial_free(r);
	redial_free(NULL);
	loop_run_for(loop, 500);
	assert_in_range(open_descriptors(), 0, open);
	close(fd);
}

#define WITH_HELPERS(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static void crash(int fd, pid_t parent, const void *setup, size_t len)
{
	(void)fd;
	(void)parent;
	(void)setup;
	(void)len;
	signal(SIGILL, SIG_DFL); /* a sanitizer's handler would make an exit of it */
	raise(SIGILL);
}

static void wait_for_a_client(int fd)
{
	char byte;

	(void)!read(fd, &byte, 1);
}

/* A server that crashes the handshake process gets few attempts. */
static void crashes_are_paused_for(void **state)
{
	struct helpers_config cfg = {.worker = helper_kind(crash, 0)};
	struct helpers *crashing, *kept = helpers;
	struct address at = literal_address("127.0.0.1", 0);
	pid_t pid = server_start(listen_at(&at, 8), wait_for_a_client);
	struct address_list list = {.n = 1, .item = {at}};
	struct redial *r;
	unsigned failed, pause;
	struct err err;

	(void)state;
	assert_int_equal(helpers_new(loop, &cfg, &crashing, &err), 0);
	helpers = crashing;
	r = redial_at(&list, (struct redial_config){0});
	helpers = kept;
	redial_want(r, 1, false, false);
	/*
	 * The first ones come with the pause of a refusal. A network event of this machine may
	 * hurry any of them, the fourth, too.
	 */
	for (unsigned i = 0, hurried = 0; i < 400 && got.failed < 3; i++) {
		/* One at a time: on a busy machine the one before may still be under way. */
		if (got.failed == hurried) {
			redial_now(r);
			hurried++;
		}
		loop_run_for(loop, 20);
	}
	failed = got.failed;
	assert_in_range(failed, 3, 4);
	assert_int_equal(got.err.kind, ERR_PERMANENT);
	assert_non_null(strstr(got.err.message, "crashed"));
	pause = failed == 3 ? 5000 : 10000;
	assert_in_range(redial_next(r), loop_now() + pause - 2000, loop_now() + pause);
	loop_run_for(loop, 500);
	assert_int_equal(got.failed, failed);
	/* The user may try at once, and then the pause has doubled. */
	for (int i = 0; i < 100 && got.failed == failed; i++) {
		if (i == 0)
			redial_now(r);
		loop_run_for(loop, 20);
	}
	assert_int_equal(got.failed, failed + 1);
	assert_in_range(redial_next(r), loop_now() + 2 * pause - 2000, loop_now() + 2 * pause);
	redial_free(r);
	helpers_free(crashing);
	server_stop(pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(crashes_are_paused_for, setup, teardown),
	    WITH_HELPERS(a_server_that_comes_back_is_found),
	    WITH_HELPERS(four_are_got_in_parallel),
	    WITH_HELPERS(refusals_slow_it_down),
	    WITH_HELPERS(now_is_now),
	    WITH_HELPERS(a_server_that_resumes_is_not_missed),
	    WITH_HELPERS(a_stopped_server_may_be_replaced),
	    WITH_HELPERS(two_mute_connections_are_not_waited_for),
	    WITH_HELPERS(the_address_that_answered_goes_first),
	    WITH_HELPERS(a_late_answer_of_another_server_is_dropped),
	    WITH_HELPERS(a_name_is_resolved_if_need_be),
	    WITH_HELPERS(one_connection_waits_for_the_keys),
	    WITH_HELPERS(another_server_is_aimed_at),
	    WITH_HELPERS(stopping_leaves_nothing),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
