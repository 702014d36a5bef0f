/* SPDX-License-Identifier: MIT */
/* Long: a list of cases, each read by itself. */
/* The command line: every option, every error, the output of --help, the bash completion. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <syslog.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/ids.h"
#include "cli/table.h"
#include "supervise/reconnect/identity.h"

#define ARGS_MAX 24

#define NEEDS_FORMAT(value)                                                                      \
	"--image needs the format before the file, such as raw:FILE or qcow2:FILE, not \"" value \
	"\": guessing the format is not safe, because the content of a raw image can look like " \
	"another format"
#define RETRY_DELAY(value)                                                                    \
	"--retry-delay must be one or two numbers of seconds from 0.1 to 3600, with a comma " \
	"between them, such as 0.5,5, not \"" value "\""

/* Splits at blanks; "''" is an empty word. Includes argv[0]. */
struct args {
	char text[512];
	char *argv[ARGS_MAX + 1];
	int argc;
};

static void args_init(struct args *a, const char *line)
{
	char *save = NULL;

	memset(a, 0, sizeof(*a));
	snprintf(a->text, sizeof(a->text), "nbd-attach %s", line);
	for (char *w = strtok_r(a->text, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		assert_in_range(a->argc, 0, ARGS_MAX - 1);
		a->argv[a->argc++] = strcmp(w, "''") == 0 ? w + 2 : w;
	}
}

static int parse(const char *line, struct options *ret_options, struct err *err)
{
	struct args a;

	args_init(&a, line);
	return options_parse(a.argc, a.argv, ret_options, err);
}

static void parse_right(const char *line, struct options *ret_options)
{
	struct err err;

	if (parse(line, ret_options, &err) != 0)
		fail_msg("%s: %s", line, err.message);
}

static void assert_text(const char *got, const char *want)
{
	if (!want)
		assert_null(got);
	else
		assert_string_equal(got, want);
}

/*
 * --- correct command lines
 * ------------------------------------------------------------------------
 */

static const struct {
	const char *line;
	enum verb verb;
	const char *device;
	int index;
	const char *uri; /* NULL: no server */
} good[] = {
    {"-I --all host", VERB_INFO, NULL, SUPERVISOR_INDEX_AUTO, "nbd://host/"},
    {"-d --all", VERB_DETACH, NULL, SUPERVISOR_INDEX_AUTO, NULL},
    {"-s --all", VERB_STATUS, NULL, SUPERVISOR_INDEX_AUTO, NULL},
    {"-d /mnt/a", VERB_DETACH, "/mnt/a", SUPERVISOR_INDEX_AUTO, NULL},
    {"-c /dev/disk/by-nbd/x", VERB_CHECK, "/dev/disk/by-nbd/x", SUPERVISOR_INDEX_AUTO, NULL},
    {"--resize nbd3", VERB_RESIZE, "nbd3", 3, NULL},
    {"--fail-now nbd3", VERB_FAIL_NOW, "nbd3", 3, NULL},
    {"--reload nbd3", VERB_RELOAD, "nbd3", 3, NULL},
    {"--report nbd3", VERB_REPORT, "nbd3", 3, NULL},
    {"--resize data", VERB_RESIZE, "data", SUPERVISOR_INDEX_AUTO, NULL},
    {"nbd0 host", VERB_ATTACH, "nbd0", 0, "nbd://host/"},
    {"/dev/nbd15 host export", VERB_ATTACH, "nbd15", 15, "nbd://host/export"},
    {"auto host:5 ''", VERB_ATTACH, "auto", SUPERVISOR_INDEX_AUTO, "nbd://host:5/"},
    {"nbd1048575 ::1", VERB_ATTACH, "nbd1048575", 1048575, "nbd://[::1]/"},
    {"nbd0 nbds://host/x --tls-ca c", VERB_ATTACH, "nbd0", 0, "nbds://host/x"},
    {"nbd0 -p 5 host", VERB_ATTACH, "nbd0", 0, "nbd://host:5/"},
    {"--port=5 nbd0 host x", VERB_ATTACH, "nbd0", 0, "nbd://host:5/x"},
    {"nbd0 host -N x", VERB_ATTACH, "nbd0", 0, "nbd://host/x"},
    {"-Nx nbd0 host", VERB_ATTACH, "nbd0", 0, "nbd://host/x"},
    {"--export=-x nbd0 host", VERB_ATTACH, "nbd0", 0, "nbd://host/-x"},
    {"-N '' nbd0 host", VERB_ATTACH, "nbd0", 0, "nbd://host/"},
    {"-N -- nbd0 host", VERB_ATTACH, "nbd0", 0, "nbd://host/--"},
    {"nbd0 host -", VERB_ATTACH, "nbd0", 0, "nbd://host/-"},
    {"-u /s nbd0", VERB_ATTACH, "nbd0", 0, "nbd+unix:///?socket=/s"},
    {"nbd0 x --unix /s", VERB_ATTACH, "nbd0", 0, "nbd+unix:///x?socket=/s"},
    {"nbd0 -u /s -N x", VERB_ATTACH, "nbd0", 0, "nbd+unix:///x?socket=/s"},
    {"nbd0 -- [ a -b ]", VERB_ATTACH, "nbd0", 0, "nbd+unix:///?socket="},
    {"nbd0 x [ a -b ]", VERB_ATTACH, "nbd0", 0, "nbd+unix:///x?socket="},
    {"auto --image raw:f", VERB_ATTACH, "auto", SUPERVISOR_INDEX_AUTO, "nbd+unix:///?socket="},
    {"nbd0 nbd+vsock://3/x", VERB_ATTACH, "nbd0", 0, "nbd+vsock://3/x"},
    {"nbd0 nbd+unix:///?socket=%00x", VERB_ATTACH, "nbd0", 0, "nbd+unix:///?socket=%00x"},

    {"-d nbd0", VERB_DETACH, "nbd0", 0, NULL},
    {"nbd0 --detach", VERB_DETACH, "nbd0", 0, NULL},
    {"-d --force /dev/nbd3", VERB_DETACH, "nbd3", 3, NULL},
    {"-dd nbd0", VERB_DETACH, "nbd0", 0, NULL},
    {"--backend ioctl -d nbd0", VERB_DETACH, "nbd0", 0, NULL},
    {"-c nbd0", VERB_CHECK, "nbd0", 0, NULL},
    {"--check nbd0 -q", VERB_CHECK, "nbd0", 0, NULL},
    {"--reconnect nbd0", VERB_RECONNECT, "nbd0", 0, NULL},
    {"/dev/nbd7 --reconnect --accept name", VERB_RECONNECT, "nbd7", 7, NULL},
    {"-s", VERB_STATUS, NULL, SUPERVISOR_INDEX_AUTO, NULL},
    {"-s --follow", VERB_STATUS, NULL, SUPERVISOR_INDEX_AUTO, NULL},
    {"--follow -s nbd3", VERB_STATUS, "nbd3", 3, NULL},
    {"-s nbd0", VERB_STATUS, "nbd0", 0, NULL},
    {"--status --json", VERB_STATUS, NULL, SUPERVISOR_INDEX_AUTO, NULL},
    {"-l host", VERB_LIST, NULL, SUPERVISOR_INDEX_AUTO, "nbd://host/"},
    {"--list -u s", VERB_LIST, NULL, SUPERVISOR_INDEX_AUTO, "nbd+unix:///?socket=s"},
    {"-l nbd://host/x", VERB_LIST, NULL, SUPERVISOR_INDEX_AUTO, "nbd://host/x"},
    {"-I host", VERB_INFO, NULL, SUPERVISOR_INDEX_AUTO, "nbd://host/"},
    {"--info host x", VERB_INFO, NULL, SUPERVISOR_INDEX_AUTO, "nbd://host/x"},
    {"-I -u s x --json", VERB_INFO, NULL, SUPERVISOR_INDEX_AUTO, "nbd+unix:///x?socket=s"},
    {"-l -- [ a ]", VERB_LIST, NULL, SUPERVISOR_INDEX_AUTO, "nbd+unix:///?socket="},
    {"-I x -- [ a ]", VERB_INFO, NULL, SUPERVISOR_INDEX_AUTO, "nbd+unix:///x?socket="},
    {"-I --image raw:f", VERB_INFO, NULL, SUPERVISOR_INDEX_AUTO, "nbd+unix:///?socket="},
    {"-I -u s", VERB_INFO, NULL, SUPERVISOR_INDEX_AUTO, "nbd+unix:///?socket=s"},

    {"-d data", VERB_DETACH, "data", SUPERVISOR_INDEX_AUTO, NULL},
    {"-c nbd", VERB_CHECK, "nbd", SUPERVISOR_INDEX_AUTO, NULL},
    {"-s nbd-1", VERB_STATUS, "nbd-1", SUPERVISOR_INDEX_AUTO, NULL},
    {"--reconnect a.b_c", VERB_RECONNECT, "a.b_c", SUPERVISOR_INDEX_AUTO, NULL},
    {"--check-config f", VERB_CHECK_CONFIG, NULL, SUPERVISOR_INDEX_AUTO, NULL},
    {"--attach-all", VERB_ATTACH_ALL, NULL, SUPERVISOR_INDEX_AUTO, NULL},
    {"--shutdown", VERB_SHUTDOWN, NULL, SUPERVISOR_INDEX_AUTO, NULL},
    {"--shutdown --grace 60", VERB_SHUTDOWN, NULL, SUPERVISOR_INDEX_AUTO, NULL},
    {"--grace=infinity --shutdown", VERB_SHUTDOWN, NULL, SUPERVISOR_INDEX_AUTO, NULL},
    {"--import-nbdtab", VERB_IMPORT, NULL, SUPERVISOR_INDEX_AUTO, NULL},
    {"--force f --import-nbdtab --output d", VERB_IMPORT, NULL, SUPERVISOR_INDEX_AUTO, NULL},

    {"-h", VERB_HELP, NULL, SUPERVISOR_INDEX_AUTO, NULL},
    {"--help nbd0 host --nonsense", VERB_HELP, NULL, SUPERVISOR_INDEX_AUTO, NULL},
    {"-V", VERB_VERSION, NULL, SUPERVISOR_INDEX_AUTO, NULL},
    {"--version", VERB_VERSION, NULL, SUPERVISOR_INDEX_AUTO, NULL},
    {"--completion zsh", VERB_COMPLETION, NULL, SUPERVISOR_INDEX_AUTO, NULL},
    {"--completion=fish --nonsense", VERB_COMPLETION, NULL, SUPERVISOR_INDEX_AUTO, NULL},
};

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_cleanup_free_ char *uri = NULL;
		struct options o;

		print_message("%s\n", good[i].line);
		parse_right(good[i].line, &o);
		assert_int_equal(o.verb, good[i].verb);
		assert_text(o.device, good[i].device);
		assert_int_equal(o.index, good[i].index);
		if (good[i].uri) {
			uri = endpoint_uri(&o.endpoint);
			assert_string_equal(uri, good[i].uri);
		}
		options_done(&o);
	}
}

