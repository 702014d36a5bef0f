/* SPDX-License-Identifier: MIT */
/* nbd-client's command line: how it is translated, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "cli/nbd-client.h"
#include "cli/options.h"

#define WORDS 32

static char nbdtab[] = "/tmp/test-nbd-client.XXXXXX";

/* Parses what a shell would split at blanks. */
static int parse(const char *line, struct nbd_client *c, struct err *err)
{
	_cleanup_free_ char *copy = strdup(line);
	char *argv[WORDS], *save = NULL;
	int argc = 0;

	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	argv[argc] = NULL;
	return nbd_client_parse(argc, argv, nbdtab, c, err);
}

static void join(const struct nbd_client *c, char *text, size_t size)
{
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 1; i < c->n; i++)
		len += (size_t)snprintf(text + len, size - len, "%s%s", len ? " " : "", c->word[i]);
}

static const struct {
	const char *line, *words;
} good[] = {
    /* The calls of Debian's and dracut's scripts. */
    {"nbd-client srv -N path 10810 /dev/nbd0 -swap -persist -systemd-mark",
     "--swap --port=10810 --export=path /dev/nbd0 srv"},
    {"nbd-client -p -systemd-mark srv -name x /dev/nbd0", "--export=x /dev/nbd0 srv"},
    {"nbd-client -check /dev/nbd0", "--check /dev/nbd0"},
    {"nbd-client -d /dev/nbd0", "--detach /dev/nbd0"},
    {"nbd-client -c nbd12", "--check nbd12"},
    {"nbd-client -c /dev/nbd3p2", "--check /dev/nbd3"},
    {"nbd-client --check /dev/nbd3", "--check /dev/nbd3"},
    /* The port, the device and the export may be left out. */
    {"nbd-client srv /dev/nbd0", "--dead-timeout=30 /dev/nbd0 srv"},
    {"nbd-client srv 2000 /dev/nbd0", "--dead-timeout=30 --port=2000 /dev/nbd0 srv"},
    {"nbd-client srv -N x", "--dead-timeout=30 --export=x auto srv"},
    {"nbd-client ::1 2000 nbd0 -p", "--port=2000 nbd0 ::1"},
    /* How long I/O waits. */
    {"nbd-client srv nbd0 -t 7", "--dead-timeout=7 nbd0 srv"},
    {"nbd-client srv nbd0 -timeout 0", "--dead-timeout=30 nbd0 srv"},
    {"nbd-client srv nbd0 timeout=9 bs=1024", "--block-size=1024 --dead-timeout=9 nbd0 srv"},
    {"nbd-client srv nbd0 -timeout 7 -persist", "nbd0 srv"},
    {"nbd-client srv nbd0 -T 90", "--dead-timeout=90 nbd0 srv"},
    {"nbd-client srv nbd0 -p -dead-timeout 90", "--dead-timeout=90 nbd0 srv"},
    /* The rest, in its short and its long form. */
    {"nbd-client -p -b 4096 -C 4 -R -s -n -L -g -i me srv nbd0",
     "--block-size=4096 --connections=4 --read-only --swap --foreground --backend=ioctl "
     "--identifier=me nbd0 srv"},
    {"nbd-client -persist -block-size 0x200 -connections 2 -readonly -nofork -nonetlink -no-optgo "
     "-identifier me srv nbd0",
     "--block-size=512 --connections=2 --read-only --foreground --backend=ioctl --identifier=me "
     "nbd0 srv"},
    {"nbd-client -p -unix /run/s nbd1 -N x", "--unix=/run/s --export=x nbd1"},
    {"nbd-client -p -u /run/nbd1 nbd1", "--unix=/run/nbd1 nbd1"},
    {"nbd-client -p -size 4096 srv nbd1", "nbd1 srv"},
    /* Each of these words turns TLS on. */
    {"nbd-client -p -x srv nbd0", "--tls --tls-verify-peer=0 nbd0 srv"},
    {"nbd-client -p -enable-tls -priority NORMAL srv nbd0",
     "--tls-priority=NORMAL --tls --tls-verify-peer=0 nbd0 srv"},
    {"nbd-client -p -A ca srv nbd0", "--tls-ca=ca --tls nbd0 srv"},
    {"nbd-client -p -tlshostname h srv nbd0",
     "--tls-hostname=h --tls --tls-verify-peer=0 nbd0 srv"},
    {"nbd-client -p -K k srv nbd0", "--tls --tls-key=k --tls-cert=k --tls-verify-peer=0 nbd0 srv"},
    {"nbd-client -p -certfile c -keyfile k -cacertfile a srv nbd0",
     "--tls-ca=a --tls --tls-cert=c --tls-key=k nbd0 srv"},
    {"nbd-client -l srv 99 -cacertfile a", "--tls-ca=a --list --port=99 --tls srv"},
    {"nbd-client -list srv", "--list srv"},
    {"nbd-client -l -u /run/s", "--list --unix=/run/s"},
    /* nbdtab(5) */
    {"nbd-client nbd0", "--export=x --port=5 --dead-timeout=30 nbd0 srv"},
    {"nbd-client /dev/nbd1", "--unix=/run/s --export=y nbd1"},
    {"nbd-client nbd2", "--export=z --dead-timeout=8 nbd2 srv"},
    {"nbd-client nbd3", "--export=t --tls --tls-ca=/ca --dead-timeout=4 nbd3 srv"},
    {"nbd-client nbd6", "--export=t --tls --tls-verify-peer=0 nbd6 srv"},
    {"nbd-client nbd9", "nbd9"},
    /* No words: help and version. */
    {"nbd-client -h", ""},
    {"nbd-client --help", ""},
    {"nbd-client -V", ""},
};

