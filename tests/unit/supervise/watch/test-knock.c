/* SPDX-License-Identifier: MIT */
/* Real connections, one side of which ends without a word to the other. */
#include "transport-fixture.h"

#include <netinet/in.h>
#include <poll.h>

#include "supervise/watch/knock.h"
#include "skip.h"

#define WAIT_MS 30000

static struct loop *loop;
static int listening, server;
static struct diag_socket at;

/* Leaves a connection whose server does not know that its client has gone: a RST that was lost. */
static int setup_at(const char *host)
{
	struct address address = literal_address(host, 0);
	int repair = 1, ours = socket(address.sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	loop = loop_new();
	listening = listen_at(&address, 1);
	assert_int_equal(connect(ours, (void *)&address.sa, address.len), 0);
	server = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	assert_true(server >= 0);
	assert_int_equal(diag_describe(ours, &at), 0);
	/* It needs CAP_NET_ADMIN; without it the end is told. */
	repair = setsockopt(ours, IPPROTO_TCP, TCP_REPAIR, &repair, sizeof(repair));
	close(ours);
	return repair;
}

static void clear(void)
{
	close(server);
	close(listening);
	loop_free(loop);
}

static bool ends(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLRDHUP};

	for (int i = 0; i < WAIT_MS / 10 && poll(&p, 1, 0) == 0; i++)
		loop_run_for(loop, 10);
	return p.revents != 0;
}

static void the_server_learns_of_the_end(const char *host)
{
	struct pollfd p = {.events = POLLRDHUP};
	struct knock *k;
	char byte;
	int next;

	if (setup_at(host) < 0) {
		clear();
		skip_because("TCP_REPAIR needs CAP_NET_ADMIN");
	}
	p.fd = server;
	assert_int_equal(poll(&p, 1, 100), 0); /* the server does not know */
	k = knock_new(loop, &at, 0);
	assert_non_null(k);
	assert_true(ends(server));
	assert_int_equal(recv(server, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, ECONNRESET);

	/* The new connection ends in order, although the server greets it. */
	p = (struct pollfd){.fd = listening, .events = POLLIN};
	for (int i = 0; i < WAIT_MS / 10 && poll(&p, 1, 0) == 0; i++)
		loop_run_for(loop, 10);
	next = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	assert_true(next >= 0);
	assert_int_equal(send(next, "NBDMAGIC", 8, MSG_NOSIGNAL), 8);
	assert_true(ends(next));
	assert_int_equal(recv(next, &byte, 1, MSG_DONTWAIT), 0);
	close(next);
	loop_run_for(loop, 50);
	knock_free(k);
	clear();
}

static void the_server_learns_of_the_end_4(void **state)
{
	(void)state;
	the_server_learns_of_the_end("127.0.0.1");
}

static void the_server_learns_of_the_end_6(void **state)
{
	(void)state;
	the_server_learns_of_the_end("::1");
}

/* Nothing listens there: it tries again, and can be ended at any time. */
static void without_an_answer(void **state)
{
	struct knock *k;

	(void)state;
	setup_at("127.0.0.1");
	close(listening);
	close(server);
	listening = server = -1;
	k = knock_new(loop, &at, 0);
	assert_non_null(k);
	loop_run_for(loop, 100);
	knock_free(k);
	knock_free(NULL);
	clear();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_server_learns_of_the_end_4),
	    cmocka_unit_test(the_server_learns_of_the_end_6),
	    cmocka_unit_test(without_an_answer),
	};

	/* While another program listens at the port of the client, nobody can knock from there. */
	(void)own_loopback();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