static void test_defaults(void **state)
{
	struct options o;

	(void)state;
	parse_right("nbd0 host", &o);
	assert_int_equal(o.connect_timeout_ms, 10000);
	assert_int_equal(o.connections, 1);
	assert_int_equal(o.block_size, 0);
	assert_int_equal(o.timeout, 0);
	assert_int_equal(o.backend, KERNEL_BACKEND_AUTO);
	assert_int_equal(o.log_level, LOG_NOTICE);
	assert_false(o.read_only || o.foreground || o.wait || o.force || o.json);
	assert_int_equal(o.wait_ms, 0);
	assert_null(o.identifier);
	assert_null(o.source);
	assert_false(o.owned);
	assert_int_equal(o.dead_timeout, 600);
	assert_int_equal(o.peer_timeout_ms, 10000);
	assert_int_equal(o.retry_delay_ms, 500);
	assert_int_equal(o.retry_delay_late_ms, 5000);
	assert_false(o.no_trim || o.no_write_zeroes);
	assert_false(o.no_scan || o.no_reconnect || o.follow_dns || o.swap || o.follow);
	assert_int_equal(o.accept, 0);
	assert_null(o.on_change);
	options_done(&o);
	options_done(&o); /* an empty value again */
}

/* Each option with a value, in each spelling. */
static void test_fields(void **state)
{
	struct options o;

	(void)state;
	parse_right(
	    "-C 16 -r -b 4096 -t 30 -n -i id --connect-timeout 0.5 --wait --backend netlink "
	    "nbd0 host",
	    &o);
	assert_int_equal(o.connections, 16);
	assert_true(o.read_only && o.foreground && o.wait);
	assert_int_equal(o.block_size, 4096);
	assert_int_equal(o.timeout, 30);
	assert_string_equal(o.identifier, "id");
	assert_null(o.name);
	assert_int_equal(o.connect_timeout_ms, 500);
	assert_int_equal(o.wait_ms, 0);
	assert_int_equal(o.backend, KERNEL_BACKEND_NETLINK);
	options_done(&o);

	parse_right("--connections=2 --read-only --block-size=65536 --timeout=0 --foreground "
		    "--identifier=i --wait=2.25 --backend=ioctl nbd0 host",
		    &o);
	assert_int_equal(o.connections, 2);
	assert_true(o.read_only && o.foreground && o.wait);
	assert_int_equal(o.block_size, 65536);
	assert_int_equal(o.wait_ms, 2250);
	assert_int_equal(o.backend, KERNEL_BACKEND_IOCTL);
	options_done(&o);

	parse_right("--source 127.0.0.1 --connect-timeout 3600 -l host", &o);
	assert_string_equal(o.source, "127.0.0.1");
	assert_int_equal(o.connect_timeout_ms, 3600000);
	options_done(&o);
	parse_right("--source=eth0 --connect-timeout=0.125 -I host", &o);
	assert_string_equal(o.source, "eth0");
	assert_int_equal(o.connect_timeout_ms, 125);
	options_done(&o);

	parse_right("--name a.B_0-9 nbd0 host", &o);
	assert_string_equal(o.name, "a.B_0-9");
	assert_null(o.config_name);
	options_done(&o);
	parse_right("--watch-size 60 nbd0 host", &o);
	assert_int_equal(o.watch_size, 60);
	options_done(&o);
	parse_right("--import-nbdtab f --output d --force", &o);
	assert_string_equal(o.file, "f");
	assert_string_equal(o.output, "d");
	assert_true(o.force);
	options_done(&o);
	parse_right("--check-config f", &o);
	assert_string_equal(o.file, "f");
	options_done(&o);

	parse_right("-d --force nbd0", &o);
	assert_true(o.force);
	options_done(&o);
	parse_right("-s --json", &o);
	assert_true(o.json);
	options_done(&o);
	parse_right("-v -s", &o);
	assert_int_equal(o.log_level, LOG_INFO);
	options_done(&o);
	parse_right("-vv --verbose -s", &o);
	assert_int_equal(o.log_level, LOG_DEBUG);
	options_done(&o);
	parse_right("--quiet -s", &o);
	assert_int_equal(o.log_level, LOG_ERR);
	options_done(&o);
}

