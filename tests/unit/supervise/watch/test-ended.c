/* SPDX-License-Identifier: MIT */
/* Long: a list of cases, each read by itself. */
/*
 * supervise/watch/ended.c: what proves that a server carries out nothing more of a connection that
 * ended at our side first, with every order of its FIN, a reset, a late reply and a request that
 * slipped in. `driver` is the kernel's reference to the same socket.
 */
#include "transport-fixture.h"

#include "supervise/watch/ended.h"

#define LONG 600000 /* ms: no connection is given up before */

struct connection {
	int ours, driver, theirs;
	uint64_t position;
};

static struct connection connect_by(bool tcp)
{
	struct connection c;
	int pair[2];

	if (tcp) {
		struct address at = literal_address("127.0.0.1", 0);
		int fd = listen_at(&at, 1);

		c.ours = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(c.ours, (void *)&at.sa, at.len), 0);
		c.theirs = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		assert_true(c.theirs >= 0);
		close(fd);
	} else {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		c.ours = pair[0];
		c.theirs = pair[1];
	}
	c.driver = fcntl(c.ours, F_DUPFD_CLOEXEC, 3);
	return c;
}

static void done(struct connection *c, struct ended *e)
{
	ended_close(e);
	close_fdp(&c->driver);
	close_fdp(&c->theirs);
}

/* Does the same as links_renew(). */
static struct ended end_it(struct connection *c)
{
	struct ended e = {
	    .fd = c->ours, .how = ENDED_BY_US, .close_ms = 2 * LONG, .ended_at = loop_now()};
	uint64_t now;

	assert_int_equal(shutdown(c->ours, SHUT_WR), 0);
	e.clean = ended_position(c->ours, &now) && now == c->position;
	return e;
}

static void remember(struct connection *c)
{
	if (!ended_position(c->ours, &c->position))
		c->position = UINT64_MAX;
}

static void request(struct connection *c)
{
	char in[16];

	assert_int_equal(write(c->driver, "request", 7), 7);
	assert_int_equal(recv(c->theirs, in, 7, MSG_WAITALL), 7);
}

static void reply(struct connection *c)
{
	assert_int_equal(send(c->theirs, "reply", 5, MSG_NOSIGNAL), 5);
	usleep(20000);
}

/* Repeats the question for a while; true once it is settled. */
static bool settles(struct ended *e, uint64_t now)
{
	for (int i = 0; i < 50; i++) {
		if (ended_settled(e, now, 0))
			return true;
		usleep(2000);
	}
	return false;
}

static void positions_count_bytes_and_no_end(void **state)
{
	struct connection c = connect_by(true);
	uint64_t before, after;

	(void)state;
	assert_true(ended_position(c.ours, &before));
	request(&c);
	assert_true(ended_position(c.ours, &after));
	assert_int_equal(after - before, 7);
	assert_int_equal(shutdown(c.ours, SHUT_WR), 0);
	usleep(20000);
	assert_true(ended_position(c.ours, &before));
	assert_int_equal(before, after);
	close(c.ours);
	close(c.driver);
	close(c.theirs);
	c = connect_by(false);
	assert_false(ended_position(c.ours, &before));
	close(c.ours);
	close(c.driver);
	close(c.theirs);
}

/* Nothing was sent since the device was seen idle: the server's FIN settles it. */
static void an_idle_one_settles_with_the_servers_end(bool tcp)
{
	struct connection c = connect_by(tcp);
	struct ended e;

	request(&c);
	reply(&c);
	remember(&c);
	e = end_it(&c);
	assert_int_equal(e.clean, tcp);
	ended_seen_idle(&e, loop_now()); /* the only proof for a Unix socket */
	assert_true(e.clean);
	assert_false(ended_settled(&e, loop_now(), 0));
	assert_false(ended_settled(&e, loop_now() + LONG, 0));
	close_fdp(&c.theirs);
	assert_true(settles(&e, loop_now()));
	assert_false(e.given_up);
	done(&c, &e);
}

static void idle_and_closed(void **state)
{
	(void)state;
	an_idle_one_settles_with_the_servers_end(true);
	an_idle_one_settles_with_the_servers_end(false);
}

/* The driver notices the end by a request of its own, and shuts down both ways. */
static void a_shutdown_by_the_driver_is_not_the_servers_end(void **state)
{
	(void)state;
	for (int tcp = 0; tcp < 2; tcp++) {
		struct connection c = connect_by(tcp);
		struct ended e;

		remember(&c);
		e = end_it(&c);
		ended_seen_idle(&e, loop_now());
		assert_int_equal(shutdown(c.driver, SHUT_RDWR), 0);
		assert_false(ended_settled(&e, loop_now() + LONG, 0));
		close_fdp(&c.theirs);
		assert_true(settles(&e, loop_now()));
		done(&c, &e);
	}
}

