/* SPDX-License-Identifier: MIT */
/*
 * supervise/attach/adopt.c: finds a device's connections from a state file and the driver's answer.
 */
#include "transport-fixture.h"

#include "supervise/attach/adopt.h"

static struct loop *loop;
static struct links *links;
static struct state known;
static struct adopt adopt;

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
	struct tcp_info info;
	struct diag_socket id;

	assert_int_equal(diag_describe(ours[i], &id), 0);
	close(theirs[i]);
	theirs[i] = -1;
	for (int n = 0; n < 500 && diag_ask(&id, &info) != DIAG_DEAD; n++)
		usleep(10000);
}

/* The number of live connections, and of those that are known by name. */
static void assert_links(unsigned alive, unsigned by_name)
{
	struct link_facts facts;
	unsigned n = 0;

	adopt_links(&adopt, links);
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
	    cmocka_unit_test(a_device_that_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