static void test_outage(void **state)
{
	struct options o;

	(void)state;
	parse_right("--dead-timeout infinity --peer-timeout 5 --retry-delay 0.1,3600 "
		    "--follow-dns --accept smaller --on-change true nbd0 host",
		    &o);
	assert_int_equal(o.dead_timeout, OPTIONS_FOREVER);
	assert_int_equal(o.peer_timeout_ms, 5000);
	assert_int_equal(o.retry_delay_ms, 100);
	assert_int_equal(o.retry_delay_late_ms, 3600000);
	assert_true(o.follow_dns);
	assert_int_equal(o.accept, ACCEPT_SMALLER);
	assert_string_equal(o.on_change, "true");
	options_done(&o);
	assert_null(o.on_change);
	assert_int_equal(o.accept, 0);

	parse_right("--dead-timeout=0 --peer-timeout=3600 --accept=name,read-only,features,smaller "
		    "--swap --no-scan --no-trim --no-write-zeroes "
		    "--io-timeout=2.5 nbd0 host",
		    &o);
	assert_int_equal(o.dead_timeout, 0);
	assert_int_equal(o.peer_timeout_ms, 3600000);
	assert_int_equal(o.accept,
			 ACCEPT_SMALLER | ACCEPT_READ_ONLY | ACCEPT_FEATURES | ACCEPT_NAME);
	assert_true(o.swap);
	assert_true(o.no_scan && o.no_trim && o.no_write_zeroes);
	assert_int_equal(o.io_timeout_ms, 2500);
	options_done(&o);

	parse_right("nbd0 host 10809", &o);
	assert_true(o.export_is_number);
	options_done(&o);
	parse_right("nbd0 host -N 10809", &o);
	assert_false(o.export_is_number);
	options_done(&o);
	parse_right("nbd0 -u /s 1", &o);
	assert_false(o.export_is_number);
	options_done(&o);
	parse_right("nbd0 host 1a", &o);
	assert_false(o.export_is_number);
	options_done(&o);

	/* If the option is repeated, its words add up. */
	parse_right("--accept name --accept name,features --dead-timeout 2147483 --on-change b "
		    "nbd0 host",
		    &o);
	assert_int_equal(o.accept, ACCEPT_FEATURES | ACCEPT_NAME);
	assert_int_equal(o.dead_timeout, 2147483);
	assert_string_equal(o.on_change, "b");
	options_done(&o);

	parse_right("--no-reconnect --peer-timeout 7.5 nbd0 host", &o);
	assert_true(o.no_reconnect);
	assert_int_equal(o.peer_timeout_ms, 7500);
	options_done(&o);
	parse_right("--reconnect nbd0 --accept read-only", &o);
	assert_int_equal(o.accept, ACCEPT_READ_ONLY);
	options_done(&o);
	parse_right("nbd0 host", &o);
	assert_int_equal(o.n_failover, 0);
	assert_int_equal(o.same_content, 0);
	options_done(&o);
	parse_right("-s --follow nbd0", &o);
	assert_true(o.follow);
	options_done(&o);
}

/* The settings of TLS, in a URI, by options, or by both. */
static void assert_target(const struct options *o, size_t i, const char *uri)
{
	_cleanup_free_ char *got = endpoint_uri(&o->failover[i]);

	assert_in_range(i, 0, o->n_failover - 1);
	assert_string_equal(got, uri);
}

static void test_units(void **state)
{
	struct options o;

	(void)state;
	parse_right(
	    "--dead-timeout 10m --peer-timeout 7500ms --connect-timeout 1.5m --watch-size 1h "
	    "--retry-delay 250ms,2s --block-size 4K --timeout 3000ms nbd0 host",
	    &o);
	assert_int_equal(o.dead_timeout, 600);
	assert_int_equal(o.peer_timeout_ms, 7500);
	assert_int_equal(o.connect_timeout_ms, 90000);
	assert_int_equal(o.watch_size, 3600);
	assert_int_equal(o.retry_delay_ms, 250);
	assert_int_equal(o.retry_delay_late_ms, 2000);
	assert_int_equal(o.block_size, 4096);
	assert_int_equal(o.timeout, 3);
	options_done(&o);
	parse_right("nbd0 host --same-content=ids", &o);
	assert_int_equal(o.same_content, IDS_SAMPLE);
	options_done(&o);
	parse_right("nbd0 host --wait=1m -r --same-content=2M", &o);
	assert_int_equal(o.wait_ms, 60000);
	assert_int_equal(o.same_content, 2 << 20);
	options_done(&o);
}

static void test_several(void **state)
{
	struct options o;

	(void)state;
	parse_right("-d nbd0 data /mnt /dev/nbd2", &o);
	assert_int_equal(o.index, 0);
	assert_int_equal(o.n_more, 3);
	assert_string_equal(o.more[0].device, "data");
	assert_int_equal(o.more[0].index, SUPERVISOR_INDEX_AUTO);
	assert_string_equal(o.more[1].device, "/mnt");
	assert_string_equal(o.more[2].device, "nbd2");
	assert_int_equal(o.more[2].index, 2);
	options_done(&o);
}

static void test_retry_delay(void **state)
{
	struct options o;

	(void)state;
	parse_right("nbd0 host --retry-delay 2", &o);
	assert_int_equal(o.retry_delay_ms, 2000);
	assert_int_equal(o.retry_delay_late_ms, OPTIONS_RETRY_DELAY_LATE);
	options_done(&o);
	parse_right("nbd0 host --retry-delay 60", &o);
	assert_int_equal(o.retry_delay_ms, 60000);
	assert_int_equal(o.retry_delay_late_ms, 60000);
	options_done(&o);
	parse_right("nbd0 host --retry-delay 60,1", &o);
	assert_int_equal(o.retry_delay_late_ms, 1000);
	options_done(&o);
}

#define ATTACHMENT_OPTIONS_MAX 50 /* nobody remembers more than that */

/*
 * Whether somebody has to learn this option in order to attach a device. Verbs do not count, nor
 * does --exec, which is an action although the table does not treat it as a verb, nor does a
 * negation such as --no-reconnect, which turns off what the program does by itself.
 */
static bool counts(const struct option_def *def)
{
	if (def->hidden || def->group == GROUP_VERB || !(def->verbs & 1U << VERB_ATTACH))
		return false;
	return strncmp(def->name, "no-", 3) != 0 && strcmp(def->name, "exec") != 0;
}

static void test_few_options(void **state)
{
	unsigned n = 0;

	(void)state;
	for (size_t i = 0; i < options_count; i++)
		n += counts(&options_table[i]);
	assert_in_range(n, 1, ATTACHMENT_OPTIONS_MAX);
}

/* The server's address has no interface, and gets it from --source. */
static void test_interface_of_the_source(void **state)
{
	struct options o;

	(void)state;
	parse_right("--source lo nbd0 fe80::1 --failover nbd://[fe80::2]/", &o);
	options_done(&o);
	parse_right("--source fe80::3%lo nbd0 fe80::1", &o);
	options_done(&o);
	parse_right("nbd0 fec0::1", &o);
	options_done(&o);
}

static void test_failover(void **state)
{
	struct options o;

	(void)state;
	parse_right("nbd0 nbd://a/x --failover nbd://b/y --failover nbd+unix:///x?socket=/s "
		    "--failback at-loss --fence f --same-content",
		    &o);
	assert_int_equal(o.n_failover, 2);
	assert_target(&o, 0, "nbd://b/y");
	assert_target(&o, 1, "nbd+unix:///x?socket=/s");
	assert_int_equal(o.failback, FAILBACK_AT_LOSS);
	assert_string_equal(o.fence, "f");
	assert_int_equal(o.same_content, 1 << 20);
	options_done(&o);
	assert_int_equal(o.n_failover, 0);

	parse_right("nbd0 a --failover nbd://b --fence none --same-content=65536", &o);
	assert_int_equal(o.failback, FAILBACK_NEVER);
	assert_true(o.failover_unfenced);
	assert_int_equal(o.same_content, 65536);
	options_done(&o);

	/* Options set what a target does not say about TLS. */
	parse_right("nbd0 a --failover nbd://b --failover nbds://c/?tls-certificates=/d --tls "
		    "--tls-ca /ca --tls-hostname n",
		    &o);
	assert_string_equal(o.endpoint.tls_ca, "/ca");
	assert_true(o.failover[0].tls && o.failover[0].tls_verify_peer);
	assert_int_equal(o.failover[0].tls_type, TLS_TYPE_X509);
	assert_string_equal(o.failover[0].tls_ca, "/ca");
	assert_string_equal(o.failover[0].tls_hostname, "n");
	assert_string_equal(o.failover[1].tls_certificates, "/d");
	options_done(&o);
	parse_right("nbd0 a --failover nbds://b/?tls-psk-file=/k --tls --tls-ca /ca", &o);
	assert_int_equal(o.failover[0].tls_type, TLS_TYPE_PSK);
	assert_null(o.failover[0].tls_ca);
	options_done(&o);
	parse_right("nbd0 a --failover nbds://b/?tls-psk-file=/k", &o);
	assert_false(o.endpoint.tls);
	options_done(&o);
	/* The first one promised nothing. */
	parse_right("nbd0 nbds://a/?tls-type=anon --failover nbds://b/?tls-type=anon", &o);
	options_done(&o);
}

