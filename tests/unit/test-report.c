/* SPDX-License-Identifier: MIT */
/* The state file round trip, hostile state files, JSON, locks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "report/json.h"
#include "report/rundir.h"
#include "report/state.h"
#include "supervise/lock.h"

static char dir[] = "/tmp/nbd-attach-test-XXXXXX";

static void state_survives_the_file(void **unused)
{
	struct state in = {.index = 3,
			   .pid = 42,
			   .name = "attached",
			   .since = 1234567890,
			   .uri = "nbd://host/a%20b",
			   .identifier = "id=with=equals",
			   .address = "127.0.0.1:10809",
			   .backend = "netlink",
			   .size = UINT64_C(1) << 62,
			   .block_size = 4096,
			   .read_only = true,
			   .connections = 4,
			   .alive = 3};
	struct state out;

	(void)unused;
	assert_int_equal(state_write(&in), 0);
	assert_int_equal(state_read(3, &out, NULL), 0);
	assert_string_equal(out.name, in.name);
	assert_string_equal(out.identifier, in.identifier);
	assert_string_equal(out.uri, in.uri);
	assert_int_equal(out.size, in.size);
	assert_int_equal(out.since, in.since);
	assert_int_equal(out.pid, in.pid);
	assert_true(out.read_only);
	assert_int_equal(out.alive, 3);
	state_remove(3);
	assert_int_equal(state_read(3, &out, NULL), -2);
}

static void hostile_state_files_are_harmless(void **unused)
{
	struct rundir_path path = rundir_device(4, "state");
	FILE *f = fopen(path.text, "w");
	struct state out;

	(void)unused;
	fputs("STATE=\033[31mred\nUNKNOWN=1\nno equals sign\nPID=abc\nURI=", f);
	for (int i = 0; i < 100000; i++)
		fputc('A', f);
	fputs("\nSIZE=99999999999999999999999\n", f);
	fclose(f);
	assert_int_equal(state_read(4, &out, NULL), 0);
	assert_null(strchr(out.name, '\033'));
	assert_int_equal(out.pid, 0);
	state_remove(4);
}

static void json_is_escaped(void **unused)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	struct json j;

	(void)unused;
	json_init(&j, f);
	json_object(&j, NULL);
	json_string(&j, "a", "q\" b\\ n\n \xff \xc3\xa9");
	json_array(&j, "list");
	json_u64(&j, NULL, UINT64_MAX);
	json_bool(&j, NULL, false);
	json_end_array(&j);
	json_array(&j, "empty");
	json_end_array(&j);
	json_string(&j, "b", "\x7f \xc2\x9b \xd8\x9c \xe2\x80\xa9 \xe2\x80\xae \xe2\x82\xac");
	json_end_object(&j);
	json_finish(&j);
	fclose(f);
	assert_string_equal(text, "{\n"
				  "  \"a\": \"q\\\" b\\\\ n\\u000a \\ufffd \xc3\xa9\",\n"
				  "  \"list\": [\n    18446744073709551615,\n    false\n  ],\n"
				  "  \"empty\": [],\n"
				  "  \"b\": \"\\u007f \\u009b \\u061c \\u2029 \\u202e "
				  "\xe2\x82\xac\"\n}\n");
	free(text);
}

static void a_lock_excludes_others_and_names_the_holder(void **unused)
{
	struct rundir_path path = rundir_device(5, "lock");
	struct err err;
	int fd, status;
	pid_t child;

	(void)unused;
	assert_int_equal(lock_take(path.text, "/dev/nbd5", &fd, &err), 0);
	assert_int_equal(lock_holder(path.text), getpid());
	child = fork();
	if (child == 0) {
		int other;
		int ret = lock_take(path.text, "/dev/nbd5", &other, &err);

		_exit(ret < 0 && err.kind == ERR_BUSY && strstr(err.message, "/dev/nbd5") ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(fd);
	assert_int_equal(lock_holder(path.text), 0);
	unlink(path.text);
}

static int setup(void **unused)
{
	(void)unused;
	if (!mkdtemp(dir))
		return -1;
	return setenv("NBD_ATTACH_RUNDIR", dir, 1);
}

static int teardown(void **unused)
{
	(void)unused;
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(state_survives_the_file),
	    cmocka_unit_test(hostile_state_files_are_harmless),
	    cmocka_unit_test(json_is_escaped),
	    cmocka_unit_test(a_lock_excludes_others_and_names_the_holder),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
