/* SPDX-License-Identifier: MIT */
/* The interface: configuration, buffers, and misuse by a caller. */
#include "nego-harness.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_init_refuses_bad_names(void **state)
{
	static char name[NBD_STRING_MAX + 2];
	struct nego_config cfg = {.goal = GO, .export_name = name};
	struct err err = {0};

	(void)state;
	memset(name, 'x', NBD_STRING_MAX + 1);
	assert_int_equal(nego_init(&nego, &cfg, &err), -EINVAL);
	assert_int_equal(err.kind, ERR_USAGE);
	assert_string_equal(err.message, "the export name is longer than 4096 bytes");
	assert_int_equal(nego_init(&nego, &cfg, NULL), -EINVAL);

	cfg.export_name = "caf\xe9";
	assert_int_equal(nego_init(&nego, &cfg, &err), -EINVAL);
	assert_string_equal(err.message, "the export name is not valid UTF-8");
	assert_int_equal(err.kind, ERR_USAGE);
}

static void test_init_takes_good_names(void **state)
{
	static char name[NBD_STRING_MAX + 1];
	const uint8_t *data;
	uint32_t len;

	(void)state;
	memset(name, 'x', NBD_STRING_MAX);
	for (int fallback = 0; fallback < 2; fallback++) {
		greet(FIXED);
		if (fallback) {
			reply(NBD_OPT_GO, ERR(NBD_ERR_UNSUP), 0);
			export_named(1, FLAGS, true);
		} else {
			info_export(NBD_OPT_GO, 1, FLAGS);
			ack(NBD_OPT_GO);
		}
		run(GO, name);
		assert_done();
	}
	assert_int_equal(sent_option(1, &data, &len), NBD_OPT_EXPORT_NAME);
	assert_int_equal(len, NBD_STRING_MAX);
	assert_memory_equal(data, name, len);
}

static void test_buffers_take_turns(void **state)
{
	const struct nego_config cfg = {.goal = GO, .export_name = "foo"};
	static const size_t rooms[] = {8, 8, 2};
	size_t len, used = 0;
	uint8_t *p;

	(void)state;
	greet(FIXED);
	assert_int_equal(nego_init(&nego, &cfg, NULL), 0);
	for (size_t i = 0; i < 3; i++) {
		assert_null(nego_send_buf(&nego, &len));
		assert_int_equal(len, 0);
		p = nego_recv_buf(&nego, &len);
		assert_non_null(p);
		assert_int_equal(len, rooms[i]);
		memcpy(p, server.bytes + used, len);
		nego_recv_ack(&nego, len);
		used += len;
	}
	assert_null(nego_recv_buf(&nego, &len));
	assert_int_equal(len, 0);
	assert_non_null(nego_send_buf(&nego, &len));
	nego_send_ack(&nego, 0);
	nego_send_ack(&nego, len - 1);
	assert_null(nego_recv_buf(&nego, &len));
	assert_non_null(nego_send_buf(&nego, &len));
	assert_int_equal(len, 1);
	nego_send_ack(&nego, 1);
	assert_non_null(nego_recv_buf(&nego, &len));
	assert_int_equal(len, NBD_REPLY_LEN);
	assert_null(nego_err(&nego));
	assert_null(nego_export(&nego));
}

static void test_decline(void **state)
{
	const uint8_t *p;
	size_t len;

	(void)state;
	greet(FIXED);
	info_export(NBD_OPT_GO, 1, FLAGS);
	ack(NBD_OPT_GO);
	run(GO, "foo");
	assert_done();
	assert_null(nego_send_buf(&nego, &len));
	nego_decline(&nego);
	p = nego_send_buf(&nego, &len);
	assert_true(run_is_disc(p, len));
	assert_non_null(nego_export(&nego));
}

static void test_list_stops_for_the_caller(void **state)
{
	const struct nego_config cfg = {.goal = LIST};
	const char *name, *description;
	size_t len, used = 0;
	uint8_t *p;

	(void)state;
	greet(FIXED);
	listed("one", "first");
	assert_int_equal(nego_init(&nego, &cfg, NULL), 0);
	while (nego_status(&nego) == NEGO_IO) {
		if (nego_send_buf(&nego, &len)) {
			nego_send_ack(&nego, len);
			continue;
		}
		p = nego_recv_buf(&nego, &len);
		memcpy(p, server.bytes + used, len);
		nego_recv_ack(&nego, len);
		used += len;
	}
	assert_int_equal(nego_status(&nego), NEGO_LISTED);
	assert_null(nego_recv_buf(&nego, &len));
	nego_recv_eof(&nego);
	nego_list_entry(&nego, &name, &description);
	assert_string_equal(name, "one");
	assert_string_equal(description, "first");
	nego_list_next(&nego);
	assert_int_equal(nego_status(&nego), NEGO_IO);
	assert_non_null(nego_recv_buf(&nego, &len));
}

static void fresh(enum nego_goal goal)
{
	const struct nego_config cfg = {.goal = goal};

	nego_init(&nego, &cfg, NULL);
}

static void ack_beyond_the_room(void)
{
	fresh(GO);
	nego_recv_ack(&nego, 9);
}

static void ack_of_nothing(void)
{
	fresh(GO);
	nego_recv_ack(&nego, 0);
}

static void ack_of_unsent_bytes(void)
{
	fresh(GO);
	nego_send_ack(&nego, 1);
}

static void tls_unasked(void)
{
	fresh(GO);
	nego_tls_started(&nego);
}

static void entry_without_list(void)
{
	const char *a, *b;

	fresh(LIST);
	nego_list_entry(&nego, &a, &b);
}

static void next_without_list(void)
{
	fresh(LIST);
	nego_list_next(&nego);
}

static void decline_too_early(void)
{
	fresh(GO);
	nego_decline(&nego);
}

static void test_misuse_stops_the_process(void **state)
{
	static void (*const misuses[])(void) = {
	    ack_beyond_the_room, ack_of_nothing,    ack_of_unsent_bytes, tls_unasked,
	    entry_without_list,	 next_without_list, decline_too_early,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(misuses) / sizeof(misuses[0]); i++) {
		const struct rlimit none = {0};
		int status;
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (!pid) {
			/* The default action, without the handlers of cmocka or a sanitizer. */
			setrlimit(RLIMIT_CORE, &none);
			for (int sig = 1; sig < 16; sig++)
				signal(sig, SIG_DFL);
			misuses[i]();
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_init_refuses_bad_names),
	    cmocka_unit_test(test_init_takes_good_names),
	    cmocka_unit_test(test_buffers_take_turns),
	    cmocka_unit_test(test_decline),
	    cmocka_unit_test(test_list_stops_for_the_caller),
	    cmocka_unit_test(test_misuse_stops_the_process),
	};

	return cmocka_run_group_tests_name("nego: the seam", tests, NULL, NULL);
}
