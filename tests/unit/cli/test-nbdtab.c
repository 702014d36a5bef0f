/* SPDX-License-Identifier: MIT */
/* nbdtab(5): the translation of its lines, what is reported, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "cli/nbdtab.h"
#include "cli/table.h"

#define SLOW "no request is cut off because its server is slow\n"
#define BECAME                                                                                     \
	"\"timeout\": is the dead-timeout here: I/O fails when the server has been gone for this " \
	"time, and " SLOW
#define WAITS                                                                                    \
	"\"timeout\": left out; I/O waits for a lost server until the dead timeout has passed, " \
	"and " SLOW
#define OTHER "\"timeout\": left out; dead-timeout says how long I/O waits for a lost server\n"

struct noted {
	char text[1024];
};

static void hear(const char *sentence, void *arg)
{
	struct noted *noted = arg;
	size_t len = strlen(noted->text);

	snprintf(noted->text + len, sizeof(noted->text) - len, "%s\n", sentence);
}

static int convert(const char *line, struct nbdtab *tab, struct noted *noted, char **ret_text,
		   struct err *err)
{
	_cleanup_free_ char *copy = strdup(line);
	size_t len;
	FILE *out = open_memstream(ret_text, &len);
	int r;

	*noted = (struct noted){.text = ""};
	*tab = (struct nbdtab){.note = hear, .arg = noted};
	r = nbdtab_convert(tab, copy, out, err);
	fclose(out);
	return r;
}

static const struct {
	const char *line;
	int index;
	const char *text;
	const char *notes;
	unsigned lost;
} good[] = {
    {"", -1, "", "", 0},
    {" \t\r", -1, "", "", 0},
    {"# nbd0 h x", -1, "", "", 0},
    {"nbd0 h x", 0, "target = h\nexport = x\n", "", 0},
    {"\tnbd15  h\tx \r", 15, "target = h\nexport = x\n", "", 0},
    {"/dev/nbd3 h x #comment, with=signs", 3, "target = h\nexport = x\n", "", 0},
    {"nbd0 h x#y", 0, "target = h\nexport = x#y\n", "", 0},
    {"nbd0 2001:db8::1 x port=5,conns=4", 0,
     "target = 2001:db8::1\nexport = x\nport = 5\nconnections = 4\n", "", 0},
    {"nbd0 /s x unix", 0, "unix = /s\nexport = x\n", "", 0},
    {"nbd0 h x bs=4096,timeout=30,dead-timeout=9,swap", 0,
     "target = h\nexport = x\nblock-size = 4096\n# " OTHER "dead-timeout = 9\nswap = yes\n", OTHER,
     0},
    {"nbd0 h x timeout=30", 0, "target = h\nexport = x\ndead-timeout = 30\n# " BECAME, BECAME, 0},
    {"nbd0 h x timeout=0", 0, "target = h\nexport = x\n# " WAITS, WAITS, 0},
    {"nbd0 h x timeout=30,persist", 0,
     "target = h\nexport = x\n# " WAITS "# \"persist\": nbd-attach always connects again\n",
     WAITS "\"persist\": nbd-attach always connects again\n", 0},
    {"nbd0 h x persist", 0,
     "target = h\nexport = x\n# \"persist\": nbd-attach always connects again\n",
     "\"persist\": nbd-attach always connects again\n", 0},
    {"nbd0 h x no_optgo", 0,
     "target = h\nexport = x\n# \"no_optgo\": nbd-attach does this by itself if the server needs "
     "it\n",
     "\"no_optgo\": nbd-attach does this by itself if the server needs it\n", 0},
    {"nbd0 h x _tls,_a=b", 0,
     "target = h\nexport = x\n# \"_tls\": left out; such options are meant for other programs than "
     "nbd-client\n# \"_a\": left out; such options are meant for other programs than nbd-client\n",
     "\"_tls\": left out; such options are meant for other programs than nbd-client\n\"_a\": left "
     "out; such options are meant for other programs than nbd-client\n",
     0},
    {"nbd0 /s x port=5,unix", 0,
     "unix = /s\nexport = x\n# \"port\": left out; a Unix socket has no port\n",
     "\"port\": left out; a Unix socket has no port\n", 0},
    {"nbd0 h x readonly", 0,
     "target = h\nexport = x\n# \"readonly\": left out; neither nbd-client nor nbd-attach knows "
     "it\n",
     "\"readonly\": left out; neither nbd-client nor nbd-attach knows it\n", 1},
    {"nbd0 h x a\x1b=2", 0,
     "target = h\nexport = x\n# \"a\\x1b\": left out; neither nbd-client nor nbd-attach knows it\n",
     "\"a\\x1b\": left out; neither nbd-client nor nbd-attach knows it\n", 1},
};

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_cleanup_free_ char *text = NULL;
		struct noted noted;
		struct nbdtab tab;
		struct err err;

		print_message("%s\n", good[i].line);
		if (convert(good[i].line, &tab, &noted, &text, &err) < 0)
			fail_msg("%s", err.message);
		assert_int_equal(tab.index, good[i].index);
		assert_string_equal(text, good[i].text);
		assert_string_equal(noted.text, good[i].notes);
		assert_int_equal(tab.lost, good[i].lost);
	}
}

static const struct {
	const char *line, *says;
} bad[] = {
    {"nbd0", "the line must name a device, a host and an export"},
    {"nbd0 h # x", "the line must name a device, a host and an export"},
    {"nbd0 h x swap persist", "\"persist\" is one word too many"},
    {"nbd0 h,g x", "\"h,g\" contains a comma or an equals sign"},
    {"nbd0 h a=b", "\"a=b\" contains a comma or an equals sign"},
    {"sda h x", "\"sda\" is not an NBD device: write /dev/nbd0, nbd0 or the like"},
    {"nbd0p1 h x", "\"nbd0p1\" is a partition: use the device itself, nbd0"},
    {"nbd0 h x port", "port has no value"},
    {"nbd0 h x port=", "port has no value"},
    {"nbd0 h x timeout", "timeout has no value"},
    {"nbd0 h x timeout=soon", "timeout: \"soon\" is not a number of seconds"},
    {"nbd0 h x swap=yes", "swap takes no value"},
    {"nbd0 h x swap,swap", "\"swap\" is given twice"},
    {"nbd0 h x sdp", "sdp: Linux has no Socket Direct Protocol any more"},
    {"nbd0 h x preinit", "preinit: nbd-attach does a handshake on every connection"},
    {"nbd0 h x a1,a2,a3,a4,a5,a6,a7,a8,a9,b1,b2,b3,b4,b5,b6,b7,b8,b9,c1,c2,c3,c4,c5,c6,c7,c8,c9,d1,"
     "d2,d3,d4,d5,d6",
     "more than 32 options"},
};

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_free_ char *text = NULL;
		struct noted noted;
		struct nbdtab tab;
		struct err err;

		print_message("%s\n", bad[i].line);
		assert_int_equal(convert(bad[i].line, &tab, &noted, &text, &err), -EINVAL);
		assert_string_equal(err.message, bad[i].says);
		assert_int_equal(err.kind, ERR_FAILED);
	}
}

static bool has_option(const char *name)
{
	const struct option_def *def = option_by_name(name, strlen(name));

	return def && def->in_file;
}

/* An entry with TLS still has TLS afterwards, or is refused. */
static void test_tls(void **state)
{
	static const struct {
		const char *line, *needs, *also;
	} lines[] = {
	    {"nbd0 h x tls", "tls", ""},
	    {"nbd0 h x cacertfile=/c", "tls-ca", "tls-ca = /c\n"},
	    {"nbd0 h x port=5,certfile=/c,keyfile=/k", "tls-cert", "tls-cert = /c\n"},
	    {"nbd0 h x keyfile=/k", "tls-key", "tls-cert = /k\n"},
	    {"nbd0 h x tlshostname=n", "tls-hostname", "tls-hostname = n\n"},
	    {"nbd0 /s x unix,tls,tlshostname=n", "tls-hostname", "tls-hostname = n\n"},
	    {"nbd0 h x tls,priority=NORMAL", "tls-priority", "tls-priority = NORMAL\n"},
	    /* not options of nbd-client */
	    {"nbd0 h x tlsfoo", NULL, ""},
	    {"nbd0 h x enable-tls=1", NULL, ""},
	    {"nbd0 h x certificate=/c", NULL, ""},
	    {"nbd0 h x psk=/c", NULL, ""},
	    {"nbd0 h x keyfiles=/c", NULL, ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		_cleanup_free_ char *text = NULL;
		struct noted noted;
		struct nbdtab tab;
		struct err err;
		int r = convert(lines[i].line, &tab, &noted, &text, &err);

		print_message("%s\n", lines[i].line);
		if (lines[i].needs && has_option("tls") && has_option(lines[i].needs)) {
			assert_int_equal(r, 0);
			assert_non_null(strstr(text, "tls = yes\n"));
			assert_non_null(strstr(text, lines[i].also));
		} else {
			assert_int_equal(r, -EINVAL);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),
	    cmocka_unit_test(test_bad),
	    cmocka_unit_test(test_tls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