/* A request slipped in between the check and the end, and was answered. */
static void a_slipped_request_settles_with_its_reply(void **state)
{
	(void)state;
	for (int tcp = 0; tcp < 2; tcp++) {
		struct connection c = connect_by(tcp);
		struct ended e;

		remember(&c);
		request(&c);
		e = end_it(&c);
		assert_false(e.clean);
		/* The device has it in flight: no check finds it idle. */
		assert_false(ended_settled(&e, loop_now() + LONG, 0));
		reply(&c);
		/* Now a check does, and as the receiving side is open, all replies have come. */
		ended_seen_idle(&e, loop_now() + LONG);
		assert_true(e.clean);
		assert_false(ended_settled(&e, loop_now() + LONG, 0));
		close_fdp(&c.theirs);
		assert_true(settles(&e, loop_now() + LONG));
		assert_false(e.given_up);
		done(&c, &e);
	}
}

/*
 * It slipped in, the driver shut down both ways, and the reply made our own TCP reset the
 * connection. An earlier version took that for the server's end, and corrupted data.
 */
static void a_reset_of_our_own_proves_nothing(void **state)
{
	struct connection c = connect_by(true);
	struct ended e;

	(void)state;
	remember(&c);
	request(&c);
	e = end_it(&c);
	assert_int_equal(shutdown(c.driver, SHUT_RDWR), 0);
	usleep(20000);
	reply(&c);
	assert_false(settles(&e, loop_now()));
	assert_false(ended_settled(&e, loop_now() + LONG, 0));
	/*
	 * Later, requests that wait for a connection are not counted, so this proves nothing any
	 * more.
	 */
	ended_seen_idle(&e, e.ended_at + ENDED_COUNTED_MS);
	assert_false(e.clean);
	assert_false(ended_settled(&e, loop_now() + LONG, 0));
	close_fdp(&c.theirs);
	usleep(20000);
	assert_false(ended_settled(&e, loop_now() + LONG, 0));
	/* Requests wait for it until I/O has failed. */
	ended_release(&e, 5000);
	assert_false(ended_settled(&e, 5000 + ENDED_SETTLE_MS - 1, 0));
	assert_true(ended_settled(&e, 5000 + ENDED_SETTLE_MS, 0));
	assert_true(e.given_up);
	done(&c, &e);
}

/* qemu-nbd answers our end with its own while its requests still run. */
static void a_fin_with_a_request_in_flight_proves_nothing(void **state)
{
	(void)state;
	for (int tcp = 0; tcp < 2; tcp++) {
		struct connection c = connect_by(tcp);
		struct ended e;

		remember(&c);
		request(&c);
		e = end_it(&c);
		assert_int_equal(shutdown(c.theirs, SHUT_WR), 0);
		usleep(20000);
		assert_false(ended_settled(&e, loop_now() + LONG, 0));
		close_fdp(&c.theirs);
		usleep(20000);
		assert_false(ended_settled(&e, loop_now() + LONG, 0));
		ended_seen_idle(&e, e.ended_at + ENDED_COUNTED_MS);
		assert_false(e.clean);
		assert_false(ended_settled(&e, loop_now() + LONG, 0));
		done(&c, &e);
	}
}

/* A vanished host owes us what it holds: neither its FIN nor a reset settles it, only time. */
/* The driver no longer counts the requests of a connection that it has ended itself. */
static void an_idle_device_proves_nothing_of_others(void **state)
{
	static const enum ended_how others[] = {ENDED_BY_DRIVER, ENDED_VANISHED, ENDED_PRESUMED};

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct connection c = connect_by(true);
		struct ended e = {.fd = c.ours, .how = others[i], .ended_at = loop_now()};

		request(&c);
		ended_seen_idle(&e, loop_now());
		assert_false(e.clean);
		done(&c, &e);
	}
}

/* Its server is alive, and may be in the middle of a reply: a reset would end some servers. */
static void one_that_the_driver_ended_is_not_reset(void **state)
{
	struct connection c = connect_by(true);
	struct ended e = {
	    .fd = c.ours, .how = ENDED_BY_DRIVER, .limit_ms = 1000, .ended_at = loop_now()};
	uint64_t asked = loop_now();

	(void)state;
	request(&c);
	assert_int_equal(shutdown(c.driver, SHUT_RDWR), 0);
	assert_false(ended_settled(&e, asked, 0));
	assert_true(ended_settled(&e, asked + 1000, 0));
	assert_true(e.given_up);
	usleep(20000);
	reply(&c);
	done(&c, &e);
}

