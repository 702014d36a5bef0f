/* SPDX-License-Identifier: MIT */
/* supervise/succession/giving.c: when a supervisor gives its device away, and when it keeps it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop-fixture.h"
#include "supervise/succession/giving.h"

struct fixture {
	struct part_env env;
	struct giving *g;
	int other; /* the end of the one that is to take over */
	bool busy; /* something else happened meanwhile */
	unsigned asked, given, kept;
	struct err err;
};

static bool ready(void *arg)
{
	struct fixture *f = arg;

	f->asked++;
	return !f->busy;
}

static void given(void *arg)
{
	struct fixture *f = arg;

	f->given++;
	loop_stop(f->env.loop, 0);
}

static void kept(const struct err *err, void *arg)
{
	struct fixture *f = arg;

	f->kept++;
	f->err = *err;
	loop_stop(f->env.loop, 0);
}

static int setup(void **state)
{
	static const struct giving_events events = {.ready = ready, .given = given, .kept = kept};
	struct fixture *f = calloc(1, sizeof(*f));
	int pair[2];

	if (!f || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	f->env.loop = loop_new();
	f->other = pair[1];
	f->g = giving_new(&f->env, pair[0], &events, f);
	*state = f;
	return f->g ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	giving_free(f->g);
	loop_free(f->env.loop);
	if (f->other >= 0)
		close(f->other);
	free(f);
	return 0;
}

static void say(struct fixture *f, enum message_type type)
{
	uint8_t packet[MESSAGES_MAX];
	size_t len = messages_write(type, NULL, packet);

	assert_int_equal(send(f->other, packet, len, MSG_NOSIGNAL), len);
}

/* It hears no COMMIT, neither now nor later. */
static void assert_kept(struct fixture *f)
{
	assert_int_equal(f->given, 0);
	assert_int_equal(f->kept, 1);
	if (f->other >= 0)
		assert_int_equal(recv(f->other, &(char){0}, 1, MSG_DONTWAIT), 0);
}

static void it_is_given(void **state)
{
	struct fixture *f = *state;
	uint8_t packet[MESSAGES_MAX];
	enum message_type type;
	struct offer offer;
	ssize_t len;

	say(f, MESSAGE_READY);
	loop_run_until_stopped(f->env.loop);
	assert_int_equal(f->asked, 1);
	assert_int_equal(f->given, 1);
	assert_int_equal(f->kept, 0);
	len = recv(f->other, packet, sizeof(packet), MSG_DONTWAIT);
	assert_true(len > 0);
	assert_int_equal(messages_read(packet, (size_t)len, 0, &type, &offer), 0);
	assert_int_equal(type, MESSAGE_COMMIT);
}

static void something_else_happened(void **state)
{
	struct fixture *f = *state;

	f->busy = true;
	say(f, MESSAGE_READY);
	loop_run_until_stopped(f->env.loop);
	assert_int_equal(f->asked, 1);
	assert_kept(f);
}

static void another_message(void **state)
{
	struct fixture *f = *state;

	say(f, MESSAGE_COMMIT);
	loop_run_until_stopped(f->env.loop);
	assert_int_equal(f->asked, 0);
	assert_kept(f);
}

static void no_message(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(send(f->other, "ready", 5, MSG_NOSIGNAL), 5);
	loop_run_until_stopped(f->env.loop);
	assert_int_equal(f->asked, 0);
	assert_kept(f);
}

static void the_other_one_ends(void **state)
{
	struct fixture *f = *state;

	close(f->other);
	f->other = -1;
	loop_run_until_stopped(f->env.loop);
	assert_kept(f);
}

/* Nobody would read the COMMIT, and then nobody would be in charge. */
static void the_other_one_reads_no_more(void **state)
{
	struct fixture *f = *state;

	say(f, MESSAGE_READY);
	assert_int_equal(shutdown(f->other, SHUT_RD), 0);
	loop_run_until_stopped(f->env.loop);
	assert_int_equal(f->given, 0);
	assert_int_equal(f->kept, 1);
}

static void the_other_one_is_silent(void **state)
{
	const struct offer offer = {.n = 1, .name = {"link-1-1"}};
	struct fixture *f = *state;
	uint64_t begin = loop_now();
	struct err err;

	assert_int_equal(giving_offer(f->g, &offer, &f->other, &err), 0);
	loop_run_until_stopped(f->env.loop);
	assert_true(loop_now() - begin >= GIVING_LIMIT_MS - 100);
	assert_int_equal(f->kept, 1);
	assert_int_equal(f->given, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(it_is_given, setup, teardown),
	    cmocka_unit_test_setup_teardown(something_else_happened, setup, teardown),
	    cmocka_unit_test_setup_teardown(another_message, setup, teardown),
	    cmocka_unit_test_setup_teardown(no_message, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_other_one_ends, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_other_one_reads_no_more, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_other_one_is_silent, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
