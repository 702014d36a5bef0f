/* SPDX-License-Identifier: MIT */
/*
 * The part alone, with a real server whose export is larger than the device. The device does not
 * exist, so no moment without requests is ever seen; the stub tests how it grows.
 */
#include "helper-fixture.h"
#include "server-fixture.h"

#include "kernel/kernel.h"
#include "supervise/resize/resize-private.h"
#include "supervise/resize/resize.h"

#define EXPORT_SIZE (1 << 20)

static struct {
	struct kernel kernel;
	struct loop *loop;
	struct helpers *helpers;
	struct endpoint endpoint;
	struct address_list addresses;
	struct attachment at;
	struct part_env env;
	struct links *links;
	struct resize *z;
	struct resize_view view;
	int refuses; /* what `check` answers */
	int server;  /* the other end of the device's connection */
	/* The events of the part. */
	unsigned answered, connected, renewed, grown;
	int status;
	char sentence[ERR_MESSAGE_MAX];
} f;

static void look(struct resize_view *ret_view, void *arg)
{
	(void)arg;
	*ret_view = f.view;
}

static void answer(int status, const char *sentence, void *arg)
{
	(void)arg;
	f.answered++;
	f.status = status;
	snprintf(f.sentence, sizeof(f.sentence), "%s", sentence);
}

static void connected(const struct attempt_result *result, void *arg)
{
	(void)arg;
	assert_int_equal(result->export.size, EXPORT_SIZE);
	f.connected++;
}

static void renew(const int *fd, size_t n, void *arg)
{
	(void)fd;
	(void)n;
	(void)arg;
	f.renewed++;
}

static void grown(uint64_t size, void *arg)
{
	(void)size;
	(void)arg;
	f.grown++;
}

static int check(const struct nbd_export *e, uint64_t *ret_size, struct err *err, void *arg)
{
	(void)arg;
	*ret_size = e->size;
	return f.refuses ? err_set(err, ERR_PERMANENT, f.refuses, "another export") : 0;
}

static int content_differs; /* 0 or -errno */

static int check_content(const struct attempt_result *result, struct err *err, void *arg)
{
	(void)arg;
	assert_true(result->fd >= 0); /* a question for the size has read no content */
	return content_differs ? err_set(err, ERR_PERMANENT, -content_differs, "it is another disk")
			       : 0;
}

static void link_died(unsigned alive, const char *why, void *arg)
{
	(void)alive;
	(void)why;
	(void)arg;
}

static int setup(void **state)
{
	static const struct kernel_ops ops = {.name = "test"};
	static const struct resize_events events = {.look = look,
						    .answer = answer,
						    .check_content = check_content,
						    .connected = connected,
						    .renew = renew,
						    .grown = grown,
						    .check = check};
	const struct helpers_config helpers = {.spares = 1};
	struct resize_config cfg = {.connect_timeout_ms = 10000, .peer_timeout_ms = 10000};
	struct err err;
	int pair[2];

	(void)state;
	memset(&f, 0, sizeof(f));
	f.kernel.ops = &ops;
	f.loop = loop_new();
	attachment_init(&f.at, "here");
	f.at.index = 4000;
	f.at.plan = (struct plan){.size = EXPORT_SIZE / 2, .block_size = 512, .connections = 1};
	f.env = (struct part_env){.loop = f.loop, .kernel = &f.kernel, .at = &f.at};
	f.env.offload = offload_new(f.loop);
	f.links = links_new(f.loop, link_died, NULL);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(links_add(f.links, pair[0]), 0);
	assert_int_equal(links_watch(f.links), 0);
	f.server = pair[1];
	if (helpers_new(f.loop, &helpers, &f.helpers, &err) < 0 ||
	    helpers_fill(f.helpers, &err) < 0)
		return -1;
	f.view = (struct resize_view){.reconnects = true,
				      .attached = true,
				      .endpoint = &f.endpoint,
				      .addresses = &f.addresses,
				      .helpers = f.helpers,
				      .unix_uid = (uid_t)-1};
	cfg.links = f.links;
	cfg.helpers = f.helpers;
	f.z = resize_new(&f.env, &cfg, &events, &f);
	assert_non_null(f.z);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	resize_stop(f.z);
	helpers_free(f.helpers);
	assert_true(offload_free(f.env.offload));
	resize_free(f.z);
	links_free(f.links);
	endpoint_done(&f.endpoint);
	loop_free(f.loop);
	close(f.server);
	return 0;
}

static pid_t start_server(void)
{
	struct address at = literal_address("127.0.0.1", 0);
	pid_t pid = server_start(listen_at(&at, 8), good_server);

	tcp_endpoint(&f.endpoint, "nonexistent.invalid", 1);
	f.addresses = (struct address_list){.n = 1, .item = {at}};
	return pid;
}

static void await(const unsigned *count)
{
	for (int i = 0; i < 1500 && *count == 0; i++)
		loop_run_for(f.loop, 10);
	assert_int_not_equal(*count, 0);
}

static void assert_answer(int status, const char *words)
{
	await(&f.answered);
	assert_int_equal(f.status, status);
	assert_non_null(strstr(f.sentence, words));
	assert_false(resize_is_asked(f.z));
	f.answered = 0;
}

static void the_size_is_the_same(void **state)
{
	pid_t pid = start_server();

	(void)state;
	f.at.plan.size = EXPORT_SIZE;
	resize_ask(f.z);
	assert_true(resize_is_asked(f.z));
	assert_int_equal(f.answered, 0);
	assert_answer(0, "has the export's size");
	assert_int_equal(f.connected, 0); /* a connection for the question, and none to keep */
	server_stop(pid);
}