static void test_tls(void **state)
{
	struct options o;

	(void)state;
	parse_right("nbd0 host --tls --tls-ca /a --tls-crl /l --tls-cert /c --tls-key /k "
		    "--tls-hostname n --tls-priority NORMAL",
		    &o);
	assert_true(o.endpoint.tls && o.endpoint.tls_verify_peer);
	assert_int_equal(o.endpoint.tls_type, TLS_TYPE_X509);
	assert_string_equal(o.endpoint.tls_ca, "/a");
	assert_string_equal(o.endpoint.tls_crl, "/l");
	assert_string_equal(o.endpoint.tls_cert, "/c");
	assert_string_equal(o.endpoint.tls_key, "/k");
	assert_string_equal(o.endpoint.tls_hostname, "n");
	assert_string_equal(o.endpoint.tls_priority, "NORMAL");
	options_done(&o);
	assert_null(o.endpoint.tls_ca);

	parse_right("nbd0 --tls host --tls-psk /k --tls-username me", &o);
	assert_int_equal(o.endpoint.tls_type, TLS_TYPE_PSK);
	assert_string_equal(o.endpoint.tls_psk_file, "/k");
	assert_string_equal(o.endpoint.tls_username, "me");
	options_done(&o);
	parse_right("nbd0 nbds://me@host/ --tls-psk /k", &o);
	assert_string_equal(o.endpoint.tls_username, "me");
	options_done(&o);
	parse_right("nbd0 nbds://host/?tls-type=anon", &o);
	assert_int_equal(o.endpoint.tls_type, TLS_TYPE_ANON);
	options_done(&o);
	parse_right("nbd0 host --tls --tls-verify-peer 0", &o);
	assert_false(o.endpoint.tls_verify_peer);
	options_done(&o);
	parse_right("nbd0 --tls nbd://host/x --tls-certificates /d", &o);
	assert_true(o.endpoint.tls);
	assert_string_equal(o.endpoint.tls_certificates, "/d");
	options_done(&o);
	parse_right("-I -u s --tls --tls-ca c --tls-hostname 2001:db8::1", &o);
	assert_string_equal(o.endpoint.tls_hostname, "2001:db8::1");
	options_done(&o);
	parse_right("-I -u s --tls --tls-ca c --tls-hostname n", &o);
	assert_int_equal(o.endpoint.type, ENDPOINT_UNIX);
	options_done(&o);
	parse_right("nbd0 host", &o);
	assert_false(o.endpoint.tls);
	options_done(&o);
}

/*
 * An attachment may outlive its working directory, so paths become absolute; for a query they do
 * not.
 */
static void test_absolute(void **state)
{
	_cleanup_free_ char *cwd = getcwd(NULL, 0);
	char want[4200];
	struct options o;
	struct err err;

	(void)state;
	parse_right("-u some/s nbd0", &o);
	snprintf(want, sizeof(want), "%s/some/s", cwd);
	assert_string_equal(o.endpoint.path, want);
	assert_int_equal(o.endpoint.path_len, strlen(want));
	options_done(&o);
	parse_right("nbd0 nbds://h/?tls-type=x509&tls-certificates=c", &o);
	snprintf(want, sizeof(want), "%s/c", cwd);
	assert_string_equal(o.endpoint.tls_certificates, want);
	options_done(&o);
	parse_right("nbd0 nbds://h/?tls-psk-file=../k", &o);
	snprintf(want, sizeof(want), "%s/../k", cwd);
	assert_string_equal(o.endpoint.tls_psk_file, want);
	options_done(&o);
	parse_right("-I nbd+unix:///?socket=s", &o);
	assert_string_equal(o.endpoint.path, "s");
	options_done(&o);

	snprintf(want, sizeof(want), "-u %0106d nbd0", 7);
	assert_int_equal(parse(want, &o, &err), -EINVAL);
	assert_non_null(strstr(err.message, "made absolute, the path of the Unix socket has"));
}

/* argv is not changed: the supervisor's command line must stay as it was typed. */
static void test_argv_kept(void **state)
{
	struct args a, b;
	struct options o;

	(void)state;
	args_init(&a, "nbd0 -r host --wait x -C 2");
	b = a;
	assert_int_equal(options_parse(a.argc, a.argv, &o, NULL), 0);
	assert_memory_equal(a.argv, b.argv, sizeof(a.argv));
	assert_string_equal(o.endpoint.export_name, "x");
	options_done(&o);
}

/*
 * --- wrong command lines ------------------------------------------------------------------------
 */

#define LINK_LOCAL(a)                                                             \
	a " is a link-local address, which needs the network interface: write " a \
	  "%INTERFACE, or in a URI [" a "%25INTERFACE]"

