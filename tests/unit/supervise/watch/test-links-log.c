/* SPDX-License-Identifier: MIT */
/*
 * supervise/watch/links.c: connections whose sockets do not show who has ended them first; the
 * kernel's log may.
 */
#include "transport-fixture.h"

#include "supervise/watch/ended.h"
#include "supervise/watch/links.h"

static struct loop *loop;
static struct links *links;
static enum kmsg_cut cut;
static int theirs, driver;

static void on_death(unsigned alive, const char *why, void *arg)
{
	(void)why;
	(void)arg;
	assert_int_equal(alive, 0);
}

static enum kmsg_cut ask_log(void *arg)
{
	assert_null(arg);
	return cut;
}

static int setup(void **state)
{
	struct address at = literal_address("127.0.0.1", 0);
	int listener = listen_at(&at, 1), ours = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_int_equal(connect(ours, (void *)&at.sa, at.len), 0);
	theirs = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(theirs >= 0);
	close(listener);
	driver = fcntl(ours, F_DUPFD_CLOEXEC, 3);
	cut = KMSG_CUT_NO;
	loop = loop_new();
	links = links_new(loop, on_death, NULL);
	assert_int_equal(links_add(links, ours), 0);
	return links_watch(links);
}

static int teardown(void **state)
{
	(void)state;
	links_free(links);
	loop_free(loop);
	close(driver);
	close_fdp(&theirs);
	return 0;
}

/* Requests that the server does not read, until no more can be queued. */
static void fill_the_queue(void)
{
	static const char requests[65536];

	assert_int_equal(fcntl(driver, F_SETFL, O_NONBLOCK), 0);
	while (send(driver, requests, sizeof(requests), MSG_NOSIGNAL) > 0)
		;
}

static void kill_the_server(void)
{
	fill_the_queue();
	close_fdp(&theirs); /* it has not read everything, so this resets the connection */
	loop_run_for(loop, 100);
	assert_int_equal(links_alive(links), 0);
}

static void a_killed_server_is_not_waited_for(void **state)
{
	(void)state;
	links_ask_log(links, ask_log);
	kill_the_server();
	assert_false(links_graves(links));
}

static void the_log_is_believed(void **state)
{
	(void)state;
	links_ask_log(links, ask_log);
	cut = KMSG_CUT_WRONG_REPLY;
	kill_the_server();
	assert_true(links_unclean(links));
	assert_false(links_settled(links, loop_now()));
	assert_true(links_settled(links, loop_now() + ENDED_SETTLE_MS));
	assert_int_equal(links_given_up(links), 1);
}

static void without_the_log_a_reset_is_waited_for(void **state)
{
	(void)state;
	kill_the_server();
	assert_true(links_unclean(links));
}

/* The driver is the first; then both sides have ended. */
static void end_both(void)
{
	assert_int_equal(shutdown(driver, SHUT_RDWR), 0);
	close_fdp(&theirs);
	usleep(20000);
	loop_run_for(loop, 100);
	assert_int_equal(links_alive(links), 0);
}

static void an_end_that_the_driver_logged_is_not_the_servers(void **state)
{
	(void)state;
	links_ask_log(links, ask_log);
	cut = KMSG_CUT_WRONG_REPLY;
	end_both();
	assert_true(links_unclean(links));
}

static void a_driver_that_logged_nothing_was_not_the_first(void **state)
{
	(void)state;
	links_ask_log(links, ask_log);
	end_both();
	assert_false(links_graves(links));
}

/* The driver of this device has no timeout, but while it was made to fail I/O it had. */
static void a_timeout_of_others_says_nothing(void **state)
{
	(void)state;
	links_ask_log(links, ask_log);
	cut = KMSG_CUT_TIMEOUT;
	end_both();
	assert_false(links_graves(links));
}

static void a_timeout_counts_with_several_connections(void **state)
{
	(void)state;
	links_ask_log(links, ask_log);
	cut = KMSG_CUT_TIMEOUT;
	links_driver_may_cut(links);
	end_both();
	assert_true(links_unclean(links));
}

/* Without the log. */
static void a_driver_with_a_time_limit_is_not_trusted(void **state)
{
	(void)state;
	links_ask_log(links, ask_log);
	cut = KMSG_CUT_UNKNOWN;
	links_driver_may_cut(links);
	end_both();
	assert_true(links_unclean(links));
}

/* It would have ended the connection because of a wrong reply only. */
static void a_driver_without_one_is(void **state)
{
	(void)state;
	links_ask_log(links, ask_log);
	cut = KMSG_CUT_UNKNOWN;
	end_both();
	assert_false(links_graves(links));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_killed_server_is_not_waited_for, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_log_is_believed, setup, teardown),
	    cmocka_unit_test_setup_teardown(without_the_log_a_reset_is_waited_for, setup, teardown),
	    cmocka_unit_test_setup_teardown(an_end_that_the_driver_logged_is_not_the_servers, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(a_driver_that_logged_nothing_was_not_the_first, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(a_timeout_of_others_says_nothing, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_timeout_counts_with_several_connections, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(a_driver_with_a_time_limit_is_not_trusted, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(a_driver_without_one_is, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