static void every_word_has_its_counterpart(void **state)
{
	struct nbd_client c;
	struct err err;
	char text[1024];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		if (parse(good[i].line, &c, &err) < 0)
			fail_msg("%s: %s", good[i].line, err.message);
		join(&c, text, sizeof(text));
		if (strcmp(text, good[i].words) != 0)
			fail_msg("%s: %s, not %s", good[i].line, text, good[i].words);
		nbd_client_done(&c);
	}
}

/* Programs search the help for an option, in nbd-client's form, before they use it. */
static void the_help_has_the_options(void **state)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	assert_non_null(f);
	nbd_client_help(f);
	fclose(f);
	assert_non_null(strstr(text, "[-nonetlink|-L]"));
	assert_non_null(strstr(text, "[-block-size|-b VALUE]"));
	assert_null(strstr(text, "-sdp"));
	for (const char *line = text; *line;) {
		size_t n = strcspn(line, "\n");

		assert_true(n < 80);
		line += n + (line[n] == '\n');
	}
	free(text);
}

/* The result must be a command line that nbd-attach accepts. */
static void the_result_is_understood(void **state)
{
	struct nbd_client c;
	struct options o;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		/* These have no file, or need one that does not exist. */
		if (!good[i].words[0] || strcmp(good[i].words, "nbd9") == 0)
			continue;
		assert_int_equal(parse(good[i].line, &c, &err), 0);
		if (options_parse((int)c.n, c.word, &o, &err) < 0)
			fail_msg("%s: %s", good[i].line, err.message);
		options_done(&o);
		nbd_client_done(&c);
	}
}

static const struct {
	const char *line, *says;
	enum nbd_client_task task;
} bad[] = {
    {"nbd-client", "a HOST and a DEVICE are needed", NBD_CLIENT_ATTACH},
    {"nbd-client -P -size 512 srv nbd0", "-preinit: nbd-attach always shakes hands",
     NBD_CLIENT_ATTACH},
    {"nbd-client -S srv nbd0", "Socket Direct Protocol", NBD_CLIENT_ATTACH},
    {"nbd-client srv 1 nbd0 x", "\"x\" is one word too many", NBD_CLIENT_ATTACH},
    {"nbd-client -b 100 srv nbd0", "100 is not a multiple of 512", NBD_CLIENT_ATTACH},
    {"nbd-client -b 0 srv nbd0", "0 is not a multiple of 512", NBD_CLIENT_ATTACH},
    {"nbd-client -b 512x srv nbd0", "\"512x\" is not a number", NBD_CLIENT_ATTACH},
    {"nbd-client srv nbd0 bs=-512", "\"-512\" is not a number", NBD_CLIENT_ATTACH},
    {"nbd-client -t x srv nbd0", "-timeout: \"x\" is not a number", NBD_CLIENT_ATTACH},
    {"nbd-client -C 99999999999999999999 srv nbd0", "is not a number", NBD_CLIENT_ATTACH},
    {"nbd-client -size 0 srv nbd0", "the size must not be 0", NBD_CLIENT_ATTACH},
    {"nbd-client -timeout", "\"-timeout\" needs a value", NBD_CLIENT_ATTACH},
    {"nbd-client -nosuch", "nbd-client has no option \"-nosuch\"", NBD_CLIENT_ATTACH},
    {"nbd-client -l", "-list needs a HOST", NBD_CLIENT_LIST},
    {"nbd-client srv nbd0 -- -x", "comes after --", NBD_CLIENT_ATTACH},
    {"nbd-client [ x ]", "is neither a host", NBD_CLIENT_ATTACH},
    {"nbd-client nbd4", "preinit", NBD_CLIENT_ATTACH},
    /* A wrong line of the device, and not another server. */
    {"nbd-client nbd5", ":2: the line must name a device, a host", NBD_CLIENT_ATTACH},
    {"nbd-client nbd7", ":9: \"extra\" is one word too many", NBD_CLIENT_ATTACH},
    {"nbd-client /dev/nbd8", ":10: \"s,rv\" contains a comma", NBD_CLIENT_ATTACH},
    {"nbd-client nbd10", ":11: the line contains a NUL byte", NBD_CLIENT_ATTACH},
    {"nbd-client nbdx", "not an NBD device", NBD_CLIENT_ATTACH},
    /* The exit status of -c differs. */
    {"nbd-client -c nbd0 -nosuch", "no option", NBD_CLIENT_CHECK},
    {"nbd-client srv -nosuch x -c nbd0", "no option", NBD_CLIENT_CHECK},
    {"nbd-client -c", "\"-c\" needs a value", NBD_CLIENT_CHECK},
    {"nbd-client -check", "\"-check\" needs a value", NBD_CLIENT_CHECK},
    {"nbd-client --check", "\"--check\" needs a value", NBD_CLIENT_CHECK},
    {"nbd-client -d", "\"-d\" needs a value", NBD_CLIENT_ATTACH},
    {"nbd-client -b -c srv nbd0", "is not", NBD_CLIENT_ATTACH},
};

