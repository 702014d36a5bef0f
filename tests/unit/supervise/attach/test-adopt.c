/* SPDX-License-Identifier: MIT */
/*
 * supervise/attach/adopt.c: finds a device's connections from a state file and the driver's answer.
 * Long: all tests share the sockets and the state file of one device.
 */
#include "transport-fixture.h"

#include "runtime/linkname.h"
#include "base/peer.h"
#include "supervise/attach/adopt.h"
#include "supervise/watch/ended.h"

static struct loop *loop;
static struct links *links;
static struct state known;
static struct adopt adopt;
static struct given given;

/* Our ends and theirs: 0 and 1 are TCP, 2 is a Unix socket. */
static int ours[3], theirs[3];

static void on_death(unsigned alive, const char *why, void *arg)
{
	(void)alive;
	(void)why;
	(void)arg;
}

static void tcp_pair(const char *host, int i)
{
	struct address at = literal_address(host, 0);
	int fd = listen_at(&at, 1);

	ours[i] = socket(at.sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(ours[i], (void *)&at.sa, at.len), 0);
	theirs[i] = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	close(fd);
}

/* As in a supervisor's state file. */
static void write_down(int i)
{
	struct state_link *l = &known.link[i];
	struct address a = {.len = sizeof(a.sa)};
	struct diag_socket id;

	assert_int_equal(diag_describe(ours[i], &id), 0);
	l->inode = id.inode;
	if (!id.local.ss_family)
		return;
	a.sa = id.local;
	address_describe(&a, l->local, sizeof(l->local));
	a.sa = id.peer;
	address_describe(&a, l->peer, sizeof(l->peer));
}

static int setup(void **state)
{
	int pair[2];

	(void)state;
	loop = loop_new();
	links = links_new(loop, on_death, NULL);
	memset(&known, 0, sizeof(known));
	adopt = (struct adopt){
	    .state = &known, .known = true, .plan = {.connections = 3}, .probe = ADOPT_ALIVE};
	tcp_pair("127.0.0.1", 0);
	tcp_pair("::1", 1);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	ours[2] = pair[0];
	theirs[2] = pair[1];
	known.connections = known.alive = 3;
	for (int i = 0; i < 3; i++)
		write_down(i);
	return loop && links ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	given_close(&given);
	links_free(links);
	loop_free(loop);
	for (int i = 0; i < 3; i++) {
		close(ours[i]);
		close_fdp(&theirs[i]);
	}
	return 0;
}

/* Closes the peer; the kernel knows that before this returns. */
static void hang_up(int i)
{
	enum diag_answer answer;
	struct tcp_info info;
	struct diag_socket id;

	assert_int_equal(diag_describe(ours[i], &id), 0);
	close(theirs[i]);
	theirs[i] = -1;
	for (int n = 0; n < 500; n++) {
		answer = diag_ask(&id, &info);
		if (answer == DIAG_DEAD ||
		    (answer == DIAG_SHUT && info.tcpi_state == PEER_TCP_TIME_WAIT))
			return;
		usleep(10000);
	}
}

/* The number of live connections, and of those that are known by name. */
static void assert_links(unsigned alive, unsigned by_name)
{
	struct link_facts facts;
	unsigned n = 0;

	adopt_links(&adopt, &given, links);
	assert_int_equal(links_alive(links), alive);
	assert_int_equal(links_wanted(links), adopt.plan.connections);
	for (unsigned i = 0; i < alive; i++) {
		links_facts(links, i, &facts);
		n += facts.id.inode != 0;
	}
	assert_int_equal(n, by_name);
	links_clear(links);
}

static void all_are_found_again(void **state)
{
	(void)state;
	assert_links(3, 3);
	adopt.probe = ADOPT_UNKNOWN;
	assert_links(3, 3);
}

/* The driver knows of a dead one: not all are alive, even if they look so. */
static void the_drivers_word_counts(void **state)
{
	(void)state;
	adopt.probe = ADOPT_DEAD;
	assert_links(2, 2);
	hang_up(0);
	assert_links(2, 2);
	hang_up(2);
	assert_links(1, 1);
	hang_up(1);
	assert_links(0, 0);
	/* The driver knows of none: then others have replaced those that died. */
	adopt.probe = ADOPT_ALIVE;
	assert_links(3, 0);
	/* If the driver's answer is unknown, the findings count. */
	adopt.probe = ADOPT_UNKNOWN;
	assert_links(0, 0);
}

/* Without the former supervisor's file, no connection is known. */
static void without_a_state_file(void **state)
{
	(void)state;
	adopt.known = false;
	assert_links(3, 0);
	adopt.probe = ADOPT_UNKNOWN; /* to dial in addition to a live connection would be worse */
	assert_links(3, 0);
	adopt.probe = ADOPT_DEAD; /* the number is unknown, but at least one is dead */
	assert_links(2, 0);
}