static void a_vanished_one_takes_its_time(void **state)
{
	(void)state;
	for (int way = 0; way < 3; way++) {
		struct connection c = connect_by(true);
		struct ended e = {.fd = c.ours, .how = ENDED_VANISHED, .limit_ms = ENDED_SETTLE_MS};

		request(&c);
		assert_int_equal(shutdown(c.ours, SHUT_RDWR), 0);
		if (way == 1)
			reply(&c);
		if (way == 2)
			close_fdp(&c.theirs);
		usleep(20000);
		assert_false(ended_settled(&e, 7000, 0));
		assert_false(ended_settled(&e, 7000 + ENDED_SETTLE_MS - 1, 0));
		assert_true(ended_settled(&e, 7000 + ENDED_SETTLE_MS, 0));
		assert_true(e.given_up);
		done(&c, &e);
	}
}

static enum ended_first first(int fd)
{
	socklen_t len = sizeof(int);
	int error = 0;

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	return ended_first(fd, error);
}

static void who_ended_first_is_told(void **state)
{
	struct connection c;

	(void)state;
	for (int tcp = 0; tcp < 2; tcp++) {
		c = connect_by(tcp);
		close_fdp(&c.theirs);
		usleep(20000);
		/* TCP is in CLOSE_WAIT. */
		assert_int_equal(first(c.ours), tcp ? ENDED_FIRST_SERVER : ENDED_FIRST_UNKNOWN);
		close(c.ours);
		close(c.driver);
		c = connect_by(tcp);
		assert_int_equal(shutdown(c.driver, SHUT_RDWR), 0);
		assert_int_equal(first(c.ours), ENDED_FIRST_DRIVER);
		/* A moment later the server has ended, too. */
		close_fdp(&c.theirs);
		usleep(20000);
		assert_int_equal(first(c.ours), ENDED_FIRST_UNKNOWN);
		close(c.ours);
		close(c.driver);
	}
}

/* Requests that the server does not read, until no more can be queued. */
static void fill_the_queue(const struct connection *c)
{
	static const char requests[65536];
	int flags = fcntl(c->driver, F_GETFL);

	assert_int_equal(fcntl(c->driver, F_SETFL, flags | O_NONBLOCK), 0);
	while (write(c->driver, requests, sizeof(requests)) > 0)
		;
	assert_int_equal(fcntl(c->driver, F_SETFL, flags), 0);
}

/* A moment later a reply has made our own TCP reset a connection that the driver ended. */
static void a_reset_after_our_fin_is_not_the_servers(void **state)
{
	enum { ASKED, ANSWERED, FULL, WAYS };
	struct connection c;

	(void)state;
	for (int way = 0; way < WAYS; way++) {
		c = connect_by(true);
		request(&c);
		if (way == ANSWERED)
			reply(&c);
		if (way == FULL)
			fill_the_queue(&c);
		assert_int_equal(shutdown(c.driver, SHUT_RDWR), 0);
		reply(&c);
		usleep(20000);
		assert_int_equal(first(c.ours), ENDED_FIRST_UNKNOWN);
		done(&c, &(struct ended){.fd = c.ours});
	}
}

/* A server that is killed with a request that it has not read resets the connection. */
static void a_killed_server_ends_first(void **state)
{
	struct connection c;

	(void)state;
	for (int fin = 0; fin < 2; fin++) {
		c = connect_by(true);
		request(&c);
		if (fin) {
			assert_int_equal(shutdown(c.theirs, SHUT_WR), 0);
			usleep(20000);
		}
		assert_int_equal(write(c.driver, "request", 7), 7);
		close_fdp(&c.theirs);
		usleep(20000);
		/* As the driver does when it notices. */
		shutdown(c.driver, SHUT_RDWR);
		assert_int_equal(first(c.ours), ENDED_FIRST_SERVER);
		done(&c, &(struct ended){.fd = c.ours});
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(positions_count_bytes_and_no_end),
	    cmocka_unit_test(idle_and_closed),
	    cmocka_unit_test(a_shutdown_by_the_driver_is_not_the_servers_end),
	    cmocka_unit_test(a_slipped_request_settles_with_its_reply),
	    cmocka_unit_test(a_reset_of_our_own_proves_nothing),
	    cmocka_unit_test(a_fin_with_a_request_in_flight_proves_nothing),
	    cmocka_unit_test(an_idle_device_proves_nothing_of_others),
	    cmocka_unit_test(one_that_the_driver_ended_is_not_reset),
	    cmocka_unit_test(a_vanished_one_takes_its_time),
	    cmocka_unit_test(who_ended_first_is_told),
	    cmocka_unit_test(a_reset_after_our_fin_is_not_the_servers),
	    cmocka_unit_test(a_killed_server_ends_first),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("ended", tests, NULL, NULL);
}
