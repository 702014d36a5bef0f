/* SPDX-License-Identifier: MIT */
/* Long: a list of cases, each read by itself. */
/* The relay between real sockets, in plain text: what it forwards, how it ends, what it drops. */
#include "relay-fixture.h"

#include <linux/filter.h>
#include <poll.h>

#include "nbd/wire.h"
#include "worker/relay.h"

#define SOME	 (3U << 20)  /* bytes */
#define TOO_MUCH (64U << 20) /* more than all buffers between hold */

static void send_request(int fd, uint16_t type, uint32_t len, uint8_t *request)
{
	memset(request, 0, NBD_REQUEST_LEN);
	put_be32(request, NBD_REQUEST_MAGIC);
	put_be16(request + 6, type);
	put_be32(request + 24, len);
	/* In two pieces, as a socket may deliver it. */
	assert_int_equal(send(fd, request, 10, 0), 10);
	usleep(50000);
	assert_int_equal(send(fd, request + 10, 18, 0), 18);
}

static void send_reply(int fd, uint32_t error)
{
	uint8_t reply[NBD_SIMPLE_LEN] = {0};

	put_be32(reply, NBD_SIMPLE_MAGIC);
	put_be32(reply + 4, error);
	assert_int_equal(send(fd, reply, sizeof(reply), 0), sizeof(reply));
}

static uint32_t peer_timeout_ms = 5000;

static void relay(int sock, int kernel)
{
	const struct relay_config cfg = {
	    .sock = sock, .kernel = kernel, .peer_timeout_ms = peer_timeout_ms, .leave_ms = 3500};
	struct relay *r = relay_new(&cfg);

	if (!r)
		_exit(1);
	_exit((int)relay_run(r));
}

static void way_open(struct relay_ends *w)
{
	relay_open(w, relay);
}

/* Checks that it ends by itself within five seconds, and why. */
static void way_ended(struct relay_ends *w, enum relay_end why)
{
	int status = -1, n = 0;

	while (waitpid(w->pid, &status, WNOHANG) == 0 && n++ < 500)
		usleep(10000);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), why);
	if (w->kernel >= 0)
		close(w->kernel);
	if (w->server >= 0)
		close(w->server);
}

static uint8_t pattern(size_t i)
{
	return (uint8_t)(i * 31 + i / 251);
}

/* Another child writes, so that both ends may be busy. */
static pid_t writer(int fd, size_t len)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		uint8_t buf[5000];
		size_t at = 0;

		while (at < len) {
			size_t n = len - at < sizeof(buf) ? len - at : sizeof(buf);
			ssize_t sent;

			for (size_t i = 0; i < n; i++)
				buf[i] = pattern(at + i);
			sent = send(fd, buf, n, MSG_NOSIGNAL);
			if (sent < 0)
				_exit(1);
			at += (size_t)sent;
		}
		_exit(0);
	}
	return pid;
}

static void read_pattern(int fd, size_t len)
{
	static uint8_t buf[65536];
	size_t at = 0;

	while (at < len) {
		ssize_t n = recv(fd, buf, len - at < sizeof(buf) ? len - at : sizeof(buf), 0);

		assert_true(n > 0);
		for (size_t i = 0; i < (size_t)n; i++)
			assert_int_equal(buf[i], pattern(at + i));
		at += (size_t)n;
	}
}