static void a_state_file_that_says_nonsense(void **state)
{
	(void)state;
	strcpy(known.link[0].local, "no address");
	strcpy(known.link[1].peer, "::1:80");
	known.link[2].inode = 0;
	known.alive = 4000000000;
	adopt.probe = ADOPT_UNKNOWN;
	assert_links(0, 0);
	strcpy(known.link[0].local, "[127.0.0.1");
	strcpy(known.link[1].peer, "[::1]:99999");
	assert_links(0, 0);
	strcpy(known.link[0].local, ":");
	strcpy(known.link[1].peer, "");
	assert_links(0, 0);
}

static void addresses_come_from_the_file(void **state)
{
	struct address_list list;
	struct address want;

	(void)state;
	strcpy(known.addresses, "192.0.2.1:10809 [2001:db8::1]:5");
	adopt_addresses(&adopt, &list);
	assert_int_equal(list.n, 2);
	want = literal_address("192.0.2.1", 10809);
	assert_true(address_equal(&list.item[0], &want));
	want = literal_address("2001:db8::1", 5);
	assert_true(address_equal(&list.item[1], &want));

	strcpy(known.addresses, " 192.0.2.1 :1 host:1 1.2.3.4:0 1.2.3.4:65536 [::1] unix:/s ]:1 "
				"[]:1 1.2.3.4:-1  192.0.2.1:7 192.0.2.1:7");
	adopt_addresses(&adopt, &list);
	assert_int_equal(list.n, 1); /* the last, once */

	for (unsigned i = 0; i < 127; i++)
		snprintf(known.addresses + i * 16, 17, "192.0.2.%03u:10 ", i + 100);
	adopt_addresses(&adopt, &list);
	assert_in_range(list.n, 1, ADDRESSES_MAX);

	adopt.known = false;
	adopt_addresses(&adopt, &list);
	assert_int_equal(list.n, 0);
}

static void give(int i, uint64_t attachment, uint64_t serial)
{
	const struct linkname name = {.attachment = attachment, .serial = serial};
	char text[LINKNAME_MAX];
	int copy = fcntl(ours[i], F_DUPFD_CLOEXEC, 3);

	linkname_write(&name, text);
	assert_true(copy >= 0);
	assert_int_equal(given_add(&given, text, copy, false), 0);
}

/* The list owns this number of descriptors, of live connections and of those that are ending. */
static void assert_kept(size_t kept)
{
	int fds[2 * LINKS_MAX];

	assert_int_equal(links_kept(links, fds), kept);
}

/* Sockets that the service manager kept: those that the device uses have a descriptor again. */
static void given_sockets_are_links(void **state)
{
	(void)state;
	adopt.attachment = 9;
	give(0, 9, 1);
	give(1, 0, 2);
	give(2, 9, 3);
	assert_int_equal(given_add(&given, "lock", dup(0), false), 0);
	give(0, 8, 4); /* of an earlier attachment */
	adopt_links(&adopt, &given, links);
	assert_int_equal(links_alive(links), 3);
	assert_int_equal(links_blind(links), 0);
	assert_true(links_may_end(links));
	assert_kept(3);
	assert_int_equal(given.n, 1); /* only sockets of connections are taken out */
	assert_string_equal(given.item[0].name, "lock");
	links_clear(links);
	given_close(&given);
	/* They were closed and not shut down. */
	for (int i = 0; i < 3; i++)
		assert_int_equal(send(ours[i], "x", 1, MSG_NOSIGNAL), 1);
}

static void given_and_listed_ones(void **state)
{
	(void)state;
	adopt.attachment = 9;
	give(1, 9, 1);
	adopt_links(&adopt, &given, links);
	assert_int_equal(links_alive(links), 3);
	assert_false(links_may_end(links));
	assert_kept(1);
	links_clear(links);

	/* One server has ended its connection: nothing takes its place, and the end is proved. */
	give(0, 9, 1);
	give(1, 9, 1);
	give(2, 9, 3);
	hang_up(1);
	adopt.probe = ADOPT_DEAD;
	adopt_links(&adopt, &given, links);
	assert_int_equal(links_alive(links), 2);
	assert_int_equal(links_wanted(links), 3);
	assert_int_equal(links_blind(links), 0);
	assert_true(links_last_death(links) > 0);
	assert_kept(2);
	assert_false(links_graves(links));
}