static void what_is_refused_is_named(void **state)
{
	struct nbd_client c;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (parse(bad[i].line, &c, &err) == 0)
			fail_msg("%s: taken", bad[i].line);
		if (!strstr(err.message, bad[i].says))
			fail_msg("%s: %s", bad[i].line, err.message);
		assert_int_equal(c.task, bad[i].task);
		assert_int_equal(c.n, 0);
	}
}

static void a_table_that_cannot_be_read_is_not_skipped(void **state)
{
	static const struct {
		const char *file, *says; /* says: NULL: there is no table */
	} tables[] = {
	    {"/nonexistent/nbdtab", NULL},
	    {"/dev/null", NULL},
	    {"/", "cannot read /: Is a directory"},
	    {"/dev/null/nbdtab", "cannot read /dev/null/nbdtab: Not a directory"},
	};
	char program[] = "nbd-client", device[] = "nbd0";
	char *argv[] = {program, device, NULL};
	struct nbd_client c;
	struct err err;
	int r;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		r = nbd_client_parse(2, argv, tables[i].file, &c, &err);
		if ((r == 0) == (tables[i].says != NULL))
			fail_msg("%s: %d", tables[i].file, r);
		if (r == 0)
			nbd_client_done(&c);
		else
			assert_string_equal(err.message, tables[i].says);
	}
}

static void words_beyond_the_room_are_refused(void **state)
{
	char line[1024] = "nbd-client srv nbd0";
	char *argv[2 * NBD_CLIENT_WORDS + 2], word[] = "-R";
	struct nbd_client c;
	struct err err;
	int argc = 0;

	(void)state;
	argv[argc++] = line;
	while (argc <= 2 * NBD_CLIENT_WORDS)
		argv[argc++] = word;
	argv[argc] = NULL;
	assert_true(nbd_client_parse(argc, argv, nbdtab, &c, &err) < 0);
	assert_non_null(strstr(err.message, "more than 64 words"));
}

static void what_is_no_word_is_kept(void **state)
{
	struct nbd_client c;
	struct err err;

	(void)state;
	assert_int_equal(parse("nbd-client -m -B 0x1000 srv nbd0 -t 5", &c, &err), 0);
	assert_true(c.mark);
	assert_int_equal(c.size, 4096);
	assert_non_null(strstr(c.note, "gone for 5 seconds"));
	nbd_client_done(&c);
	assert_int_equal(parse("nbd-client srv nbd0 -p", &c, &err), 0);
	assert_false(c.mark);
	assert_int_equal(c.size, 0);
	assert_string_equal(c.note, "");
	nbd_client_done(&c);
}

static void the_name_decides(void **state)
{
	(void)state;
	assert_true(nbd_client_is_named("nbd-client"));
	assert_true(nbd_client_is_named("/sbin/nbd-client"));
	assert_true(nbd_client_is_named("@nbd-client"));
	assert_true(nbd_client_is_named("/sbin/@nbd-client"));
	assert_false(nbd_client_is_named("nbd-attach"));
	assert_false(nbd_client_is_named("@@nbd-client"));
	assert_false(nbd_client_is_named("nbd-client/nbd-attach"));
	assert_false(nbd_client_is_named("nbd-client2"));
	assert_false(nbd_client_is_named(""));
	assert_false(nbd_client_is_named(NULL));
}

