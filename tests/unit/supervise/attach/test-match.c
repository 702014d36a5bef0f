/* SPDX-License-Identifier: MIT */
/* Which sockets that a supervisor left are connections of the device. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "supervise/attach/match.h"

#define HERE 42 /* the attachment */
#define MOST 4

static struct match_socket sockets[MOST];
static struct match_device device;
static size_t n;

static int setup(void **state)
{
	(void)state;
	device = (struct match_device){.attachment = HERE, .most = 1, .all_alive = true};
	n = 0;
	return 0;
}

static struct match_socket *give(uint64_t attachment, bool listed, enum links_health health)
{
	struct match_socket *s = &sockets[n++];

	*s = (struct match_socket){
	    .named = true,
	    .name = {.attachment = attachment, .serial = n},
	    .listed = listed,
	    .inode = 100 + n,
	    .health = health,
	};
	return s;
}

static void judge(void)
{
	match_sockets(sockets, n, &device);
}

static void listed_ones_are_known(void **state)
{
	(void)state;
	device.most = 4;
	give(HERE, true, LINKS_LIVES);
	give(0, true, LINKS_LIVES); /* named before the device was attached */
	give(HERE, true, LINKS_ENDED_BY_SERVER);
	give(HERE, true, LINKS_ENDED_HERE);
	judge();
	assert_int_equal(sockets[0].verdict, MATCH_LINK);
	assert_int_equal(sockets[1].verdict, MATCH_LINK);
	assert_int_equal(sockets[2].verdict, MATCH_DIED);
	assert_int_equal(sockets[3].verdict, MATCH_ENDED);
}

/* Nothing shows which side ended it first, so its server may still hold requests. */
static void closed_ones(void **state)
{
	(void)state;
	give(HERE, true, LINKS_CLOSED);
	judge();
	assert_int_equal(sockets[0].verdict, MATCH_ENDED);
}

static void others_are_left(void **state)
{
	(void)state;
	device.most = 4;
	give(HERE + 1, true, LINKS_LIVES);
	give(HERE + 1, false, LINKS_ENDED_HERE);
	give(HERE, true, LINKS_LIVES)->named = false;
	give(HERE, true, LINKS_NO_SOCKET);
	judge();
	for (size_t i = 0; i < n; i++)
		assert_int_equal(sockets[i].verdict, MATCH_LEFTOVER);
}

/* The kernel may have got it in the moment when the supervisor died. */
static void on_its_way(void **state)
{
	struct match_socket *s = give(HERE, false, LINKS_LIVES);

	(void)state;
	judge();
	assert_int_equal(s->verdict, MATCH_LINK);
	/* It knows of a dead one, or says nothing: then it may not have it. */
	device.all_alive = false;
	judge();
	assert_int_equal(s->verdict, MATCH_LEFTOVER);
	device.all_alive = true;
	/* Every connection is known without it. */
	device.others = 1;
	judge();
	assert_int_equal(s->verdict, MATCH_LEFTOVER);
	device.others = 0;
	/* Another one is missing, too: then it may be that one which the kernel uses. */
	device.most = 2;
	judge();
	assert_int_equal(s->verdict, MATCH_LEFTOVER);
	/* Two for one place. */
	device.most = 1;
	give(HERE, false, LINKS_LIVES);
	judge();
	assert_int_equal(sockets[0].verdict, MATCH_LEFTOVER);
	assert_int_equal(sockets[1].verdict, MATCH_LEFTOVER);
	/* The listed one has died, one of two is in its place. */
	device.most = 2;
	judge();
	assert_int_equal(sockets[0].verdict, MATCH_LINK);
	assert_int_equal(sockets[1].verdict, MATCH_LINK);
}

/* It has no name of this attachment yet, and nothing else tells that the device uses it. */
static void before_the_attachment(void **state)
{
	struct match_socket *s = give(0, false, LINKS_LIVES);

	(void)state;
	judge();
	assert_int_equal(s->verdict, MATCH_LEFTOVER);
	s->named = true;
	s->certain = true;
	judge();
	assert_int_equal(s->verdict, MATCH_LINK);
}

static void beside_a_listed_one(void **state)
{
	(void)state;
	give(HERE, true, LINKS_ENDED_BY_SERVER);
	give(HERE, false, LINKS_LIVES);
	judge();
	assert_int_equal(sockets[0].verdict, MATCH_DIED);
	assert_int_equal(sockets[1].verdict, MATCH_LINK);
}

/* Never more than the driver has, unless the former supervisor vouches for it. */
static void too_many(void **state)
{
	(void)state;
	give(HERE, true, LINKS_LIVES);
	give(HERE, true, LINKS_LIVES);
	judge();
	assert_int_equal(sockets[0].verdict, MATCH_LINK);
	assert_int_equal(sockets[1].verdict, MATCH_LEFTOVER);
	device.most = 0; /* the driver knows that its only one is dead */
	device.all_alive = false;
	judge();
	assert_int_equal(sockets[0].verdict, MATCH_LEFTOVER);
	sockets[0].certain = true;
	judge();
	assert_int_equal(sockets[0].verdict, MATCH_LINK);
}

static void graves(void **state)
{
	struct match_socket *s = give(HERE, false, LINKS_ENDED_HERE);

	(void)state;
	judge();
	assert_int_equal(s->verdict, MATCH_ENDED);
	/* Closed by both: it is waited for only if one was waited for. */
	s->health = LINKS_CLOSED;
	judge();
	assert_int_equal(s->verdict, MATCH_LEFTOVER);
	device.unsettled = true;
	judge();
	assert_int_equal(s->verdict, MATCH_ENDED);
	s->health = LINKS_ENDED_BY_SERVER;
	judge();
	assert_int_equal(s->verdict, MATCH_LEFTOVER);
}

static void the_same_twice(void **state)
{
	(void)state;
	device.most = 2;
	give(HERE, true, LINKS_LIVES)->inode = 7;
	give(HERE, true, LINKS_LIVES)->inode = 7;
	judge();
	assert_int_equal(sockets[0].verdict, MATCH_LINK);
	assert_int_equal(sockets[1].verdict, MATCH_LEFTOVER);
	sockets[0].named = sockets[1].named = true;
	sockets[1].certain = true;
	judge();
	assert_int_equal(sockets[0].verdict, MATCH_LEFTOVER);
	assert_int_equal(sockets[1].verdict, MATCH_LINK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(listed_ones_are_known, setup),
	    cmocka_unit_test_setup(closed_ones, setup),
	    cmocka_unit_test_setup(others_are_left, setup),
	    cmocka_unit_test_setup(on_its_way, setup),
	    cmocka_unit_test_setup(before_the_attachment, setup),
	    cmocka_unit_test_setup(beside_a_listed_one, setup),
	    cmocka_unit_test_setup(too_many, setup),
	    cmocka_unit_test_setup(graves, setup),
	    cmocka_unit_test_setup(the_same_twice, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