static void ended_well(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void moves_both_ways(void **state)
{
	struct relay_ends w;
	pid_t up, down;

	(void)state;
	way_open(&w);
	up = writer(w.kernel, SOME);
	down = writer(w.server, SOME);
	read_pattern(w.server, SOME);
	read_pattern(w.kernel, SOME);
	ended_well(up);
	ended_well(down);
	close(w.server);
	w.server = -1;
	way_ended(&w, RELAY_END_SERVER);
}

/* One blocked direction must not block the other. */
static void directions_are_independent(void **state)
{
	struct relay_ends w;
	pid_t up, down;
	int status;

	(void)state;
	way_open(&w);
	up = writer(w.kernel, TOO_MUCH); /* the server reads nothing */
	usleep(300000);
	down = writer(w.server, SOME);
	read_pattern(w.kernel, SOME);
	ended_well(down);
	assert_int_equal(waitpid(up, &status, WNOHANG), 0);
	read_pattern(w.server, TOO_MUCH);
	ended_well(up);
	close(w.server);
	w.server = -1;
	way_ended(&w, RELAY_END_SERVER);
}

/* Detach: the kernel sends DISC, and everything before must arrive. */
static void goodbye_is_delivered(void **state)
{
	struct relay_ends w;
	uint8_t disc[NBD_REQUEST_LEN], got[NBD_REQUEST_LEN + 1];
	size_t have = 0;
	ssize_t n;

	(void)state;
	way_open(&w);
	send_request(w.kernel, NBD_CMD_WRITE, 100000, disc);
	ended_well(writer(w.kernel, 100000));
	send_request(w.kernel, NBD_CMD_DISC, 0, disc);
	close(w.kernel);
	w.kernel = -1;
	assert_int_equal(recv(w.server, got, NBD_REQUEST_LEN, MSG_WAITALL), NBD_REQUEST_LEN);
	read_pattern(w.server, 100000);
	while ((n = recv(w.server, got + have, sizeof(got) - have, 0)) > 0)
		have += (size_t)n;
	assert_int_equal(n, 0); /* an end, not a reset */
	assert_int_equal(have, sizeof(disc));
	assert_memory_equal(got, disc, sizeof(disc));
	way_ended(&w, RELAY_END_DRIVER);
}

/* The kernel has given the connection up: no data may arrive late. */
static void hang_up_resets(void **state)
{
	struct relay_ends w;
	uint8_t buf[65536];
	ssize_t n;

	(void)state;
	way_open(&w);
	ended_well(writer(w.kernel, 28));
	usleep(100000);
	close(w.kernel);
	w.kernel = -1;
	way_ended(&(struct relay_ends){.kernel = -1, .server = -1, .pid = w.pid}, RELAY_END_DRIVER);
	do
		n = recv(w.server, buf, sizeof(buf), 0);
	while (n > 0);
	assert_int_equal(n, -1);
	assert_int_equal(errno, ECONNRESET);
	close(w.server);
}

/* The same with a server that does not read, and all buffers full. */
static void hang_up_is_noticed_when_full(void **state)
{
	struct relay_ends w;
	pid_t up;
	int status;

	(void)state;
	way_open(&w);
	up = writer(w.kernel, TOO_MUCH);
	usleep(500000);
	assert_int_equal(waitpid(up, &status, WNOHANG), 0); /* it is blocked */
	shutdown(w.kernel, SHUT_RDWR);
	waitpid(up, &status, 0);
	way_ended(&w, RELAY_END_DRIVER);
}

/* Data that the server sent before its end reaches the kernel. */
static void last_replies_arrive(void **state)
{
	struct relay_ends w;
	char end;

	(void)state;
	way_open(&w);
	ended_well(writer(w.server, 200000));
	close(w.server);
	w.server = -1;
	usleep(200000);
	read_pattern(w.kernel, 200000);
	assert_int_equal(recv(w.kernel, &end, 1, 0), 0);
	way_ended(&w, RELAY_END_SERVER);
}

static void arrives(int fd, size_t len)
{
	uint8_t got[8192];

	assert_true(len <= sizeof(got));
	assert_int_equal(recv(fd, got, len, MSG_WAITALL), len);
}

static void nothing_arrives(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, ms), 0);
}

/* A relay whose server has got n requests. */
static void open_with_requests(struct relay_ends *w, unsigned n)
{
	uint8_t request[NBD_REQUEST_LEN];

	way_open(w);
	for (unsigned i = 0; i < n; i++)
		send_request(w->kernel, NBD_CMD_WRITE, 0, request);
	arrives(w->server, n * sizeof(request));
}

/*
 * A server that shuts down refuses requests. Its other replies reach the kernel, the refusal does
 * not. The server gets a disconnect, and the kernel's end comes after the server's.
 */
static void refusal_of_a_shutdown_is_an_end(void **state)
{
	struct relay_ends w;
	uint8_t end;

	(void)state;
	open_with_requests(&w, 3);
	send_reply(w.server, 0);
	send_reply(w.server, NBD_ESHUTDOWN);
	send_reply(w.server, EIO); /* an error like this one is the kernel's */
	assert_int_equal(recv(w.server, &end, 1, 0), 0);
	arrives(w.kernel, 2 * NBD_SIMPLE_LEN);
	nothing_arrives(w.kernel, 2500); /* it may still work */
	close(w.server);
	w.server = -1;
	assert_int_equal(recv(w.kernel, &end, 1, 0), 0);
	way_ended(&w, RELAY_END_SERVER);
}

/* Such a server may carry out requests that it has: it is not disconnected before they are over. */
static void requests_in_flight_are_waited_for(void **state)
{
	struct relay_ends w;
	uint8_t request[NBD_REQUEST_LEN], end;

	(void)state;
	open_with_requests(&w, 2);
	send_reply(w.server, NBD_ESHUTDOWN);
	nothing_arrives(w.server, 300); /* also no end */
	send_request(w.kernel, NBD_CMD_WRITE, 0, request);
	nothing_arrives(w.server, 300); /* a new one is for the next connection */
	send_reply(w.server, 0);
	arrives(w.kernel, NBD_SIMPLE_LEN);
	assert_int_equal(recv(w.server, &end, 1, 0), 0);
	close(w.server);
	w.server = -1;
	assert_int_not_equal(recv(w.kernel, &end, 1, 0), 1);
	way_ended(&w, RELAY_END_SERVER);
}