/* Options of nbd-client that a user gives to nbd-attach. */
static const struct {
	const char *line, *says; /* NULL: accepted */
} typed[] = {
    {"nbd-attach -timeout 30 nbd0 srv", "\"-timeout\" is an option of nbd-client's: write "
					"--dead-timeout SECONDS"},
    {"nbd-attach -timeout=30 nbd0 srv", "\"-timeout\" is an option of nbd-client's"},
    {"nbd-attach --timeout=30 nbd0 srv", NULL},
    {"nbd-attach -persist nbd0 srv", "nbd-attach always connects again"},
    {"nbd-attach nbd0 srv --persist", "nbd-attach always connects again"},
    {"nbd-attach -name x srv nbd0", "the export is a word after the server"},
    {"nbd-attach --name=x nbd0 srv", NULL},
    {"nbd-attach --readonly nbd0 srv", "write --read-only"},
    {"nbd-attach --disconnect nbd0", "write --detach DEVICE"},
    {"nbd-attach -systemd-mark nbd0 srv", "marks its process itself"},
    {"nbd-attach -certfile c nbd0 srv", "write --tls-cert FILE"},
    {"nbd-attach -swap nbd0 srv", "\"-swap\" needs two dashes: --swap"},
    {"nbd-attach -connections 4 nbd0 srv", "needs two dashes: --connections N"},
    {"nbd-attach -unix /run/s nbd0", "needs two dashes: --unix PATH"},
    {"nbd-attach -keep-captive x", "there is no option"},
    {"nbd-attach -nr nbd0 srv", NULL},
    {"nbd-attach -p10 nbd0 srv", NULL},
    {"nbd-attach -N -persist nbd0 srv", NULL}, /* the value of an option */
    {"nbd-attach srv nbd0", "the device comes first: nbd-attach nbd0 \"srv\""},
    {"nbd-attach srv 10809 nbd0", "the device comes first: nbd-attach --port=10809 nbd0 \"srv\""},
    {"nbd-attach srv x nbd0", "\"srv\" is not an NBD device"},
    {"nbd-attach status", "write nbd-attach --status"},
    {"nbd-attach list srv", "write nbd-attach --list HOST"},
    {"nbd-attach detach nbd0", "write nbd-attach --detach DEVICE"},
    {"nbd-attach attach nbd0 srv", "attaching needs no verb"},
    {"nbd-attach help", "write nbd-attach --help"},
    {"nbd-attach --status status", NULL}, /* a device may be called so */
};

static void a_habit_gets_the_sentence_that_helps(void **state)
{
	struct options o;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(typed); i++) {
		_cleanup_free_ char *copy = strdup(typed[i].line);
		char *argv[WORDS], *save = NULL;
		int argc = 0;

		for (char *word = strtok_r(copy, " ", &save); word;
		     word = strtok_r(NULL, " ", &save))
			argv[argc++] = word;
		argv[argc] = NULL;
		if (options_parse(argc, argv, &o, &err) == 0) {
			options_done(&o);
			if (typed[i].says)
				fail_msg("%s: taken", typed[i].line);
		} else if (!typed[i].says || !strstr(err.message, typed[i].says) ||
			   err.kind != ERR_USAGE) {
			fail_msg("%s: %s", typed[i].line, err.message);
		}
	}
}

static int write_nbdtab(void **state)
{
	static const char text[] = "# a comment\n"
				   "nbd5 srv\n" /* a bad line of another device */
				   "nbd0 srv x port=5\n"
				   "nbd1 /run/s y unix,persist\n"
				   "nbd2 srv z timeout=8\n"
				   "nbd3 srv t cacertfile=/ca,dead-timeout=4\n"
				   "nbd4 srv p preinit\n"
				   "nbd6 srv t tls,persist\n"
				   "nbd7 srv x bs=512 extra\n"
				   "nbd8 s,rv x\n"
				   "nbd10 srv x\0,tls\n";
	const ssize_t len = sizeof(text) - 1;
	_cleanup_fd_ int fd = mkstemp(nbdtab);

	(void)state;
	return fd >= 0 && write(fd, text, (size_t)len) == len ? 0 : -1;
}

static int remove_nbdtab(void **state)
{
	(void)state;
	return unlink(nbdtab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_word_has_its_counterpart),
	    cmocka_unit_test(the_help_has_the_options),
	    cmocka_unit_test(the_result_is_understood),
	    cmocka_unit_test(what_is_refused_is_named),
	    cmocka_unit_test(a_table_that_cannot_be_read_is_not_skipped),
	    cmocka_unit_test(words_beyond_the_room_are_refused),
	    cmocka_unit_test(what_is_no_word_is_kept),
	    cmocka_unit_test(the_name_decides),
	    cmocka_unit_test(a_habit_gets_the_sentence_that_helps),
	};

	return cmocka_run_group_tests(tests, write_nbdtab, remove_nbdtab);
}
