/* SPDX-License-Identifier: MIT */
/*
 * supervise/watch/links.c: connections whose sockets do not show who has ended them first; the
 * kernel's log may.
 */
#include "transport-fixture.h"

#include "supervise/watch/ended.h"
#include "supervise/watch/links.h"

/* How a connection ends, what is known of its device, and whether the next one has to wait. */
struct end {
	const char *name;
	bool killed; /* a reset by the server, with requests not sent; otherwise both sides end */
	bool asks;   /* the log can be asked */
	enum kmsg_cut cut; /* its answer */
	bool limit;	   /* the driver has a time limit: several connections, or --timeout */
	bool waits;
};

static struct end ends[] = {
    {"a killed server is not waited for", true, true, KMSG_CUT_NO, false, false},
    {"the log is believed", true, true, KMSG_CUT_WRONG_REPLY, false, true},
    {"without the log a reset is waited for", true, false, KMSG_CUT_NO, false, true},
    {"an end that the driver logged is not the server's", false, true, KMSG_CUT_WRONG_REPLY, false,
     true},
    {"a driver that logged nothing was not the first", false, true, KMSG_CUT_NO, false, false},
    /* While this device was made to fail I/O it had a time limit. */
    {"a timeout says nothing of a driver without", false, true, KMSG_CUT_TIMEOUT, false, false},
    {"a timeout counts with several connections", false, true, KMSG_CUT_TIMEOUT, true, true},
    {"log unreadable: a driver with a time limit may have cut", false, true, KMSG_CUT_UNKNOWN, true,
     true},
    {"log unreadable: a driver without one has not", false, true, KMSG_CUT_UNKNOWN, false, false},
};

static struct loop *loop;
static struct links *links;
static int theirs, driver;

static void on_death(unsigned alive, const char *why, void *arg)
{
	(void)why;
	(void)arg;
	assert_int_equal(alive, 0);
}

static enum kmsg_cut ask_log(void *arg)
{
	return ((const struct end *)arg)->cut;
}

static int setup(void **state)
{
	struct address at = literal_address("127.0.0.1", 0);
	int listener = listen_at(&at, 1), ours = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(ours, (void *)&at.sa, at.len), 0);
	theirs = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(theirs >= 0);
	close(listener);
	driver = fcntl(ours, F_DUPFD_CLOEXEC, 3);
	loop = loop_new();
	links = links_new(loop, on_death, *state);
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

static void it_ends(void **state)
{
	const struct end *end = *state;

	if (end->asks)
		links_ask_log(links, ask_log);
	if (end->limit)
		links_driver_may_cut(links);
	if (end->killed)
		fill_the_queue(); /* it does not read everything: its end resets the connection */
	else
		assert_int_equal(shutdown(driver, SHUT_RDWR), 0);
	close_fdp(&theirs);
	usleep(20000);
	loop_run_for(loop, 100);
	assert_int_equal(links_alive(links), 0);
	assert_int_equal(links_graves(links), end->waits);
	if (!end->waits)
		return;
	assert_true(links_unclean(links));
	assert_false(links_settled(links, loop_now()));
	assert_true(links_settled(links, loop_now() + ENDED_SETTLE_MS));
	assert_int_equal(links_given_up(links), 1);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(ends)];

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		tests[i] = (struct CMUnitTest){
		    ends[i].name, it_ends, setup, teardown, &ends[i],
		};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