static const struct {
	const char *line, *says;
} bad[] = {
    {"", "a DEVICE and a server are needed; try nbd-attach --help"},
    {"-r", "a DEVICE and a server are needed; try nbd-attach --help"},
    {"nbd1048575", "the server of nbd1048575, a HOST or a URI, is missing, and there is no "
		   "configuration /etc/nbd-attach/nbd1048575.conf; try nbd-attach --help"},
    {"/dev/nbd1048575",
     "the server of /dev/nbd1048575, a HOST or a URI, is missing, and there is no configuration "
     "/etc/nbd-attach/nbd1048575.conf; try nbd-attach --help"},
    {"no-such_conf", "no-such_conf is neither an NBD device nor a configuration ("
		     "/etc/nbd-attach/no-such_conf.conf does not exist); try nbd-attach --help"},
    {"-u /s no.conf", "\"no.conf\" is not a device: write nbd-attach no for the configuration "
		      "/etc/nbd-attach/no.conf"},
    {"--config /no/such/file", "/no/such/file: this file cannot be read: No such file or "
			       "directory"},
    {"--config /no/such/file -d nbd0",
     "--config cannot be combined with --detach; try nbd-attach --help"},
    {"auto", "the server of auto, a HOST or a URI, is missing; try nbd-attach --help"},
    {"host:1", "\"host:1\" stands alone, but a DEVICE and a server are needed; try nbd-attach "
	       "--help"},
    {"nbd0x", "\"nbd0x\" stands alone, but a DEVICE and a server are needed; try nbd-attach "
	      "--help"},
    {".data", "\".data\" stands alone, but a DEVICE and a server are needed; try nbd-attach "
	      "--help"},
    {"--check-config", "--check-config needs a FILE; try nbd-attach --help"},
    {"--check-config a b", "\"b\" is one word too many; try nbd-attach --help"},
    {"--import-nbdtab a b", "\"b\" is one word too many; try nbd-attach --help"},
    {"--output /x nbd0 h", "--output belongs to --import-nbdtab; try nbd-attach --help"},
    {"-u s", "a DEVICE is missing: write nbd0, or auto for a free one"},
    {"-d", "--detach needs a DEVICE; try nbd-attach --help"},
    {"-c", "--check needs a DEVICE; try nbd-attach --help"},
    {"-l", "--list needs a HOST or a URI; try nbd-attach --help"},
    {"-I", "--info needs a HOST or a URI; try nbd-attach --help"},

    {"nbd0 host a b", "\"b\" is one word too many; try nbd-attach --help"},
    {"nbd0 host a b c d e f", "\"b\" is one word too many; try nbd-attach --help"},
    {"-u s nbd0 a b", "\"b\" is one word too many after --unix; try nbd-attach --help"},
    {"-l host x", "\"x\" is one word too many; try nbd-attach --help"},
    {"-l -u s x", "\"x\" is one word too many after --unix; try nbd-attach --help"},
    {"-I host x y", "\"y\" is one word too many; try nbd-attach --help"},
    {"nbd0 -- nbdkit null 1G",
     "a server command must be in brackets: -- [ \"nbdkit\" ... ]; try nbd-attach --help"},
    {"nbd0 host --",
     "there is no server command after --: -- [ COMMAND ... ]; try nbd-attach --help"},
    {"nbd0 -- [", "the server command that begins with [ must end with ] as a separate argument; "
		  "try nbd-attach --help"},
    {"nbd0 -- [ a b] ]x", "the server command that begins with [ must end with ] as a separate "
			  "argument; try nbd-attach --help"},
    {"nbd0 [ ]", "there is no command between [ and ]; try nbd-attach --help"},
    {"nbd0 [ '' ]", "there is no command between [ and ]; try nbd-attach --help"},
    {"nbd0 [ a\x1b ]", "\"a\\x1b\" cannot be the name of a command"},
    {"nbd0 a b -- [ c ]", "\"b\" is one word too many; try nbd-attach --help"},
    {"-- [ a ]", "a DEVICE is missing: write nbd0, or auto for a free one"},
    {"-d nbd0 [ a ]",
     "a COMMAND in brackets cannot be combined with --detach; try nbd-attach --help"},
    {"nbd0 -u s [ a ]", "--unix cannot be combined with a server command"},
    {"nbd0 -p 5 [ a ]", "--port cannot be combined with a server command"},
    {"nbd0 --source eth0 [ a ]", "--source cannot be combined with a server command"},
    {"nbd0 --peer-uid 0 [ a ]", "--peer-uid cannot be combined with a server command"},
    {"nbd0 h --peer-uid ''", "--peer-uid must be a user in /etc/passwd, or a number, not \"\""},
    {"nbd0 h --peer-uid nobody-of-that-name",
     "--peer-uid must be a user in /etc/passwd, or a number, not \"nobody-of-that-name\""},
    {"nbd0 h --peer-uid -1", "--peer-uid must be a user in /etc/passwd, or a number, not \"-1\""},
    {"nbd0 h --peer-uid 4294967295",
     "--peer-uid must be a user in /etc/passwd, or a number, not \"4294967295\""},
    {"-I h --peer-uid 0", "--peer-uid cannot be combined with --info; try nbd-attach --help"},
    {"nbd0 nbd+vsock://2/ --peer-uid 0",
     "--peer-uid is for servers on this machine, by a Unix socket or TCP: the kernel does not tell "
     "who serves vsock"},
    {"nbd0 localhost --peer-uid 0 --failover nbd+vsock://2/ --fence none",
     "--peer-uid is for servers on this machine, so no --failover server can use vsock"},
    {"nbd0 --swap [ a ]", "--swap cannot be combined with a server command: a server on this "
			  "machine may need memory that is waiting to be swapped out to it"},
    {"nbd0 --root [ a ]", "--root cannot be combined with a server command: a server on this "
			  "machine needs files, which may be on the device that is lost"},
    {"nbd0 h --root --failover nbd://b --fence true",
     "--root and --fence cannot be combined: the command's file may be on the device that is lost; "
     "--fence none allows other servers"},
    {"nbd0 --tls [ a ]",
     "--tls cannot be combined with a server command: that server runs on this machine"},
    {"nbd0 --command -C 2 [ a ]", "--command allows one connection only: leave out --connections"},
    {"nbd0 --command host", "--command belongs to a server COMMAND in brackets; "
			    "try nbd-attach --help"},
    {"nbd0 --user me host", "--user belongs to a server COMMAND in brackets, or --image; "
			    "try nbd-attach --help"},
    {"nbd0 --format raw host", "the option format has been replaced by --image FORMAT:FILE, such "
			       "as --image qcow2:disk.qcow2"},
    {"nbd0 host --failover-unfenced", "the option failover-unfenced has been replaced by --fence "
				      "none"},
    {"nbd0 host --retry-delay-late=5", "the option retry-delay-late has been replaced by "
				       "--retry-delay with two values, such as --retry-delay "
				       "0.5,5"},
    {"nbd0 --image f", NEEDS_FORMAT("f")},
    {"nbd0 --image=", NEEDS_FORMAT("")},
    {"nbd0 --image :f", NEEDS_FORMAT(":f")},
    {"nbd0 --image a,b:f", NEEDS_FORMAT("a,b:f")},
    {"nbd0 --image /dir/a:f", NEEDS_FORMAT("/dir/a:f")},
    {"nbd0 --image abcdefghijklmnopqrstuvwxyz0123456:f",
     NEEDS_FORMAT("abcdefghijklmnopqrstuvwxyz0123456:f")},
    {"nbd0 --image raw:", "--image needs the name of a file after raw:"},
    {"nbd0 --image raw:f [ a ]", "--image starts its own server: leave out the COMMAND"},
    {"nbd0 --image raw:f --unix s", "--image and --unix cannot be combined"},
    {"nbd0 --image raw:f --port 5", "--image and --port cannot be combined"},
    {"nbd0 --image raw:f --command", "--image and --command cannot be combined: qemu-nbd "
				     "cannot serve NBD on its standard input and output"},
    {"-c --image raw:f", "--image cannot be combined with --check; try nbd-attach --help"},

    {"host nbd0", "the device comes first: nbd-attach nbd0 \"host\""},
    {"nbd://h/x /dev/nbd0", "the device comes first: nbd-attach /dev/nbd0 \"nbd://h/x\""},
    {"sda host", "\"sda\" is not an NBD device: write /dev/nbd0, nbd0, or auto for a free one"},
    {"-d /dev/sda", "\"/dev/sda\" is not an NBD device: write /dev/nbd0, nbd0, the name it was "
		    "given, or where it is mounted"},
    {"-d nbd01", "\"nbd01\" is not an NBD device: leave out the leading zeroes"},
    {"-d nbd1048576",
     "\"nbd1048576\" is not an NBD device: the last one that Linux can have is nbd1048575"},
    {"-d nbd7x", "\"nbd7x\" is not an NBD device: write /dev/nbd7 or nbd7"},
    {"-d ''", "\"\" is not an NBD device: write /dev/nbd0, nbd0, the name it was given, or where "
	      "it is mounted"},
    {"-d /dev/nbd7p2", "\"/dev/nbd7p2\" is a partition: use the device itself, nbd7"},
    {"-d auto", "auto is for attaching: --detach needs the name of a device"},
    {"-s auto", "auto is for attaching: --status needs the name of a device"},
    {"-d a\x1b[2J", "\"a\\x1b[2J\" is not an NBD device: write /dev/nbd0, nbd0, the name it was "
		    "given, or where it is mounted"},

    {"-d -c nbd0", "--detach and --check cannot be combined"},
    {"-sl host", "--status and --list cannot be combined"},
    {"-x", "there is no option \"-x\"; try nbd-attach --help"},
    {"-r\x1b", "there is no option \"-\\x1b\"; try nbd-attach --help"},
    {"-:", "there is no option \"-:\"; try nbd-attach --help"},
    {"--nonsense=1", "there is no option \"--nonsense\"; try nbd-attach --help"},
    {"--conn 2", "there is no option \"--conn\"; options are not abbreviated: is "
		 "--connect-timeout meant?"},
    {"--read nbd0 h", "there is no option \"--read\"; options are not abbreviated: is "
		      "--read-only meant?"},
    {"--ident=x nbd0 h", "there is no option \"--ident\"; options are not abbreviated: is "
			 "--identifier meant?"},
    {"--iden", "there is no option \"--iden\"; options are not abbreviated: is "
	       "--identifier meant?"},
    {"--read-only=yes nbd0 h", "--read-only takes no value; try nbd-attach --help"},
    {"--detach=nbd0", "--detach takes no value; try nbd-attach --help"},
    {"nbd0 h -C", "--connections needs a value: N; try nbd-attach --help"},
    {"--completion", "--completion needs a value: bash|zsh|fish; try nbd-attach --help"},
    {"--completion ksh", "--completion must be one of bash|zsh|fish, not \"ksh\""},
    {"nbd0 h --backend", "--backend needs a value: auto|netlink|ioctl; try nbd-attach --help"},

    {"--force nbd0 h", "--force belongs to --detach or --import-nbdtab; try nbd-attach --help"},
    {"--json nbd0 h", "--json belongs to --status, --list or --info; try nbd-attach --help"},
    {"--json -c nbd0", "--json belongs to --status, --list or --info; try nbd-attach --help"},
    {"-d -C 2 nbd0", "--connections cannot be combined with --detach; try nbd-attach --help"},
    {"-d -u s", "--unix cannot be combined with --detach; try nbd-attach --help"},
    {"-l -N x host", "--export cannot be combined with --list; try nbd-attach --help"},
    {"-I -r host", "--read-only cannot be combined with --info; try nbd-attach --help"},
    {"-I --wait host", "--wait cannot be combined with --info; try nbd-attach --help"},
    {"-c --backend ioctl nbd0", "--backend cannot be combined with --check; try nbd-attach --help"},
    {"-s --source lo", "--source cannot be combined with --status; try nbd-attach --help"},
    {"-vq nbd0 host", "--verbose and --quiet cannot be combined"},
    {"-u s -p 5 nbd0", "--port and --unix cannot be combined"},
    {"auto --image raw:f -N x",
     "--image serves the whole image as the only export of its server: leave out \"x\""},
    {"auto --image raw:f x",
     "--image serves the whole image as the only export of its server: leave out \"x\""},
    {"-N a -N b nbd0 host", "--export is given twice"},
    {"-N x nbd0 host y", "the export is given twice: with --export, and as \"y\""},
    {"-N x -u s nbd0 y", "the export is given twice: with --export, and as \"y\""},
    {"nbd0 nbd://h/x y",
     "a URI contains the export: write nbd://HOST/EXPORT, without a separate EXPORT"},
    {"-N y nbd0 nbd://h/x",
     "a URI contains the export: write nbd://HOST/EXPORT, without a separate EXPORT"},
    {"-p 5 nbd0 nbd://h/x", "a URI contains the port: --port cannot be combined with it"},
    {"-p 5 nbd0 host:6", "the port is given twice: with --port, and after the host in \"host:6\""},
    {"--config ''", "the value of --config is empty"},
    {"--check-config ''", "the name of the file after --check-config is empty"},
    {"--import-nbdtab ''", "the name of the file after --import-nbdtab is empty"},
    {"--import-nbdtab f --output ''", "the value of --output is empty"},
    {"nbd0 -u ''", "the value of --unix is empty"},
    {"nbd0 nbds://h --tls-psk ''", "the value of --tls-psk is empty"},
    {"nbd0 h --failover nbd://k --fence ''",
     "the value of --fence is empty: --fence none allows another server without a command"},
    {"--source lo -u s nbd0", "--source is for TCP servers"},
    {"nbd0 fe80::1", LINK_LOCAL("fe80::1")},
    {"--info [fe80::1]:5", LINK_LOCAL("fe80::1")},
    {"--list nbd://[febf::1]/", LINK_LOCAL("febf::1")},
    {"--source ::1 nbd0 fe80::1", LINK_LOCAL("fe80::1")},
    {"--source 1.2.3.4 nbd0 fe80::1", LINK_LOCAL("fe80::1")},
    {"--source fe80::2 nbd0 fe80::1%lo", "--source: fe80::2 is a link-local address, which needs "
					 "the network interface: write fe80::2%INTERFACE"},
    {"nbd0 h --failover nbd://[fe80::1]/x", "--failover: " LINK_LOCAL("fe80::1")},
    {"--source lo nbd0 nbd+vsock://2/", "--source is for TCP servers"},
    {"nbd0 host --wait 30", "--wait takes its value after an equals sign: --wait=30"},
    {"--wait 0.5 nbd0 host", "--wait takes its value after an equals sign: --wait=0.5"},

    {"nbd0 nbds://host/",
     "TLS needs something to verify the server with: give --tls-ca FILE, --tls-certificates "
     "DIRECTORY or --tls-psk FILE; --tls-verify-peer 0 trusts any server"},
    {"nbd0 --tls host",
     "TLS needs something to verify the server with: give --tls-ca FILE, --tls-certificates "
     "DIRECTORY or --tls-psk FILE; --tls-verify-peer 0 trusts any server"},
    {"nbd0 --tls host --tls-verify-peer 1",
     "TLS needs something to verify the server with: give --tls-ca FILE, --tls-certificates "
     "DIRECTORY or --tls-psk FILE; --tls-verify-peer 0 trusts any server"},
    {"nbd0 host --tls-ca c", "--tls-ca needs TLS: give --tls too, or an nbds:// URI"},
    {"nbd0 nbd://host/ --tls-psk c", "--tls-psk needs TLS: give --tls too, or an nbds:// URI"},
    {"nbd0 host --tls-verify-peer 0",
     "--tls-verify-peer needs TLS: give --tls too, or an nbds:// URI"},
    {"nbd0 --tls host --tls-verify-peer no", "--tls-verify-peer must be 0 or 1, not \"no\""},
    {"nbd0 --tls host --tls-ca ''", "the value of --tls-ca is empty"},
    {"nbd0 nbds://host/?tls-psk-file=a --tls-psk b",
     "--tls-psk repeats what the URI already says: leave one of them out"},
    {"nbd0 nbds://host/?tls-verify-peer=0 --tls-verify-peer 1",
     "--tls-verify-peer 1 contradicts tls-verify-peer=0 of the URI"},
    {"nbd0 nbds://host/?tls-type=anon --tls-verify-peer 1",
     "tls-type=anon cannot verify the server, but --tls-verify-peer 1 demands it"},
    {"nbd0 nbds://host/?tls-type=psk", "tls-type=psk needs the file with the key: --tls-psk FILE"},
    {"nbd0 --tls host --tls-psk k --tls-ca c",
     "--tls-ca cannot be combined with a shared key (tls-type psk)"},
    {"nbd0 --tls host --tls-ca c --tls-username me",
     "--tls-username cannot be combined with certificates (tls-type x509): --tls-psk FILE names a "
     "key"},
    {"nbd0 --tls host --tls-ca c --tls-cert c", "--tls-cert and --tls-key must be given together"},
    {"nbd0 --tls host --tls-ca c --tls-hostname [::1]",
     "--tls-hostname must be a host name or an address, not \"[::1]\""},
    {"nbd0 --tls host --tls-ca c --tls-hostname a/b",
     "--tls-hostname must be a host name or an address, not \"a/b\""},
    {"nbd0 --tls -u s --tls-ca c",
     "without a HOST, the name in the server's certificate must be given: --tls-hostname NAME"},
    {"-s --tls", "--tls cannot be combined with --status; try nbd-attach --help"},

    {"-p nbd nbd0 h", "the port must be a number from 1 to 65535, not \"nbd\""},
    {"-p 0 nbd0 h", "the port must be a number from 1 to 65535, not \"0\""},
    {"-C 0", "--connections must be a number from 1 to 16, not \"0\""},
    {"-C 17", "--connections must be a number from 1 to 16, not \"17\""},
    {"-C 2x", "--connections must be a number from 1 to 16, not \"2x\""},
    {"-C 4294967298", "--connections must be a number from 1 to 16, not \"4294967298\""},
    {"-C 18446744073709551618",
     "--connections must be a number from 1 to 16, not \"18446744073709551618\""},
    {"-C -1", "--connections must be a number from 1 to 16, not \"-1\""},
    {"-C ''", "--connections must be a number from 1 to 16, not \"\""},
    {"-b 256",
     "--block-size must be a power of two from 512 to 65536, such as 4096 or 4K, not \"256\""},
    {"-b 131072",
     "--block-size must be a power of two from 512 to 65536, such as 4096 or 4K, not \"131072\""},
    {"-b 1000",
     "--block-size must be a power of two from 512 to 65536, such as 4096 or 4K, not \"1000\""},
    {"-b 4k",
     "--block-size must be a power of two from 512 to 65536, such as 4096 or 4K, not \"4k\""},
    {"-t 0.5", "--timeout must be a whole number of seconds from 0 to 2147483, such as 90 or 2m, "
	       "not \"0.5\""},
    {"-t 2147484", "--timeout must be a whole number of seconds from 0 to 2147483, such as 90 or "
		   "2m, not \"2147484\""},
    {"--connect-timeout 0", "--connect-timeout must be a number of seconds from 0.1 to 3600, with "
			    "at most three decimals, such as 7.5 or 7500ms, not \"0\""},
    {"--connect-timeout 3600.001",
     "--connect-timeout must be a number of seconds from 0.1 to 3600, with at most three decimals, "
     "such as 7.5 or 7500ms, not \"3600.001\""},
    {"--connect-timeout 1.0000",
     "--connect-timeout must be a number of seconds from 0.1 to 3600, with at most three decimals, "
     "such as 7.5 or 7500ms, not \"1.0000\""},
    {"--connect-timeout 1.", "--connect-timeout must be a number of seconds from 0.1 to 3600, with "
			     "at most three decimals, such as 7.5 or 7500ms, not \"1.\""},
    {"--connect-timeout .5", "--connect-timeout must be a number of seconds from 0.1 to 3600, with "
			     "at most three decimals, such as 7.5 or 7500ms, not \".5\""},
    {"--connect-timeout 1e2", "--connect-timeout must be a number of seconds from 0.1 to 3600, "
			      "with at most three decimals, such as 7.5 or 7500ms, not \"1e2\""},
    {"--wait=x", "--wait must be a number of seconds from 0.1 to 2147483, with at most three "
		 "decimals, such as 7.5 or 7500ms, not \"x\""},
    {"--wait= nbd0 h", "--wait must be a number of seconds from 0.1 to 2147483, with at most three "
		       "decimals, such as 7.5 or 7500ms, not \"\""},
    {"--backend fast", "--backend must be one of auto|netlink|ioctl, not \"fast\""},
    {"--backend ''", "--backend must be one of auto|netlink|ioctl, not \"\""},
    {"-i ''", "--identifier must be a text of 1 to 1024 bytes without control characters, not "
	      "\"\""},
    {"-i a\nb", "--identifier must be a text of 1 to 1024 bytes without control characters, not "
		"\"a\\x0ab\""},
    {"--name auto", "--name must have 1 to 64 letters, digits, dots, dashes and underscores, the "
		    "first one a letter or digit, and be neither auto nor the name of a device, "
		    "not \"auto\""},
    {"--name nbd7", "--name must have 1 to 64 letters, digits, dots, dashes and underscores, the "
		    "first one a letter or digit, and be neither auto nor the name of a device, "
		    "not \"nbd7\""},
    {"-i \xff", "--identifier must be a text of 1 to 1024 bytes without control characters, not "
		"\"\\xff\""},

    {"--reconnect", "--reconnect needs a DEVICE; try nbd-attach --help"},
    {"--reconnect auto", "auto is for attaching: --reconnect needs the name of a device"},
    {"--reconnect=nbd0", "--reconnect takes no value; try nbd-attach --help"},
    {"-d --reconnect nbd0", "--detach and --reconnect cannot be combined"},
    {"--reconnect --dead-timeout 5 nbd0", "--dead-timeout cannot be combined with --reconnect; "
					  "try nbd-attach --help"},
    {"--follow nbd0 h", "--follow belongs to --status; try nbd-attach --help"},
    {"-s --follow --openmetrics", "--follow and --openmetrics cannot be combined"},
    {"-s --json --openmetrics", "--json and --openmetrics cannot be combined"},
    {"-s --follow a b", "--follow takes one DEVICE, or none for all of them"},
    {"-s --wait", "--status waits only with --follow and a DEVICE: leave out --wait"},
    {"-s --follow --wait", "--status waits only with --follow and a DEVICE: leave out --wait"},
    {"-d --accept name nbd0", "--accept cannot be combined with --detach; try nbd-attach --help"},
    {"--dead-timeout 1.5", "--dead-timeout must be a whole number of seconds from 0 to 2147483, "
			   "such as 90 or 2m, or infinity, not \"1.5\""},
    {"--dead-timeout 2147484", "--dead-timeout must be a whole number of seconds from 0 to "
			       "2147483, such as 90 or 2m, or infinity, not \"2147484\""},
    {"--dead-timeout -1", "--dead-timeout must be a whole number of seconds from 0 to 2147483, "
			  "such as 90 or 2m, or infinity, not \"-1\""},
    {"--dead-timeout forever", "--dead-timeout must be a whole number of seconds from 0 to "
			       "2147483, such as 90 or 2m, or infinity, not \"forever\""},
    {"--dead-timeout Infinity", "--dead-timeout must be a whole number of seconds from 0 to "
				"2147483, such as 90 or 2m, or infinity, not \"Infinity\""},
    {"--no-reconnect --watch-size 5 nbd0 h",
     "--no-reconnect and --watch-size cannot be combined: a new size needs new connections, and "
     "without reconnecting none are made"},
    {"-I --all host x", "\"x\" is one word too many after --all; try nbd-attach --help"},
    {"-I --all host -N x", "--all and --export cannot be combined"},
    {"-d --all nbd0", "\"nbd0\" is one word too many after --all; try nbd-attach --help"},
    {"-c --all", "--all belongs to --detach, --status or --info; try nbd-attach --help"},
    {"--resize --watch-size 5 nbd0",
     "--watch-size cannot be combined with --resize; try nbd-attach --help"},
    {"--no-reconnect --dead-timeout 5 nbd0 h",
     "--no-reconnect and --dead-timeout cannot be combined: without reconnecting, I/O fails at "
     "once"},
    {"--peer-timeout 4.999", "--peer-timeout must be a number of seconds from 5 to 3600, with at "
			     "most three decimals, such as 7.5 or 7500ms, not \"4.999\""},
    {"--peer-timeout 3601", "--peer-timeout must be a number of seconds from 5 to 3600, with at "
			    "most three decimals, such as 7.5 or 7500ms, not \"3601\""},
    {"--peer-timeout infinity", "--peer-timeout must be a number of seconds from 5 to 3600, with "
				"at most three decimals, such as 7.5 or 7500ms, not \"infinity\""},
    {"--retry-delay 0.099", RETRY_DELAY("0.099")},
    {"--retry-delay 1,3600.5", RETRY_DELAY("1,3600.5")},
    {"--retry-delay 1,", RETRY_DELAY("1,")},
    {"--retry-delay 1,2,3", RETRY_DELAY("1,2,3")},
    {"--retry-delay ''", RETRY_DELAY("")},
    {"--accept bigger", "--accept takes smaller|read-only|features|name|content,..., separated by "
			"commas, not \"bigger\""},
    {"--accept ''",
     "--accept takes smaller|read-only|features|name|content,..., separated by commas, not \"\""},
    {"--accept name,",
     "--accept takes smaller|read-only|features|name|content,..., separated by commas, not \"\""},
    {"--accept ,name",
     "--accept takes smaller|read-only|features|name|content,..., separated by commas, not \"\""},
    {"--accept name,small", "--accept takes smaller|read-only|features|name|content,..., separated "
			    "by commas, not \"small\""},
    {"--accept names", "--accept takes smaller|read-only|features|name|content,..., separated by "
		       "commas, not \"names\""},
    {"--accept a\x1b", "--accept takes smaller|read-only|features|name|content,..., separated by "
		       "commas, not \"a\\x1b\""},
    {"nbd0 h --on-change", "--on-change needs a value: COMMAND; try nbd-attach --help"},
    {"--swap --on-change true nbd0 h",
     "--swap and --on-change cannot be combined: running a command during an outage needs memory "
     "that may be swapped out"},
    {"--root --on-change true nbd0 h",
     "--root and --on-change cannot be combined: the command's file may be on the device that is "
     "lost"},
    {"--root --follow-dns nbd0 h", "--root and --follow-dns cannot be combined: resolving a name "
				   "needs files, which may be on the "
				   "device that is lost"},
    {"--swap --follow-dns nbd0 h",
     "--swap and --follow-dns cannot be combined: resolving a name during an outage needs files, "
     "and memory that may be swapped out"},
    {"nbd0 h --failover other", "--failover takes a URI, such as nbd://HOST/EXPORT, not \"other\""},
    {"nbd0 h --failover nbd://", "--failover: the URI names no host: nbd://HOST/EXPORT"},
    {"nbd0 nbd://h/ --failover nbd://h", "the server \"nbd://h/\" is given twice"},
    {"nbd0 h --failover nbd://b --failover nbd://b", "the server \"nbd://b/\" is given twice"},
    {"nbd0 h --failover nbd://h1 --failover nbd://h2 --failover nbd://h3 --failover nbd://h4 "
     "--failover nbd://h5 --failover nbd://h6 --failover nbd://h7 --failover nbd://h8",
     "--failover may be given 7 times"},
    {"nbd0 nbds://a/?tls-psk-file=/k --failover nbds://b/?tls-certificates=/d&tls-verify-peer=0",
     "the first server is verified, so every --failover server must be verified too: do not use "
     "tls-verify-peer=0 or tls-type=anon"},
    {"nbd0 a --tls --tls-ca /ca --failover nbds://c/?tls-type=anon",
     "the first server is verified, so every --failover server must be verified too: do not use "
     "tls-verify-peer=0 or tls-type=anon"},
    {"nbd0 h --fence x", "--fence needs another server: add --failover URI"},
    {"nbd0 h --failback never", "--failback needs another server: add --failover URI"},
    {"nbd0 h --fence none", "--fence needs another server: add --failover URI"},
    {"nbd0 h --failover nbd://b --failback idle",
     "--failback must be one of never|at-loss, not \"idle\""},
    {"nbd0 h --failover nbd://b --fence f --fence none", "--fence is given twice"},
    {"nbd0 h --failover nbd://b --swap",
     "--swap and --failover cannot be combined: moving to another server needs processes, and "
     "memory that may be swapped out"},
    {"nbd0 h --failover nbd://b --no-reconnect",
     "--no-reconnect and --failover cannot be combined: without reconnecting, no other server is "
     "ever tried"},
    {"nbd0 h --failover nbd://b --backend ioctl",
     "--failover needs netlink: with --backend ioctl a device ends with its connection"},
    {"nbd0 h --source eth0 --failover nbd+unix:///?socket=/s",
     "--source is for TCP servers, so every --failover server must use TCP"},
    {"nbd0 --failover nbd://b -- [ nbdkit ]",
     "--failover cannot be combined with a server command or --image: nbd-attach starts such a "
     "server again when it ends"},
    {"nbd0 nbds://h/ --tls-ca /c --failover nbd://b",
     "the first server uses TLS, so every --failover server must use it too: give --tls, or "
     "nbds:// URIs"},
    {"nbd0 h --tls --tls-ca /c --failover nbds://b/?tls-verify-peer=0 --tls-verify-peer 1",
     "--failover: --tls-verify-peer 1 contradicts tls-verify-peer=0 of the URI"},
    {"nbd0 h --same-content=1G",
     "--same-content must be ids, or a number from 65536 to 67108864, not \"1G\""},
    {"nbd0 h --same-content=18014398509481984K",
     "--same-content must be ids, or a number from 65536 to 67108864, not \"18014398509481984K\""},
    {"nbd0 h --block-size K",
     "--block-size must be a power of two from 512 to 65536, such as 4096 or 4K, not \"K\""},
    {"nbd0 h --connections 1K", "--connections must be a number from 1 to 16, not \"1K\""},
    {"nbd0 h --dead-timeout 1500ms", "--dead-timeout must be a whole number of seconds from 0 to "
				     "2147483, such as 90 or 2m, or infinity, not \"1500ms\""},
    {"nbd0 h --dead-timeout 597h", "--dead-timeout must be a whole number of seconds from 0 to "
				   "2147483, such as 90 or 2m, or infinity, not \"597h\""},
    {"nbd0 h --connect-timeout 100.5ms",
     "--connect-timeout must be a number of seconds from 0.1 to 3600, with at most three decimals, "
     "such as 7.5 or 7500ms, not \"100.5ms\""},
    {"nbd0 host --wait 30s", "--wait takes its value after an equals sign: --wait=30s"},
    {"nbd0 h --same-content=65535",
     "--same-content must be ids, or a number from 65536 to 67108864, not \"65535\""},
    {"--retry nbd0 h", "there is no option \"--retry\"; options are not abbreviated: is "
		       "--retry-delay meant?"},

    {"nbd0 --config f", "f: this file cannot be read: No such file or directory"},

    {"nbd0 /tmp/disk.img", "\"/tmp/disk.img\" is a path, not a server: write --unix PATH for a "
			   "Unix socket, --image FORMAT:FILE for a disk image"},
    {"nbd0 nbd:h:10809", "\"nbd:h:10809\" is QEMU's way to write it: write nbd://HOST:PORT/EXPORT "
			 "or nbd+unix:///EXPORT?socket=PATH"},
    {"nbd0 nbd:unix:/s", "\"nbd:unix:/s\" is QEMU's way to write it: write nbd://HOST:PORT/EXPORT "
			 "or nbd+unix:///EXPORT?socket=PATH"},
    {"nbd0 h --dry-run", "there is no option \"--dry-run\": --show-config prints what would be "
			 "attached, and attaches nothing"},
};

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct options o, before;
		struct err err = {.kind = ERR_FAILED};

		memset(&o, 0xa5, sizeof(o));
		memcpy(&before, &o, sizeof(o));
		print_message("%s\n", bad[i].says);
		if (parse(bad[i].line, &o, &err) >= 0)
			fail_msg("it is accepted: %s", bad[i].line);
		assert_string_equal(err.message, bad[i].says);
		assert_int_equal(err.kind, ERR_USAGE);
		assert_memory_equal(&o, &before, sizeof(o)); /* untouched on failure */
		assert_true(parse(bad[i].line, &o, NULL) < 0);
	}
}

