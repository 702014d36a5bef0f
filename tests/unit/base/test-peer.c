/* SPDX-License-Identifier: MIT */
/* base/peer.c: when a server's host is dead. Each case is as TCP would report it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/peer.h"
#include "skip.h"

#define LIMIT 10000

/* An established connection whose peer was last heard `heard` ms ago. */
static struct tcp_info heard(uint32_t ms)
{
	return (struct tcp_info){.tcpi_state = PEER_TCP_ESTABLISHED,
				 .tcpi_rto = 204000,
				 .tcpi_last_ack_recv = ms,
				 .tcpi_last_data_recv = ms};
}

static void an_idle_connection_is_well(void **state)
{
	struct tcp_info info = heard(3600000);
	struct peer p = {0};

	(void)state;
	for (uint64_t now = 1; now < 1000000; now += 5000)
		assert_int_equal(peer_judge(&p, &info, now, LIMIT), PEER_WELL);
}

/* The time counts from the last message of the peer, not from the sending or the last check. */
static void data_may_be_unacknowledged_for_the_limit(void **state)
{
	struct tcp_info info = heard(0);
	struct peer p = {0};

	(void)state;
	info.tcpi_unacked = 3;
	assert_int_equal(peer_judge(&p, &info, 50000, LIMIT), PEER_SILENT);
	info.tcpi_retransmits = 5;
	info.tcpi_backoff = 5;
	info.tcpi_rto = 204000 << 5;
	info.tcpi_last_ack_recv = info.tcpi_last_data_recv = 9900;
	assert_int_equal(peer_judge(&p, &info, 59900, LIMIT), PEER_SILENT);
	info.tcpi_last_ack_recv = info.tcpi_last_data_recv = 10000;
	assert_int_equal(peer_judge(&p, &info, 60000, LIMIT), PEER_DEAD);
}

/* After an idle hour the last message is old: the time counts from the first data. */
static void an_idle_hour_is_no_silence(void **state)
{
	struct tcp_info info = heard(3600000);
	struct peer p = {0};

	(void)state;
	info.tcpi_unacked = 1;
	assert_int_equal(peer_judge(&p, &info, 5000000, LIMIT), PEER_SILENT);
	for (uint64_t t = 1000; t < LIMIT; t += 1000) {
		info.tcpi_retransmits = info.tcpi_backoff = t < 3000 ? 2 : t < 6200 ? 4 : 5;
		info.tcpi_total_retrans = info.tcpi_retransmits;
		info.tcpi_rto = 204000u << info.tcpi_retransmits;
		info.tcpi_last_ack_recv = info.tcpi_last_data_recv = 3600000 + (uint32_t)t;
		assert_int_equal(peer_judge(&p, &info, 5000000 + t, LIMIT), PEER_SILENT);
	}
	assert_int_equal(peer_judge(&p, &info, 5000000 + LIMIT, LIMIT), PEER_DEAD);
}

/* A lossy line, a server that takes hours: acknowledgements come, so the host is alive. */
static void whoever_acknowledges_lives(void **state)
{
	struct tcp_info info = heard(0);
	struct peer p = {0};

	(void)state;
	info.tcpi_unacked = 100;
	info.tcpi_retransmits = 2;
	info.tcpi_backoff = 2;
	for (uint64_t now = 1000; now < 10000000; now += 5000) {
		info.tcpi_last_ack_recv = (uint32_t)(now % 9000);
		info.tcpi_last_data_recv = 3600000;
		assert_int_equal(peer_judge(&p, &info, now, LIMIT), PEER_SILENT);
	}
	/* Data from the server counts, too, because its acknowledgements may be lost. */
	info.tcpi_last_ack_recv = 3600000;
	info.tcpi_last_data_recv = 200;
	assert_int_equal(peer_judge(&p, &info, 20000000, LIMIT), PEER_SILENT);
}

