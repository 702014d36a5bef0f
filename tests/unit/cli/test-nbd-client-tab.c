/* SPDX-License-Identifier: MIT */
/* nbd-client with a device and no host: what was typed, together with the device's line. */
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

static char nbdtab[] = "/tmp/test-nbd-client-tab.XXXXXX";

static const char table[] = "nbd0 srv plain\n"
			    "nbd1 srv full port=5,bs=512,conns=2,timeout=60,swap\n"
			    "nbd2 srv safe cacertfile=/ca,certfile=/c,keyfile=/k,tlshostname=h,"
			    "priority=NORMAL,dead-timeout=9\n"
			    "nbd3 srv key keyfile=/k,persist\n"
			    "nbd4 /run/s local unix,persist\n"
			    "nbd5 srv odd readonly,persist,ro=1,_netdev\n"
			    "nbd6 srv safe cacertfile=/ca,persist\n"
			    "nbd7 srv first persist\n"
			    "nbd7 srv second tls\n";

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

#define PLAIN "--export=plain --dead-timeout=30 nbd0 srv"

static const struct {
	const char *line, *words;
} good[] = {
    /* TLS that was typed, for a line that has none. */
    {"nbd-client nbd0 -x -F c -K k", "--tls --tls-cert=c --tls-key=k --export=plain "
				     "--tls-verify-peer=0 --dead-timeout=30 nbd0 srv"},
    {"nbd-client nbd0 -x", "--tls --export=plain --tls-verify-peer=0 --dead-timeout=30 nbd0 srv"},
    {"nbd-client nbd0 -A ca", "--tls-ca=ca --tls " PLAIN},
    {"nbd-client -tlshostname h -A ca nbd0", "--tls-hostname=h --tls-ca=ca --tls " PLAIN},
    {"nbd-client nbd0 -K k -A ca",
     "--tls-ca=ca --tls --tls-key=k --export=plain --tls-cert=k --dead-timeout=30 nbd0 srv"},
    /* ... and for one that has. */
    {"nbd-client nbd2 -x", "--tls --export=safe --tls-ca=/ca --tls-cert=/c --tls-key=/k "
			   "--tls-hostname=h --tls-priority=NORMAL --dead-timeout=9 nbd2 srv"},
    {"nbd-client nbd2 -F c -K k -A ca -H n -y SECURE -T 1",
     "--tls-ca=ca --tls-hostname=n --tls-priority=SECURE --dead-timeout=1 --tls --tls-cert=c "
     "--tls-key=k --export=safe nbd2 srv"},
    {"nbd-client nbd6 -x", "--tls --export=safe --tls-ca=/ca nbd6 srv"},
    /* A key is the certificate, too, unless one is named. */
    {"nbd-client nbd3",
     "--export=key --tls --tls-key=/k --tls-cert=/k --tls-verify-peer=0 nbd3 srv"},
    {"nbd-client nbd3 -K k",
     "--tls --tls-key=k --export=key --tls-cert=k --tls-verify-peer=0 nbd3 srv"},
    {"nbd-client nbd3 -F c",
     "--tls --tls-cert=c --export=key --tls-key=/k --tls-verify-peer=0 nbd3 srv"},
    {"nbd-client nbd2 -K k", "--tls --tls-key=k --export=safe --tls-ca=/ca --tls-cert=/c "
			     "--tls-hostname=h --tls-priority=NORMAL --dead-timeout=9 nbd2 srv"},
    /* The export, the port and the options that both can have. */
    {"nbd-client nbd0 -name other", "--export=other --dead-timeout=30 nbd0 srv"},
    {"nbd-client nbd0 10810 -p", "--port=10810 --export=plain nbd0 srv"},
    {"nbd-client nbd1 6 -b 4096 -C 3 -s -N y",
     "--block-size=4096 --connections=3 --swap --port=6 --export=y --dead-timeout=60 nbd1 srv"},
    {"nbd-client nbd0 -R -i me -n -L",
     "--read-only --identifier=me --foreground --backend=ioctl " PLAIN},
    /* How long I/O waits. */
    {"nbd-client nbd1", "--export=full --port=5 --block-size=512 --connections=2 --swap "
			"--dead-timeout=60 nbd1 srv"},
    {"nbd-client nbd0 -t 7", "--export=plain --dead-timeout=7 nbd0 srv"},
    {"nbd-client nbd0 -p", "--export=plain nbd0 srv"},
    {"nbd-client nbd0 -T 90", "--dead-timeout=90 --export=plain nbd0 srv"},
    {"nbd-client nbd1 -t 7", "--export=full --port=5 --block-size=512 --connections=2 --swap "
			     "--dead-timeout=7 nbd1 srv"},
    {"nbd-client nbd1 -p",
     "--export=full --port=5 --block-size=512 --connections=2 --swap nbd1 srv"},
    {"nbd-client nbd4 -T 8", "--dead-timeout=8 --unix=/run/s --export=local nbd4"},
    {"nbd-client nbd6 -t 8", "--export=safe --tls --tls-ca=/ca nbd6 srv"},
    /* The first line of a device counts, as with nbd-client. */
    {"nbd-client nbd7", "--export=first nbd7 srv"},
    /* Without a line, a file of nbd-attach's has the rest. */
    {"nbd-client nbd9 -x -K k -N y -T 5 -p", "--dead-timeout=5 --tls --tls-key=k --export=y nbd9"},
    {"nbd-client nbd9 7 -A ca -t 5", "--tls-ca=ca --port=7 --tls --dead-timeout=5 nbd9"},
    {"nbd-client nbd9 -p -t 5", "nbd9"},
};