static void a_smaller_export(void **state)
{
	pid_t pid = start_server();

	(void)state;
	f.at.plan.size = f.at.known.size = 2 * EXPORT_SIZE;
	resize_ask(f.z);
	assert_answer(err_exit_status(ERR_PERMANENT), "smaller now");
	server_stop(pid);
}

static void another_export(void **state)
{
	pid_t pid = start_server();

	(void)state;
	f.refuses = ESTALE;
	resize_ask(f.z);
	assert_answer(err_exit_status(ERR_PERMANENT), "another export");
	server_stop(pid);
}

/* Not before a connection is made for the device: a question for the size reads nothing. */
static void another_disk(void **state)
{
	pid_t pid = start_server();

	(void)state;
	content_differs = -EXDEV;
	resize_ask(f.z);
	assert_answer(err_exit_status(ERR_PERMANENT), "another disk");
	assert_int_equal(f.connected + f.renewed, 0);
	content_differs = 0;
	server_stop(pid);
}

static void a_server_that_does_not_answer(void **state)
{
	(void)state;
	tcp_endpoint(&f.endpoint, "127.0.0.1", unused_port("127.0.0.1"));
	resize_ask(f.z);
	assert_answer(err_exit_status(ERR_RETRY), "accepts only one client");
}

/* Makes as many connections as the device has; they wait for a moment without requests. */
static void a_larger_export(void **state)
{
	pid_t pid = start_server();
	unsigned open = open_descriptors();

	(void)state;
	resize_ask(f.z);
	await(&f.connected);
	loop_run_for(f.loop, 300);
	assert_int_equal(f.connected, 1);
	assert_int_equal(f.answered, 0);
	/* It is unknown whether the device is idle, so it does not count as idle. */
	assert_int_equal(f.renewed + f.grown, 0);
	/* It does not grow before its connections know the size. */
	assert_false(resize_is_due(f.z));
	/* A detach ends all of this. */
	resize_stop(f.z);
	assert_answer(err_exit_status(ERR_BUSY), "being detached");
	loop_run_for(f.loop, 300);
	assert_in_range(open_descriptors(), 0, open + 3); /* those of a spare worker */
	assert_int_equal(f.renewed, 0);
	server_stop(pid);
}

static void an_outage_comes_first(void **state)
{
	pid_t pid = start_server();

	(void)state;
	f.view.attached = false;
	resize_ask(f.z);
	assert_answer(err_exit_status(ERR_RETRY), "a connection to the server is lost");
	/* Also when it begins after the question. */
	f.view.attached = true;
	resize_ask(f.z);
	await(&f.connected);
	f.view.attached = false;
	assert_answer(err_exit_status(ERR_RETRY), "a connection to the server is lost");
	server_stop(pid);
}

static void where_it_cannot_be(void **state)
{
	static const struct kernel_ops fixed = {.name = "test", .fixed = true};

	(void)state;
	tcp_endpoint(&f.endpoint, "127.0.0.1", unused_port("127.0.0.1"));
	f.view.leaving = true;
	resize_ask(f.z);
	assert_answer(err_exit_status(ERR_BUSY), "being detached");
	f.view.leaving = false;
	f.view.reconnects = false;
	resize_ask(f.z);
	assert_answer(err_exit_status(ERR_FAILED), "--no-reconnect");
	f.kernel.ops = &fixed;
	resize_ask(f.z);
	assert_answer(err_exit_status(ERR_SYSTEM), "ioctl");
}

/* The next command does not get the answer of one that has ended. */
static void nobody_waits_any_more(void **state)
{
	pid_t pid = start_server();

	(void)state;
	f.at.plan.size = EXPORT_SIZE;
	resize_ask(f.z);
	resize_forget_asked(f.z);
	loop_run_for(f.loop, 700);
	assert_int_equal(f.answered, 0);
	server_stop(pid);
}

/* The smallest size that a connection knows counts. */
static void what_the_connections_know(void **state)
{
	(void)state;
	assert_false(resize_is_due(f.z));
	resize_note_size(f.z, EXPORT_SIZE, false);
	assert_true(resize_is_due(f.z));
	resize_note_size(f.z, EXPORT_SIZE / 2, true);
	assert_false(resize_is_due(f.z));
	/* One of the connections does not know it. */
	resize_note_size(f.z, EXPORT_SIZE, true);
	assert_false(resize_is_due(f.z));
	resize_note_size(f.z, EXPORT_SIZE, false);
	assert_true(resize_is_due(f.z));
	/* It is unknown whether a request is under way. */
	resize_grow_when_idle(f.z);
	loop_run_for(f.loop, 100);
	assert_int_equal(f.grown, 0);
}

/* Another program has detached the device since the moment was found. */
static void a_device_that_is_gone(void **state)
{
	(void)state;
	f.z->asked = true;
	resize_note_size(f.z, EXPORT_SIZE, false);
	resize_grow(f.z);
	assert_answer(err_exit_status(ERR_FAILED), "another program has detached /dev/nbd4000");
	assert_int_equal(f.grown, 0);
}

static void a_part_that_is_not_there(void **state)
{
	(void)state;
	resize_stop(NULL);
	resize_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(the_size_is_the_same, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_smaller_export, setup, teardown),
	    cmocka_unit_test_setup_teardown(another_export, setup, teardown),
	    cmocka_unit_test_setup_teardown(another_disk, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_server_that_does_not_answer, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_larger_export, setup, teardown),
	    cmocka_unit_test_setup_teardown(an_outage_comes_first, setup, teardown),
	    cmocka_unit_test_setup_teardown(where_it_cannot_be, setup, teardown),
	    cmocka_unit_test_setup_teardown(nobody_waits_any_more, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_the_connections_know, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_device_that_is_gone, setup, teardown),
	    cmocka_unit_test(a_part_that_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