/* A server that is stopped, its window closed: TCP probes it, and its host answers. */
static void a_closed_window_is_no_death(void **state)
{
	struct tcp_info info = heard(0);
	struct peer p = {0};

	(void)state;
	for (uint64_t now = 1000; now < 90000000; now += 1000) {
		/* Answered probes reset the count; the next one is unanswered for a moment. */
		info.tcpi_probes = now / 1000 % 2;
		info.tcpi_backoff = 9;
		info.tcpi_last_ack_recv = (uint32_t)(now % 5000);
		info.tcpi_last_data_recv = (uint32_t)now;
		assert_int_not_equal(peer_judge(&p, &info, now, LIMIT), PEER_DEAD);
	}
}

static void unanswered_probes_are_death(void **state)
{
	struct tcp_info info = heard(200);
	struct peer p = {0};

	(void)state;
	info.tcpi_probes = 1;
	assert_int_equal(peer_judge(&p, &info, 100000, LIMIT), PEER_SILENT);
	info.tcpi_probes = 5;
	info.tcpi_backoff = 5;
	info.tcpi_last_ack_recv = info.tcpi_last_data_recv = 9999;
	assert_int_equal(peer_judge(&p, &info, 109999, LIMIT), PEER_SILENT);
	info.tcpi_last_ack_recv = info.tcpi_last_data_recv = 10000;
	assert_int_equal(peer_judge(&p, &info, 110000, LIMIT), PEER_DEAD);
}

/* After a sleep or a takeover, the time that TCP has waited in vain counts. */
static void a_late_first_look_gives_credit(void **state)
{
	struct tcp_info info = heard(20000);
	struct peer p = {0};

	(void)state;
	info.tcpi_unacked = 1;
	info.tcpi_retransmits = info.tcpi_backoff = 6;
	info.tcpi_rto = 204000 << 6; /* 200 ms, doubled 6 times: 12.85 s have passed */
	assert_int_equal(peer_judge(&p, &info, 1000000, LIMIT), PEER_DEAD);

	/* 6 s by its retransmissions, independent of the idle time before. */
	p = (struct peer){0};
	info = heard(500000);
	info.tcpi_unacked = 1;
	info.tcpi_retransmits = info.tcpi_backoff = 5;
	info.tcpi_rto = 204000 << 5;
	assert_int_equal(peer_judge(&p, &info, 1000000, LIMIT), PEER_SILENT);
	assert_in_range(p.silent_since, 1000000 - 6400, 1000000 - 6000);
	assert_int_equal(peer_judge(&p, &info, 1003600, LIMIT), PEER_SILENT);
	assert_int_equal(peer_judge(&p, &info, 1004000, LIMIT), PEER_DEAD);

	/* Never more than the silence itself. */
	p = (struct peer){0};
	info.tcpi_last_ack_recv = 1500;
	info.tcpi_retransmits = 30; /* such a number must not be used as a shift */
	info.tcpi_rto = 120000000;
	assert_int_equal(peer_judge(&p, &info, 1000000, LIMIT), PEER_SILENT);
	assert_int_equal(p.silent_since, 998500);
}

/*
 * After a sleep of this machine a first segment was just sent: there was no question, so no
 * silence.
 */
static void nothing_asked_is_no_death(void **state)
{
	struct tcp_info info = heard(3600000);
	struct peer p = {0};

	(void)state;
	info.tcpi_unacked = 1;
	assert_int_equal(peer_judge(&p, &info, 1000000, LIMIT), PEER_SILENT);
	assert_int_equal(peer_judge(&p, &info, 1000000 + 8 * 3600000, LIMIT), PEER_SILENT);
}

static void an_answer_ends_the_count(void **state)
{
	struct tcp_info info = heard(9000);
	struct peer p = {0};

	(void)state;
	info.tcpi_unacked = 1;
	info.tcpi_retransmits = info.tcpi_backoff = 1;
	info.tcpi_rto = 408000;
	assert_int_equal(peer_judge(&p, &info, 100000, LIMIT), PEER_SILENT);
	info = heard(10);
	assert_int_equal(peer_judge(&p, &info, 109000, LIMIT), PEER_WELL);
	assert_int_equal(p.silent_since, 0);
	info = heard(900);
	info.tcpi_unacked = 1;
	info.tcpi_retransmits = info.tcpi_backoff = 1;
	info.tcpi_rto = 408000;
	assert_int_equal(peer_judge(&p, &info, 110000, LIMIT), PEER_SILENT);
	assert_int_equal(peer_judge(&p, &info, 119000, LIMIT), PEER_SILENT);
}

