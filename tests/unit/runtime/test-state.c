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

#include "base/cleanup.h"
#include "base/json.h"
#include "runtime/rundir.h"
#include "runtime/state.h"
#include "rundir-fixture.h"
#include "runtime/lock.h"
#include "skip.h"

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

/* Every field, links included; the numbers at their ends. */
static void all_of_the_state_survives_the_file(void **unused)
{
	static struct state in = {
	    .index = 6,
	    .pid = 4194304,
	    .name = "degraded",
	    .since = INT64_C(253402300799),
	    .stable_name = "disk.1",
	    .config = "data",
	    .uri = "nbds://h/%41?tls-hostname=x",
	    .identifier = "back\\slash \"quoted\" \xc3\xa9 = 1",
	    .address = "[fe80::1%eth0]:10809",
	    .backend = "ioctl",
	    .size = INT64_MAX,
	    .block_size = 65536,
	    .read_only = true,
	    .connections = 16,
	    .alive = 2,
	    .flags = 0x1fff,
	    .flush = true,
	    .dead_timeout = -1,
	    .stalled = true,
	    .in_flight = UINT32_MAX,
	    .reconnects = UINT32_MAX,
	    .outages = 3,
	    .outage_since = 1700000000,
	    .last_outage_ms = UINT64_MAX,
	    .downtime_ms = UINT64_MAX - 1,
	    .next_try = 1700000001,
	    .outage_cause = "Connection reset by peer",
	    .error = "no answer from 127.0.0.1:10809 (\"\\x1b[2J\")",
	    .addresses = "127.0.0.1:10809 [::1]:10809",
	    .peer_uid = -1,
	    .link = {{.local = "127.0.0.1:40000",
		      .peer = "127.0.0.1:10809",
		      .inode = UINT64_MAX,
		      .rtt_us = UINT32_MAX,
		      .retransmits = 1,
		      .sent = UINT64_MAX,
		      .received = 2},
		     {.inode = 77}},
	};
	static struct state out;

	(void)unused;
	assert_int_equal(state_write(&in), 0);
	memset(&out, 0xa5, sizeof(out));
	assert_int_equal(state_read(6, &out, NULL), 0);
	assert_string_equal(out.identifier, in.identifier);
	assert_string_equal(out.error, in.error);
	assert_memory_equal(&out, &in, sizeof(in));

	/* Only live links are printed. */
	in.alive = 1;
	assert_int_equal(state_write(&in), 0);
	assert_int_equal(state_read(6, &out, NULL), 0);
	assert_int_equal(out.link[1].inode, 0);
	assert_int_equal(out.link[0].sent, UINT64_MAX);
	state_remove(6);
}

static FILE *open_state(int index)
{
	struct rundir_path path = rundir_device(index, "state");
	FILE *f = fopen(path.text, "w");

	assert_non_null(f);
	return f;
}

/* A file of an older version: missing values are unknown, and uid 0 is a real user. */
static void missing_fields_are_unknown(void **unused)
{
	static struct state out;

	(void)unused;
	fclose(open_state(4));
	assert_int_equal(state_read(4, &out, NULL), 0);
	assert_int_equal(out.index, 4);
	assert_int_equal(out.peer_uid, -1);
	assert_true(out.flush);
	assert_int_equal(out.alive, 0);
	assert_string_equal(out.name, "");
	state_remove(4);
}

static void malformed_links_are_passed_over(void **unused)
{
	static const char *const bad[] = {
	    "LINK16=local=a peer=b inode=1 rtt-us=1 retransmits=1 sent=1 received=1",
	    "LINK99=local=a peer=b inode=1 rtt-us=1 retransmits=1 sent=1 received=1",
	    "LINK-1=local=a peer=b inode=1 rtt-us=1 retransmits=1 sent=1 received=1",
	    "LINK4294967296=local=a peer=b inode=1 rtt-us=1 retransmits=1 sent=1 received=1",
	    "LINKS=local=a peer=b inode=1 rtt-us=1 retransmits=1 sent=1 received=1",
	    "LINK=local=a peer=b inode=1 rtt-us=1 retransmits=1 sent=1 received=1",
	    "LINK1x=local=a peer=b inode=1 rtt-us=1 retransmits=1 sent=1 received=1",
	    "LINK1=local=a peer=b inode=1 rtt-us=1 retransmits=1 sent=1",
	    "LINK1=local=a inode=1 rtt-us=1 retransmits=1 sent=1 received=1",
	    "LINK1=local= peer= inode=1 rtt-us=1 retransmits=1 sent=1 received=1",
	    "LINK1=local=a peer=b inode=x rtt-us=1 retransmits=1 sent=1 received=1",
	    "LINK1=",
	    "LINK1",
	};
	static const struct state_link none[STATE_LINKS_MAX];
	static struct state out;
	FILE *f = open_state(4);

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		fprintf(f, "%s\n", bad[i]);
	/* 64 bytes have no room for the end. */
	fprintf(f, "LINK2=local=%064d peer=b inode=1 rtt-us=1 retransmits=1 sent=1 received=1\n",
		7);
	fputs("CONNECTIONS_ALIVE=99999\nSTATE=attached\n", f);
	fclose(f);
	assert_int_equal(state_read(4, &out, NULL), 0);
	assert_memory_equal(out.link, none, sizeof(none));
	assert_string_equal(out.name, "attached");
	assert_int_equal(out.alive, 99999);
	state_remove(4);
}

