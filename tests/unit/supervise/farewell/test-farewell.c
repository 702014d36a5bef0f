/* SPDX-License-Identifier: MIT */
/* The part alone, on a tree of files instead of sysfs: when the connections of a server are ended.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "kernel/root.h"
#include "loop-fixture.h"
#include "supervise/farewell/farewell.h"
#include "tree-fixture.h"

#define PAUSE_MS  1500
#define MOMENT_MS 300

static struct {
	struct loop *loop;
	struct attachment at;
	struct part_env env;
	struct links *links;
	struct farewell *part;
	struct farewell_view view;
	unsigned ended;
	int server; /* the other end of the device's connection */
} f;

static char root[] = "/tmp/test-farewell.XXXXXX";

/* In place of the library's. */
const char *sysfs_root(void)
{
	return root;
}

static void put(const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "block/nbd7/%s", name);
	tree_put(root, path, text);
}

static void requests(unsigned completed, unsigned in_flight)
{
	char line[64];

	snprintf(line, sizeof(line), "%u 0 0 0 0 0 0 0 %u 0 0\n", completed, in_flight);
	put("stat", line);
}

static int group_setup(void **state)
{
	static const char *const made[] = {"", "/block", "/block/nbd7", "/block/nbd7/queue"};
	char path[128];

	(void)state;
	if (!mkdtemp(root))
		return -1;
	for (size_t i = 1; i < sizeof(made) / sizeof(made[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", root, made[i]);
		if (mkdir(path, 0700) < 0)
			return -1;
	}
	put("queue/iostats", "1\n");
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	return tree_remove(root);
}

static void look(struct farewell_view *ret_view, void *arg)
{
	(void)arg;
	*ret_view = f.view;
}

static void end(void *arg)
{
	(void)arg;
	f.ended++;
}

static void link_died(unsigned alive, const char *why, void *arg)
{
	(void)alive;
	(void)why;
	(void)arg;
}

static int setup(void **state)
{
	static const struct farewell_events events = {.look = look, .end = end};
	struct farewell_config cfg = {.moment_ms = MOMENT_MS, .pause_ms = PAUSE_MS};
	int pair[2];

	(void)state;
	memset(&f, 0, sizeof(f));
	f.loop = loop_new();
	attachment_init(&f.at, "here");
	f.at.index = 7;
	f.env = (struct part_env){.loop = f.loop, .at = &f.at};
	f.links = links_new(f.loop, link_died, NULL);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(links_add(f.links, pair[0]), 0);
	assert_int_equal(links_watch(f.links), 0);
	f.server = pair[1];
	f.view = (struct farewell_view){.leaving = true, .may = true};
	cfg.links = f.links;
	f.part = farewell_new(&f.env, &cfg, &events, NULL);
	assert_non_null(f.part);
	requests(10, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	farewell_free(f.part);
	links_free(f.links);
	loop_free(f.loop);
	close(f.server);
	return 0;
}

/* The watch looks all the time. */
static void look_for(uint64_t ms)
{
	uint64_t until = loop_now() + ms;

	while (loop_now() < until) {
		farewell_look(f.part);
		loop_run_for(f.loop, 10);
	}
}

static void an_idle_device_is_parted_from(void **state)
{
	uint64_t began = loop_now();

	(void)state;
	while (f.ended == 0 && loop_now() - began < PATIENCE_MS)
		look_for(20);
	assert_int_equal(f.ended, 1);
	assert_in_range(loop_now() - began, 100, PATIENCE_MS); /* after 0.1 s without a request */
}

/* A hostile server can say for ever that it is leaving. */
static void once_in_a_pause(void **state)
{
	uint64_t began = loop_now();

	(void)state;
	look_for(400);
	assert_int_equal(f.ended, 1);
	while (f.ended < 2 && loop_now() - began < PATIENCE_MS)
		look_for(20);
	assert_int_equal(f.ended, 2);
	assert_in_range(loop_now() - began, PAUSE_MS, PATIENCE_MS);
}

/* The hint ends with the outage, and the next connection gets another one. */
static void the_pause_outlives_the_hint(void **state)
{
	(void)state;
	look_for(300);
	assert_int_equal(f.ended, 1);
	f.view.leaving = false;
	look_for(50);
	f.view.leaving = true;
	look_for(200);
	assert_int_equal(f.ended, 1);
}

/* The part is that of a supervisor that has just followed the one that ended connections. */
static void the_pause_outlives_the_supervisor(void **state)
{
	struct state shown = {.farewell_at = 7};

	(void)state;
	farewell_report(NULL, &shown);
	assert_int_equal(shown.farewell_at, 0);
	farewell_inherit(f.part, 0, 1000);
	farewell_inherit(f.part, 990, 1000); /* longer ago than the pause */
	farewell_report(f.part, &shown);
	assert_int_equal(shown.farewell_at, 0);
	farewell_inherit(f.part, 1000, 1000);
	farewell_report(f.part, &shown);
	assert_int_equal(shown.farewell_at, 1000);
	look_for(300);
	assert_int_equal(f.ended, 0);
	farewell_inherit(f.part, 2000, 1000); /* the clock was set back */
	look_for(300);
	assert_int_equal(f.ended, 0);
	farewell_inherit(f.part, 999, 1000);
	look_for(PAUSE_MS);
	assert_int_equal(f.ended, 1);
	farewell_report(f.part, &shown);
	assert_true(shown.farewell_at > 2000);
}

static void a_busy_device_keeps_its_connection(void **state)
{
	uint64_t began = loop_now();

	(void)state;
	requests(10, 1);
	look_for(MOMENT_MS + 50);
	assert_int_equal(f.ended, 0);
	/* It comes to rest after the search, and the next search finds that. */
	requests(11, 0);
	while (f.ended < 1 && loop_now() - began < PATIENCE_MS)
		look_for(20);
	assert_int_equal(f.ended, 1);
	assert_in_range(loop_now() - began, PAUSE_MS, PATIENCE_MS);
}

static void nobody_is_leaving(void **state)
{
	(void)state;
	f.view.leaving = false;
	look_for(200);
	assert_int_equal(f.ended, 0);
}

static void not_while_others_work_on_it(void **state)
{
	(void)state;
	f.view.may = false;
	look_for(200);
	f.view.may = true;
	farewell_look(f.part);
	f.view.may = false; /* in the middle of a search */
	look_for(200);
	assert_int_equal(f.ended, 0);
	f.view.may = true;
	look_for(300);
	assert_int_equal(f.ended, 1);
}

static void requests_that_nobody_counts(void **state)
{
	(void)state;
	put("queue/iostats", "0\n");
	look_for(250);
	put("queue/iostats", "1\n");
	assert_int_equal(f.ended, 0);
}

/* A supervisor that has died made the connection: nobody can end it. */
static void without_a_descriptor(void **state)
{
	(void)state;
	assert_int_equal(links_add_foreign(f.links, NULL), 0);
	look_for(250);
	assert_int_equal(f.ended, 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(an_idle_device_is_parted_from),
	    TEST(once_in_a_pause),
	    TEST(the_pause_outlives_the_hint),
	    TEST(the_pause_outlives_the_supervisor),
	    TEST(a_busy_device_keeps_its_connection),
	    TEST(nobody_is_leaving),
	    TEST(not_while_others_work_on_it),
	    TEST(requests_that_nobody_counts),
	    TEST(without_a_descriptor),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