static void what_was_typed_holds(void **state)
{
	struct nbd_client c;
	struct options o;
	struct err err;
	char text[1024];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		size_t len = 0;

		if (parse(good[i].line, &c, &err) < 0)
			fail_msg("%s: %s", good[i].line, err.message);
		for (size_t w = 1; w < c.n; w++)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s",
						len ? " " : "", c.word[w]);
		if (strcmp(text, good[i].words) != 0)
			fail_msg("%s: %s, not %s", good[i].line, text, good[i].words);
		/* That of nbd9 does not exist. */
		if (!strstr(good[i].words, "nbd9")) {
			if (options_parse((int)c.n, c.word, &o, &err) < 0)
				fail_msg("%s: %s", good[i].line, err.message);
			options_done(&o);
		}
		nbd_client_done(&c);
	}
}

static void a_port_of_a_unix_socket_is_refused(void **state)
{
	struct nbd_client c;
	struct err err;

	(void)state;
	assert_true(parse("nbd-client nbd4 10809", &c, &err) < 0);
	assert_non_null(strstr(err.message, ":5: a port was given, and the server is a Unix "
					    "socket"));
}

/* nbd-client warns of it, and `readonly` may have been meant to protect the export. */
static void what_the_table_has_in_vain_is_named(void **state)
{
	struct nbd_client c;
	struct err err;

	(void)state;
	assert_int_equal(parse("nbd-client nbd5", &c, &err), 0);
	assert_string_equal(c.warning,
			    "\"readonly\": left out; neither nbd-client nor nbd-attach knows it; "
			    "\"ro\": left out; neither nbd-client nor nbd-attach knows it");
	nbd_client_done(&c);
	assert_int_equal(parse("nbd-client nbd4", &c, &err), 0);
	assert_string_equal(c.warning, "");
	nbd_client_done(&c);
}

static int write_nbdtab(void **state)
{
	const ssize_t len = sizeof(table) - 1;
	_cleanup_fd_ int fd = mkstemp(nbdtab);

	(void)state;
	return fd >= 0 && write(fd, table, (size_t)len) == len ? 0 : -1;
}

static int remove_nbdtab(void **state)
{
	(void)state;
	return unlink(nbdtab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_was_typed_holds),
	    cmocka_unit_test(a_port_of_a_unix_socket_is_refused),
	    cmocka_unit_test(what_the_table_has_in_vain_is_named),
	};

	return cmocka_run_group_tests(tests, write_nbdtab, remove_nbdtab);
}