static void test_peer_uid(void **state)
{
	struct options o;

	(void)state;
	parse_right("--peer-uid 0 nbd0 localhost", &o);
	assert_true(o.owned);
	assert_int_equal(o.peer_uid, 0);
	options_done(&o);
	parse_right("--peer-uid root -u s nbd0", &o);
	assert_true(o.owned);
	assert_int_equal(o.peer_uid, 0);
	options_done(&o);
	parse_right("--peer-uid=4294967294 nbd0 localhost", &o);
	assert_int_equal(o.peer_uid, 4294967294);
	options_done(&o);
}

static void test_source(void **state)
{
	struct options o;
	struct err err;

	(void)state;
	assert_int_equal(parse("--source a/b nbd0 h", &o, &err), -EINVAL);
	assert_int_equal(err.kind, ERR_USAGE);
	assert_non_null(strstr(err.message, "--source"));
}

/* --- the table ---------------------------------------------------------------------------- */

static void test_table(void **state)
{
	(void)state;
	assert_in_range(options_count, 1, OPTIONS_MAX);
	for (size_t i = 0; i < options_count; i++) {
		const struct option_def *def = &options_table[i];

		print_message("%s\n", def->name);
		assert_non_null(def->help);
		assert_non_null(def->set);
		assert_int_not_equal(def->verbs, 0);
		assert_true(def->value == VALUE_NONE || def->shown);
		assert_int_not_equal(def->help[strlen(def->help) - 1], '.');
		assert_true(def->min <= def->max);
		for (size_t k = 0; k < i; k++) {
			assert_string_not_equal(def->name, options_table[k].name);
			assert_true(!def->letter || def->letter != options_table[k].letter);
		}
	}
}