/* A host without memory for the data answers every retransmission, ever more rarely. */
static void whoever_answers_retransmissions_lives(void **state)
{
	struct tcp_info info = heard(0);
	struct peer p = {0};
	uint64_t now = 1000000;

	(void)state;
	info.tcpi_unacked = 1;
	info.tcpi_last_data_recv = 3600000;
	for (unsigned n = 1; n < 20; n++) {
		info.tcpi_total_retrans = n;
		info.tcpi_backoff = (uint8_t)n;
		info.tcpi_rto = 204000u << (n < 9 ? n : 9);
		for (uint32_t t = 10; t < info.tcpi_rto / 1000; t += 1000) {
			info.tcpi_last_ack_recv = t;
			assert_int_equal(peer_judge(&p, &info, now + t, LIMIT), PEER_SILENT);
		}
		now += info.tcpi_rto / 1000;
	}
	/* One packet may be lost, and two are not. */
	for (uint32_t t = 10; t < 200000; t += 1000) {
		info.tcpi_last_ack_recv = 104448 + t;
		info.tcpi_total_retrans = t < 104448 ? 20 : 21;
		assert_int_equal(peer_judge(&p, &info, now + t, LIMIT),
				 t < 104448 ? PEER_SILENT : PEER_DEAD);
	}
}

/* The same with a real connection: a receiver whose buffer is smaller than the window it gave. */
static void a_real_host_without_memory_lives(void **state)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
	int server, large = 1000000, small = 2048, one = 1;
	socklen_t len = sizeof(sa);
	struct tcp_info info = {.tcpi_state = 0};
	struct peer p = {0};
	char bytes[28] = "";
	bool dropped = false, whole = true;

	(void)state;
	assert_int_equal(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &large, sizeof(large)), 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&sa, &len), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&sa, len), 0);
	server = accept(listener, NULL, NULL);
	assert_true(server >= 0);
	setsockopt(server, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	setsockopt(client, SOL_SOCKET, SO_SNDBUF, &large, sizeof(large));
	setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	for (int i = 0; i < 20000 && send(client, bytes, sizeof(bytes), MSG_DONTWAIT) > 0; i++)
		;
	for (uint64_t now = 1000; now < 5000; now += 50) {
		usleep(50000);
		len = sizeof(info);
		assert_int_equal(getsockopt(client, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
		whole = len >= offsetof(struct tcp_info, tcpi_total_retrans) +
				   sizeof(info.tcpi_total_retrans);
		if (!whole)
			break;
		dropped = dropped || (info.tcpi_unacked && info.tcpi_last_ack_recv > 600);
		assert_int_not_equal(peer_judge(&p, &info, now, 500), PEER_DEAD);
	}
	close(client);
	close(server);
	close(listener);
	if (!whole)
		skip_because("TCP_INFO is not whole"); /* qemu-user gives its first number only */
	if (!dropped)
		skip_because("this kernel took all of it");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_idle_connection_is_well),
	    cmocka_unit_test(data_may_be_unacknowledged_for_the_limit),
	    cmocka_unit_test(an_idle_hour_is_no_silence),
	    cmocka_unit_test(whoever_acknowledges_lives),
	    cmocka_unit_test(a_closed_window_is_no_death),
	    cmocka_unit_test(unanswered_probes_are_death),
	    cmocka_unit_test(a_late_first_look_gives_credit),
	    cmocka_unit_test(nothing_asked_is_no_death),
	    cmocka_unit_test(an_answer_ends_the_count),
	    cmocka_unit_test(whoever_answers_retransmissions_lives),
	    cmocka_unit_test(a_real_host_without_memory_lives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