/* One that was ended at our side while no supervisor ran, and one that was waited for before. */
static void given_ones_that_are_ending(void **state)
{
	(void)state;
	adopt.attachment = 9;
	adopt.plan.connections = 1;
	known.connections = known.alive = 1;
	shutdown(ours[0], SHUT_WR);
	give(0, 9, 1);
	adopt_links(&adopt, &given, links);
	assert_true(links_graves(links));
	assert_kept(1);
	links_clear(links);

	known.alive = 0;
	known.unsettled = known.unproved = true;
	adopt.probe = ADOPT_DEAD;
	give(0, 9, 1);
	adopt_links(&adopt, &given, links);
	assert_true(links_unproved(links));
	assert_kept(1);
	/* When it ended is unknown, and the driver may count its requests no more. */
	links_seen_idle(links);
	assert_true(links_unclean(links));
	close_fdp(&theirs[0]);
	usleep(20000);
	assert_false(links_settled(links, loop_now()));
	assert_true(links_settled(links, loop_now() + ENDED_SETTLE_MS));
	assert_int_equal(links_given_up(links), 1);
	links_clear(links);

	/* Without a descriptor, it is only known that there is such a connection. */
	adopt_links(&adopt, &given, links);
	assert_true(links_unproved(links));
	assert_kept(0);
}

/* Listed ones without a descriptor that the driver has shut down: their servers may live. */
static void listed_ones_that_are_ending(void **state)
{
	(void)state;
	adopt.plan.connections = known.connections = known.alive = 1;
	adopt.probe = ADOPT_DEAD;
	shutdown(ours[0], SHUT_RDWR);
	adopt_links(&adopt, &given, links);
	assert_int_equal(links_alive(links), 0);
	assert_true(links_unproved(links));
	assert_false(links_settled(links, loop_now()));
	assert_false(links_settled(links, loop_now() + 60000));
	hang_up(0);
	assert_false(links_settled(links, loop_now() + 60000)); /* from now on for some time */
	assert_true(links_settled(links, loop_now() + 120000));
	assert_int_equal(links_given_up(links), 1); /* it counts as one */
}

/* Both sides have ended it, and nobody saw which was first: it settles by time alone. */
static void a_given_one_that_is_closed(void **state)
{
	(void)state;
	adopt.attachment = 9;
	adopt.plan.connections = known.connections = known.alive = 1;
	adopt.probe = ADOPT_DEAD;
	shutdown(ours[0], SHUT_RDWR);
	hang_up(0);
	give(0, 9, 1);
	adopt_links(&adopt, &given, links);
	assert_int_equal(links_alive(links), 0);
	assert_kept(1);
	assert_true(links_unclean(links));
	assert_false(links_unproved(links));
	assert_false(links_settled(links, loop_now()));
	links_settled(links, loop_now() + 60000);
	assert_false(links_graves(links));
	assert_int_equal(links_given_up(links), 1); /* once */
}

/* Two connections were waited for, and the socket of only one was kept. */
static void one_of_two_that_are_ending(void **state)
{
	(void)state;
	adopt.attachment = 9;
	adopt.plan.connections = known.connections = 2;
	known.alive = 0;
	known.unsettled = known.unproved = true;
	adopt.probe = ADOPT_DEAD;
	shutdown(ours[0], SHUT_WR);
	give(0, 9, 1);
	adopt_links(&adopt, &given, links);
	links_seen_idle(links);
	close_fdp(&theirs[0]);
	usleep(20000);
	assert_false(links_settled(links, loop_now()));
	assert_false(links_settled(links, loop_now() + ENDED_SETTLE_MS));
	assert_true(links_unproved(links));
	assert_kept(0);
}

/* One was kept and its server has ended it; the other was not kept, and has ended unseen. */
static void an_end_that_no_descriptor_tells(void **state)
{
	(void)state;
	adopt.attachment = 9;
	adopt.plan.connections = known.connections = known.alive = 2;
	adopt.probe = ADOPT_DEAD;
	hang_up(0);
	hang_up(1);
	give(0, 9, 1);
	adopt_links(&adopt, &given, links);
	assert_int_equal(links_alive(links), 0);
	assert_true(links_graves(links));
	links_clear(links);

	/* If it was kept, too, both ends are proved. */
	give(0, 9, 1);
	give(1, 9, 2);
	adopt_links(&adopt, &given, links);
	assert_false(links_graves(links));
}

/* No such device: nothing to take over. */
static void a_device_that_is_not_there(void **state)
{
	(void)state;
	assert_false(adopt_possible(1048575, "nbd://host/"));
	assert_false(adopt_possible(1048575, ""));
}

#define WITH_SOCKETS(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_SOCKETS(all_are_found_again),
	    WITH_SOCKETS(the_drivers_word_counts),
	    WITH_SOCKETS(without_a_state_file),
	    WITH_SOCKETS(a_state_file_that_says_nonsense),
	    WITH_SOCKETS(addresses_come_from_the_file),
	    WITH_SOCKETS(given_sockets_are_links),
	    WITH_SOCKETS(given_and_listed_ones),
	    WITH_SOCKETS(given_ones_that_are_ending),
	    WITH_SOCKETS(listed_ones_that_are_ending),
	    WITH_SOCKETS(a_given_one_that_is_closed),
	    WITH_SOCKETS(one_of_two_that_are_ending),
	    WITH_SOCKETS(an_end_that_no_descriptor_tells),
	    cmocka_unit_test(a_device_that_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