static void test_help(void **state)
{
	_cleanup_free_ char *help = NULL, *brief = NULL;
	char want[64];

	(void)state;
	FILE *f;
	size_t size;

	f = open_memstream(&help, &size);
	options_help(f, true);
	fclose(f);
	f = open_memstream(&brief, &size);
	options_help(f, false);
	fclose(f);
	for (size_t i = 0; i < options_count; i++) {
		const struct option_def *def = &options_table[i];

		snprintf(want, sizeof(want), def->letter ? " -%c, --%s" : "     %c--%s",
			 def->letter ? def->letter : ' ', def->name);
		if (!strstr(help, want) != def->hidden)
			fail_msg("--help all and %s", def->name);
		if (!strstr(brief, want) != !def->common)
			fail_msg("--help and %s", def->name);
	}
	for (char *line = help, *end; *line; line = end + 1) {
		end = strchr(line, '\n');
		assert_non_null(end);
		if (end - line >= 80 || memchr(line, '\t', (size_t)(end - line)) ||
		    (end > line && end[-1] == ' '))
			fail_msg("%.*s", (int)(end - line), line);
	}
}

/* test-completion.sh and test-shells.sh run the completions; this checks that they have every
 * option. */
static void test_completion(void **state)
{
	static const char *const before[] = {
	    [SHELL_BASH] = " --", [SHELL_ZSH] = "[--", [SHELL_FISH] = " -l "};
	static const char *const after[] = {
	    [SHELL_BASH] = " ", [SHELL_ZSH] = "]='", [SHELL_FISH] = " "};

	(void)state;
	for (unsigned shell = 0; completion_shells[shell]; shell++) {
		_cleanup_free_ char *script = NULL;
		size_t size;
		FILE *f = open_memstream(&script, &size);

		options_completion(f, (enum completion_shell)shell);
		fclose(f);
		for (size_t i = 0; i < options_count; i++) {
			const struct option_def *def = &options_table[i];
			char want[64];

			snprintf(want, sizeof(want), "%s%s%s", before[shell], def->name,
				 after[shell]);
			if (!strstr(script, want) != def->hidden)
				fail_msg("--completion %s and %s", completion_shells[shell],
					 def->name);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),
	    cmocka_unit_test(test_defaults),
	    cmocka_unit_test(test_fields),
	    cmocka_unit_test(test_outage),
	    cmocka_unit_test(test_units),
	    cmocka_unit_test(test_several),
	    cmocka_unit_test(test_retry_delay),
	    cmocka_unit_test(test_few_options),
	    cmocka_unit_test(test_interface_of_the_source),
	    cmocka_unit_test(test_failover),
	    cmocka_unit_test(test_tls),
	    cmocka_unit_test(test_absolute),
	    cmocka_unit_test(test_argv_kept),
	    cmocka_unit_test(test_bad),
	    cmocka_unit_test(test_source),
	    cmocka_unit_test(test_peer_uid),
	    cmocka_unit_test(test_table),
	    cmocka_unit_test(test_help),
	    cmocka_unit_test(test_completion),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