/* Output to a terminal is printable, whatever the file contains. */
static void links_are_printable(void **unused)
{
	static struct state out;
	FILE *f = open_state(4);
	char *text = NULL;
	size_t len;

	(void)unused;
	fputs("CONNECTIONS_ALIVE=99\n"
	      "LINK0=local=\033[31m:1 peer=\xff\x07 inode=1 rtt-us=1 retransmits=1 sent=1 "
	      "received=1\n",
	      f);
	fclose(f);
	assert_int_equal(state_read(4, &out, NULL), 0);
	assert_string_equal(out.link[0].local, "\\x1b[31m:1");
	assert_string_equal(out.link[0].peer, "\\xff\\x07");
	f = open_memstream(&text, &len);
	state_print(&out, f);
	fclose(f);
	assert_null(strchr(text, '\033'));
	free(text);
	state_remove(4);
}

/* Only for a writable device: others need no flush. */
static void text_says_that_there_is_no_flush(void **unused)
{
	static struct state s = {.index = 6, .name = "attached", .peer_uid = -1};

	(void)unused;
	for (int i = 0; i < 4; i++) {
		_cleanup_free_ char *text = NULL;
		size_t len;
		FILE *f = open_memstream(&text, &len);

		s.flush = i & 1;
		s.read_only = i & 2;
		state_print(&s, f);
		fclose(f);
		assert_int_equal(strstr(text, "fsync succeeds without telling the server") != NULL,
				 !s.flush && !s.read_only);
	}
}

/* The rest of a line that was too long does not count as a line. */
static void overlong_lines_end_where_they_are_cut(void **unused)
{
	static struct state out;

	(void)unused;
	for (int len = STATE_TEXT_MAX + 48; len < STATE_TEXT_MAX + 70; len++) {
		FILE *f = open_state(4);

		fputs("STATE=lost\nURI=", f);
		for (int i = 0; i < len; i++)
			fputc('A', f);
		fputs("STATE=attached\nPID=5\n", f);
		fclose(f);
		assert_int_equal(state_read(4, &out, NULL), 0);
		assert_string_equal(out.name, "lost");
		assert_int_equal(out.pid, 5);
	}
	state_remove(4);
}

/* Python must parse the JSON, too. */
static void json_of_a_state_is_json(void **unused)
{
	static struct state s = {
	    .index = 6,
	    .pid = -7, /* a file may contain it */
	    .name = "expired",
	    .uri = "nbd://h/\"\\\x01\xff",
	    .size = UINT64_MAX,
	    .dead_timeout = -1,
	    .peer_uid = -1,
	    .outage_since = INT64_MIN,
	    .alive = 99999,
	    .link = {{.local = "127.0.0.1:1", .peer = "[::1]:2", .sent = UINT64_MAX}},
	};
	static const char check[] =
	    "import json, sys\n"
	    "s = json.load(sys.stdin)\n"
	    "assert s['device'] == '/dev/nbd6', s\n"
	    "assert s['pid'] == -7, s\n"
	    "assert s['dead-timeout-seconds'] is s['peer-uid'] is s['last-error'] is None, s\n"
	    "assert s['outage-since-unix-seconds'] == -2**63, s\n"
	    "assert s['size-bytes'] == 2**64 - 1, s\n"
	    "assert s['uri'] == 'nbd://h/\"\\\\\\x01\\ufffd', s\n"
	    "assert s['read-only'] is s['stalled'] is s['flush'] is False, s\n"
	    "assert len(s['links']) == 16, s\n"
	    "assert s['links'][0]['sent-bytes'] == 2**64 - 1, s\n"
	    "assert s['links'][0]['local'] == '127.0.0.1:1', s\n";
	struct json j;
	FILE *f;

	(void)unused;
	if (system("python3 -c '' 2>/dev/null") != 0)
		skip_because("python3 is missing");
	assert_int_equal(setenv("CHECK", check, 1), 0);
	f = popen("exec python3 -c \"$CHECK\"", "w");
	assert_non_null(f);
	json_init(&j, f);
	state_json(&s, &j);
	json_finish(&j);
	assert_int_equal(pclose(f), 0);
	unsetenv("CHECK");
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(state_survives_the_file),
	    cmocka_unit_test(hostile_state_files_are_harmless),
	    cmocka_unit_test(all_of_the_state_survives_the_file),
	    cmocka_unit_test(missing_fields_are_unknown),
	    cmocka_unit_test(malformed_links_are_passed_over),
	    cmocka_unit_test(links_are_printable),
	    cmocka_unit_test(text_says_that_there_is_no_flush),
	    cmocka_unit_test(overlong_lines_end_where_they_are_cut),
	    cmocka_unit_test(json_of_a_state_is_json),
	    cmocka_unit_test(json_is_escaped),
	    cmocka_unit_test(a_lock_excludes_others_and_names_the_holder),
	};

	return cmocka_run_group_tests(tests, rundir_make_own, rundir_remove_own);
}