/* It has closed without an answer, and before we did: it carries out nothing more. */
static void a_server_that_shuts_down_may_close_first(void **state)
{
	struct relay_ends w;
	(void)state;
	open_with_requests(&w, 2);
	send_reply(w.server, NBD_ESHUTDOWN);
	usleep(100000);
	close(w.server);
	w.server = -1;
	way_ended(&w, RELAY_END_SERVER);
}

/* What has gone out in part is sent whole: the server could not answer it otherwise. */
static void a_request_is_not_cut_by_a_shutdown(void **state)
{
	struct relay_ends w;
	uint8_t request[NBD_REQUEST_LEN], data[4096] = {1}, end;

	(void)state;
	way_open(&w);
	send_request(w.kernel, NBD_CMD_WRITE, 0, request);
	send_request(w.kernel, NBD_CMD_WRITE, sizeof(data), request);
	assert_int_equal(send(w.kernel, data, 1000, 0), 1000);
	arrives(w.server, 2 * sizeof(request) + 1000);
	send_reply(w.server, NBD_ESHUTDOWN);
	nothing_arrives(w.server, 300);
	/* With the next one behind it, which must not follow. */
	assert_int_equal(send(w.kernel, data, 3096 + 28, 0), 3096 + 28);
	arrives(w.server, 3096);
	nothing_arrives(w.server, 300);
	send_reply(w.server, NBD_ESHUTDOWN);
	assert_int_equal(recv(w.server, &end, 1, 0), 0);
	close(w.server);
	w.server = -1;
	way_ended(&w, RELAY_END_SERVER);
}

/* A server that has answered all and does not end is left; one that still holds a request is not.
 */
static void a_shutdown_without_end_is_left(void **state)
{
	struct relay_ends w;
	uint8_t request[NBD_REQUEST_LEN], end;

	(void)state;
	way_open(&w);
	send_request(w.kernel, NBD_CMD_WRITE, 0, request);
	send_reply(w.server, NBD_ESHUTDOWN);
	assert_int_equal(recv(w.kernel, &end, 1, 0), 0);
	way_ended(&w, RELAY_END_SERVER);

	open_with_requests(&w, 2);
	send_reply(w.server, NBD_ESHUTDOWN);
	nothing_arrives(w.kernel, 5000);
	close(w.server);
	w.server = -1;
	way_ended(&w, RELAY_END_SERVER);
}

/* A reset is the server's end as well; the error of a host that has vanished is not. */
static void the_reason_is_told(void **state)
{
	const struct linger now = {.l_onoff = 1};
	struct sock_filter nothing = {.code = BPF_RET | BPF_K, .k = 0};
	const struct sock_fprog program = {.len = 1, .filter = &nothing};
	struct relay_ends w;

	(void)state;
	way_open(&w);
	assert_int_equal(setsockopt(w.server, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	close(w.server);
	w.server = -1;
	way_ended(&w, RELAY_END_SERVER);

	peer_timeout_ms = 1000;
	way_open(&w);
	peer_timeout_ms = 5000;
	assert_int_equal(
	    setsockopt(w.server, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)), 0);
	ended_well(writer(w.kernel, 28));
	way_ended(&w, RELAY_END_SILENT);
}

static void killed_relay_resets(void **state)
{
	struct relay_ends w;
	uint8_t buf[64];
	ssize_t n;

	(void)state;
	way_open(&w);
	ended_well(writer(w.kernel, 28));
	read_pattern(w.server, 28);
	kill(w.pid, SIGKILL);
	waitpid(w.pid, NULL, 0);
	n = recv(w.server, buf, sizeof(buf), 0);
	assert_int_equal(n, -1);
	assert_int_equal(errno, ECONNRESET);
	close(w.server);
	close(w.kernel);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(moves_both_ways),
	    cmocka_unit_test(directions_are_independent),
	    cmocka_unit_test(goodbye_is_delivered),
	    cmocka_unit_test(hang_up_resets),
	    cmocka_unit_test(hang_up_is_noticed_when_full),
	    cmocka_unit_test(last_replies_arrive),
	    cmocka_unit_test(refusal_of_a_shutdown_is_an_end),
	    cmocka_unit_test(requests_in_flight_are_waited_for),
	    cmocka_unit_test(a_server_that_shuts_down_may_close_first),
	    cmocka_unit_test(a_request_is_not_cut_by_a_shutdown),
	    cmocka_unit_test(a_shutdown_without_end_is_left),
	    cmocka_unit_test(the_reason_is_told),
	    cmocka_unit_test(killed_relay_resets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
