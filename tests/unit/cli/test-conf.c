/* SPDX-License-Identifier: MIT */
/* Long: a list of cases, each read by itself. */
/*
 * Configuration files: what they may contain, every refusal, and how the command line overrides
 * them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>
#include "cli/name.h"
#include <cmocka.h>

#include "base/cleanup.h"
#include "cli/conf.h"
#include "cli/habits.h"
#include "cli/name.h"
#include "cli/table.h"
#include "supervise/reconnect/identity.h"

#define EXAMPLE "systemd/nbd-attach.conf.example"

static char dir[64];

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/test-config-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

/* A file that exists as long as the block. */
struct file {
	char path[128];
};

static struct file write_file(const char *name, const char *text, size_t len)
{
	struct file file;
	FILE *f;

	snprintf(file.path, sizeof(file.path), "%s/%s", dir, name);
	f = fopen(file.path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(file.path, 0644), 0);
	return file;
}

static void unlink_file(struct file *file)
{
	unlink(file->path);
}

#define _cleanup_file_path_ _cleanup_(unlink_file)

static struct file write_text(const char *name, const char *text)
{
	return write_file(name, text, strlen(text));
}

/* --- right files -------------------------------------------------------------------------- */

static void test_every_key(void **state)
{
	_cleanup_file_path_ struct file file =
	    write_text("every.conf", "# a comment\n"
				     "   ; another\n"
				     "\n"
				     "device=nbd3\r\n"
				     "target = nbd://host:5/export;x\n"
				     "connections\t=\t4\n"
				     "read-only = yes\n"
				     "no-reconnect = no\n"
				     "follow-dns=off\n"
				     "wait = true\n"
				     "accept = smaller\n"
				     "accept = name\n"
				     "on-change = logger -- \"$NBD_STATE\"; exit 3\n"
				     "name = disk.1");
	struct config config;
	struct err err;

	(void)state;
	if (config_read(file.path, &config, NULL, NULL, &err) < 0)
		fail_msg("%s", err.message);
	assert_string_equal(config.path, file.path);
	assert_string_equal(config.device, "nbd3");
	assert_int_equal(config.device_line, 4);
	assert_string_equal(config.target, "nbd://host:5/export;x");
	assert_int_equal(config.target_line, 5);
	assert_int_equal(config.n, 7); /* no and off set nothing */
	assert_string_equal(config.entry[0].def->name, "connections");
	assert_string_equal(config.entry[0].value, "4");
	assert_int_equal(config.entry[0].line, 6);
	assert_string_equal(config.entry[1].def->name, "read-only");
	assert_null(config.entry[1].value);
	assert_string_equal(config.entry[2].def->name, "wait");
	assert_null(config.entry[2].value);
	assert_string_equal(config.entry[4].value, "name");
	assert_string_equal(config.entry[5].value, "logger -- \"$NBD_STATE\"; exit 3");
	assert_string_equal(config.entry[6].value, "disk.1");
	config_done(&config);
	config_done(&config);
}

/* --- wrong files -------------------------------------------------------------------------- */

#define TEN(s) s s s s s s s s s s

static const struct {
	const char *text;
	const char *says; /* all errors, each after the file's path and with a newline */
} bad[] = {
    {"target = h\nfoo = 1\n", ":2: there is no option \"foo\"\n"},
    {"target = h\ncompletion = yes\n", ":2: completion is for the command line only\n"},
    {"detach = yes\ntarget = h\n", ":1: detach is for the command line only\n"},
    {"target = h\nforeground = yes\n", ":2: foreground is for the command line only\n"},
    {"target = h\njson = no\n", ":2: json is for the command line only\n"},
    {"target = h\nconfig = /x\n", ":2: config is for the command line only\n"},
    {"target = h\nforce = no\n", ":2: force is for the command line only\n"},
    {"[nbd]\ntarget = h\n", ":1: this file cannot have sections: remove the line\n"},
    {"target = h\n timeout = 3\n", ":2: the line starts with a blank: write an option and its "
				   "value on one line, without a blank before them\n"},
    {"target: h\n", ":1: \"target: h\" is not of the form `name = value`\n"},
    {"target h\n", ":1: \"target h\" is not of the form `name = value`\n"},
    {"target: h = x\n", ":1: there is no option \"target: h\"\n"},
    {"= h\ntarget = h\n", ":1: there is no option \"\"\n"},
    {"target = h\nswap = yes ; really\n", ":2: a semicolon after a blank does not begin a comment "
					  "here: put the comment on a line of its "
					  "own\n"},
    {"target = h\nidentifier =\t;a\n", ":2: a semicolon after a blank does not begin a comment "
				       "here: put the comment on a line of its "
				       "own\n"},
    {"target = [ a \"b ]\n", ":1: the quote that begins a word of the command must end that word "
			     "as well\n"},
    {"target = [ a 'b'c ]\n", ":1: the quote that begins a word of the command must end that word "
			      "as well\n"},
    {"target = h\nname = x # a comment\n",
     ":2: a # after a blank does not begin a comment here: put the comment on a line of its own, "
     "or a command into a script\n"},
    {"target = h\nexport = #x\n", ":2: a # after a blank does not begin a comment here: put the "
				  "comment on a line of its own, or a command into a script\n"},
    {"target = h\nidentifier = a\x01z\n",
     ":2: the line is not UTF-8, or contains a control character\n"},
    {"target = h\nidentifier = \xff\n",
     ":2: the line is not UTF-8, or contains a control character\n"},
    {"\xef\xbb\xbftarget = h\n",
     ":1: the file begins with a byte-order mark: save the file without it\n"},

    {"target = h\ntarget = h\n", ":2: target is given twice in this file\n"},
    {"target = h\ndevice = nbd0\ndevice = nbd0\n", ":3: device is given twice in this file\n"},
    {"target = h\nswap = no\nswap = yes\n", ":3: swap is given twice in this file\n"},
    {"target = h\ntimeout = 3\ntimeout = 3\n", ":3: timeout is given twice in this file\n"},
    {"target = h\nread-only =\n", ":2: read-only must be yes or no, not \"\"\n"},
    {"target = h\nfence = no\n",
     ":2: fence is not switched on or off: leave the line out, or write fence = none\n"},
    {"target = h\non-change = off\n",
     ":2: on-change is not switched on or off: leave the line out\n"},
    {"target = h\nread-only = 1\n", ":2: read-only must be yes or no, not \"1\"\n"},
    {"target = h\nconnections = 17\n",
     ":2: --connections must be a number from 1 to 16, not \"17\"\n"},
    {"target = h\nwait = maybe\n",
     ":2: --wait must be a number of seconds from 0.1 to 2147483, with at most three decimals, "
     "such as 7.5 or 7500ms, not \"maybe\"\n"},
    {"target = h\nname = a/b\n",
     ":2: --name must have 1 to 64 letters, digits, dots, dashes and underscores, the first one a "
     "letter or digit, and be neither auto nor the name of a device, not \"a/b\"\n"},
    {"unix = s\n", ":1: unix must be an absolute path, not \"s\"\n"},
    {"target = nbd+unix:///?socket=s\n", ":1: a path in this file must be absolute\n"},
    {"target = [ a\n", ":1: the server command that begins with [ must end with ] as a separate "
		       "argument; try nbd-attach --help\n"},
    {"target = h\nuser = me\n", ":1: --user belongs to a server COMMAND in brackets, or --image; "
				"try nbd-attach --help\n"},
    {"target = [ a ]\nunix = /s\n",
     ":1: target and unix name two servers: leave one of them out\n"},
    {"target = h\nimage = raw:/s\n",
     ":1: target and image name two servers: leave one of them out\n"},
    {"image = raw:s\n", ":1: image must be an absolute path, not \"s\"\n"},
    {"image = /s\n", ":1: --image needs the format before the file, such as raw:FILE or "
		     "qcow2:FILE, not \"/s\": guessing the format is not safe, because the content "
		     "of a raw image can look like another format\n"},
    {"target = h\nformat = raw\nretry-delay-late = 9\nfailover-unfenced = yes\n",
     ":2: the option format has been replaced by --image FORMAT:FILE, such as --image "
     "qcow2:disk.qcow2\n"
     ":3: the option retry-delay-late has been replaced by --retry-delay with two values, such as "
     "--retry-delay 0.5,5\n"
     ":4: the option failover-unfenced has been replaced by --fence none\n"},
    {"target = h\nunix = /s\n", ":1: target and unix name two servers: leave one of them out\n"},
    {"port = 5\nunix = /s\n", ":2: --port and --unix cannot be combined\n"},
    {"export = x\ntarget = nbd://h/x\n",
     ":2: a URI contains the export: write nbd://HOST/EXPORT, without a separate EXPORT\n"},
    {"target = h\nfailover = other\n",
     ":2: --failover takes a URI, such as nbd://HOST/EXPORT, not \"other\"\n"},
    {"target = h\nfence = x\n", ":1: --fence needs another server: add --failover URI\n"},
    {"target = h\nfailover = nbd://a\nfailover = nbd://h\n",
     ":1: the server \"nbd://h/\" is given twice\n"},
    {"target = h\nfailover = nbd+unix:///?socket=s\n",
     ":1: a path in this file must be absolute\n"},
    {"target = h\nfailover = nbd://a\nswap = yes\n",
     ":3: --swap and --failover cannot be combined: moving to another server needs processes, and "
     "memory that may be swapped out\n"},
    {"target = nbd:h\n", NULL},
    {"target = h\ndevice = sda\n",
     ":2: \"sda\" is not an NBD device: write /dev/nbd0, nbd0, or auto "
     "for a free one\n"},
    {"target = h\nno-reconnect = yes\ndead-timeout = 5\n",
     ":3: --no-reconnect and --dead-timeout cannot be combined: without reconnecting, I/O fails at "
     "once\n"},
    {"on-change = x\ntarget = h\nswap = on\n",
     ":3: --swap and --on-change cannot be combined: running a command during an outage needs "
     "memory that may be swapped out\n"},

    {"", ": this file names no server: add `target = HOST`, `target = nbd://HOST/EXPORT` or `unix "
	 "= PATH`\n"},
    {"swap = yes\n", ": this file names no server: add `target = HOST`, `target = "
		     "nbd://HOST/EXPORT` or `unix = PATH`\n"},
    {"swop = yes\nconnections = 0\ntarget = h\nport = x\n",
     ":1: there is no option \"swop\": is swap meant?\n"
     ":2: --connections must be a number from 1 to 16, not \"0\"\n"
     ":3: the port must be a number from 1 to 65535, not \"x\"\n"},
};

struct told {
	const char *path;
	char text[4096];
};

static void hear(const struct err *err, void *arg)
{
	struct told *told = arg;
	size_t len = strlen(told->path);

	assert_int_equal(err->kind, ERR_USAGE);
	assert_memory_equal(err->message, told->path, len);
	snprintf(told->text + strlen(told->text), sizeof(told->text) - strlen(told->text), "%s\n",
		 err->message + len);
}

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_file_path_ struct file file = write_text("bad.conf", bad[i].text);
		struct told told = {.path = file.path};
		struct err err;
		int r = config_check(file.path, hear, &told, &err);

		print_message("%s%s", bad[i].text, told.text);
		assert_int_equal(r, -EINVAL);
		if (bad[i].says)
			assert_string_equal(told.text, bad[i].says);
		/* Attach reports the first one. */
		assert_memory_equal(err.message + strlen(file.path), told.text,
				    strcspn(told.text, "\n"));
		assert_int_equal(config_check(file.path, NULL, NULL, NULL), -EINVAL);
	}
}

/* Bytes that no C string holds, and sizes. */
static void test_bytes(void **state)
{
	static char big[65536 + 1];
	struct err err;

	(void)state;
	{
		_cleanup_file_path_ struct file file =
		    write_file("nul.conf", "target = h\nswap = \0\n", 20);

		assert_int_equal(config_check(file.path, NULL, NULL, &err), -EINVAL);
		assert_non_null(strstr(err.message, "nul.conf:2: the line contains a NUL byte"));
	}
	memset(big, '\n', sizeof(big));
	memcpy(big, "target=h", 8);
	{
		_cleanup_file_path_ struct file file = write_file("big.conf", big, 65536);

		assert_int_equal(config_check(file.path, NULL, NULL, &err), 0);
	}
	{
		_cleanup_file_path_ struct file file = write_file("big.conf", big, 65537);

		assert_int_equal(config_check(file.path, NULL, NULL, &err), -EINVAL);
		assert_non_null(
		    strstr(err.message, "big.conf: this file is larger than 65536 bytes"));
	}
}

static void test_too_many(void **state)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	struct err err;

	(void)state;
	fputs("target=h\n", f);
	for (int i = 0; i <= CONFIG_ENTRIES_MAX; i++)
		fputs("accept=name\n", f);
	fclose(f);
	_cleanup_file_path_ struct file file = write_text("many.conf", text);
	assert_int_equal(config_check(file.path, NULL, NULL, &err), -EINVAL);
	assert_non_null(strstr(err.message, "many.conf:130: more than 128 lines with values"));
}

/* --- who may write it --------------------------------------------------------------------- */

static void test_owner(void **state)
{
	_cleanup_file_path_ struct file file = write_text("own.conf", "target = h\n");
	struct err err;

	(void)state;
	assert_int_equal(config_check(file.path, NULL, NULL, &err), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(chmod(file.path, i ? 0602 : 0620), 0);
		assert_int_equal(config_check(file.path, NULL, NULL, &err), -EINVAL);
		assert_non_null(strstr(err.message, "own.conf: other users than its owner can "
						    "write this file: run chmod go-w on it"));
		assert_int_equal(err.kind, ERR_USAGE);
	}
	assert_int_equal(chmod(file.path, 0600), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(file.path, 1234, 0), 0);
		assert_int_equal(config_check(file.path, NULL, NULL, &err), -EINVAL);
		assert_non_null(strstr(err.message, "belongs to user 1234, not to root"));
	}
	assert_int_equal(config_check(dir, NULL, NULL, &err), -EINVAL);
	assert_non_null(strstr(err.message, ": this is not a file"));
	unlink(file.path);
	assert_int_equal(mkfifo(file.path, 0600), 0);
	assert_int_equal(config_check(file.path, NULL, NULL, &err), -EINVAL);
	assert_non_null(strstr(err.message, ": this is not a file"));
	unlink(file.path);
	assert_int_equal(config_check(file.path, NULL, NULL, &err), -ENOENT);
	assert_int_equal(err.kind, ERR_USAGE);
}

/* --- names -------------------------------------------------------------------------------- */

static void test_names(void **state)
{
	static const char *const good[] = {"a",	  "0",	   "data",  "a.b_c-d",
					   "nbd", "nbd-0", "nbdx0", "Auto"};
	static const char *const wrong[] = {"",		".a",	"-a",	"_a",	  "a/b",
					    "a b",	"auto", "nbd0", "nbd0p1", "nbd12x",
					    "\xc3\xa4", "a\n",	"a\xff"};
	char text[80];
	size_t len;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(config_is_name(good[i], strlen(good[i])));
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_false(config_is_name(wrong[i], strlen(wrong[i])));
	memset(text, 'a', sizeof(text));
	assert_true(config_is_name(text, CONFIG_NAME_MAX));
	assert_false(config_is_name(text, CONFIG_NAME_MAX + 1));

	assert_string_equal(config_name_of("/etc/x/data.conf", &len), "data.conf");
	assert_int_equal(len, 4);
	assert_string_equal(config_name_of("data", &len), "data");
	assert_int_equal(len, 4);
	assert_string_equal(config_name_of("/x/.conf", &len), ".conf");
	assert_int_equal(len, 5);
}

/* --- under the command line --------------------------------------------------------------- */

/* Splits at blanks; `%` is the file's path. */
static int parse(const char *line, const struct file *file, struct options *ret_options,
		 struct err *err)
{
	char text[512], *argv[24], *save = NULL;
	int argc = 0;

	snprintf(text, sizeof(text), "nbd-attach %s", line);
	for (char *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = strcmp(w, "%") == 0 ? (char *)file->path : w;
	argv[argc] = NULL;
	return options_parse(argc, argv, ret_options, err);
}

static void parse_right(const char *line, const struct file *file, struct options *ret_options)
{
	struct err err;

	if (parse(line, file, ret_options, &err) < 0)
		fail_msg("%s: %s", line, err.message);
}

static const struct {
	const char *name, *text, *line;
	const char *device, *uri, *by_name, *config;
} merged[] = {
    {"data.conf", "target=h\n", "--config %", "auto", "nbd://h/", "data", "data"},
    {"data.conf", "target=h\ndevice=nbd3\n", "--config %", "nbd3", "nbd://h/", "data", "data"},
    {"data.conf", "target=h\ndevice=/dev/nbd3\n", "--config %", "nbd3", "nbd://h/", "data", "data"},
    {"data.conf", "target=h\ndevice=nbd3\n", "--config % nbd4", "nbd4", "nbd://h/", NULL, NULL},
    {"data.conf", "target=h\ndevice=nbd3\n", "--config % auto", "auto", "nbd://h/", NULL, NULL},
    {"data.conf", "target=h\ndevice=nbd3\n", "--config % other", "nbd3", "nbd://h/", "other",
     "other"},
    {"data.conf", "target=h\nname=x\n", "--config %", "auto", "nbd://h/", "x", "data"},
    {"data.conf", "target=h\nname=x\n", "--config % --name y", "auto", "nbd://h/", "y", "data"},
    {"nbd5.conf", "target=h\n", "--config %", "nbd5", "nbd://h/", NULL, "nbd5"},
    {"nbd5.conf", "target=h\ndevice=nbd5\nname=x\n", "--config %", "nbd5", "nbd://h/", "x", "nbd5"},
    {"nbd5.conf", "target=h\n", "--config % nbd6", "nbd6", "nbd://h/", NULL, NULL},
    {"my file", "target=h\n", "--config %", "auto", "nbd://h/", NULL, NULL},

    {"a.conf", "target=h:5\nexport=x\n", "--config %", "auto", "nbd://h:5/x", "a", "a"},
    {"a.conf", "target=h\nport=5\nexport=x\n", "--config %", "auto", "nbd://h:5/x", "a", "a"},
    {"a.conf", "target=h\nport=5\nexport=x\n", "--config % -N y -p 6", "auto", "nbd://h:6/y", "a",
     "a"},
    {"a.conf", "unix=/s\nexport=x\n", "--config %", "auto", "nbd+unix:///x?socket=/s", "a", "a"},
    /* Another server replaces the whole address. */
    {"a.conf", "target=h\nport=5\nexport=x\n", "--config % nbd0 g", "nbd0", "nbd://g/", NULL, NULL},
    {"a.conf", "unix=/s\nexport=x\n", "--config % b g y", "auto", "nbd://g/y", "b", "b"},
    {"a.conf", "target=nbd://h/x\n", "--config % nbd0 -u /t", "nbd0", "nbd+unix:///?socket=/t",
     NULL, NULL},
    {"a.conf", "swap=yes\n", "--config % nbd0 g", "nbd0", "nbd://g/", NULL, NULL},
};

static void assert_text(const char *got, const char *want)
{
	if (!want)
		assert_null(got);
	else
		assert_string_equal(got, want);
}

static void test_merged(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(merged); i++) {
		_cleanup_file_path_ struct file file = write_text(merged[i].name, merged[i].text);
		_cleanup_free_ char *uri = NULL;
		struct options o;

		print_message("%s: %s\n", merged[i].line, merged[i].text);
		parse_right(merged[i].line, &file, &o);
		assert_string_equal(o.device, merged[i].device);
		uri = endpoint_uri(&o.endpoint);
		assert_string_equal(uri, merged[i].uri);
		assert_text(o.name, merged[i].by_name);
		assert_text(o.config_name, merged[i].config);
		options_done(&o);
	}
}

static void test_overrides(void **state)
{
	_cleanup_file_path_ struct file file = write_text(
	    "a.conf",
	    "target=h\nconnections=4\nread-only=yes\nwait=5\naccept=smaller\naccept=name\n"
	    "dead-timeout=30\nverbose=yes\ntimeout=9\n");
	struct options o;

	(void)state;
	parse_right("--config %", &file, &o);
	assert_int_equal(o.connections, 4);
	assert_true(o.read_only && o.wait);
	assert_int_equal(o.wait_ms, 5000);
	assert_int_equal(o.accept, ACCEPT_SMALLER | ACCEPT_NAME);
	assert_int_equal(o.dead_timeout, 30);
	assert_int_equal(o.log_level, LOG_INFO);
	assert_int_equal(o.timeout, 9);
	options_done(&o);

	parse_right("-C 2 --wait --accept read-only --no-reconnect -q --config % -n", &file, &o);
	assert_int_equal(o.connections, 2);
	assert_true(o.read_only && o.wait && o.foreground);
	assert_int_equal(o.wait_ms, 0);
	assert_int_equal(o.accept, ACCEPT_READ_ONLY);
	assert_true(o.no_reconnect);
	assert_int_equal(o.dead_timeout, 600);
	assert_int_equal(o.log_level, LOG_ERR);
	assert_int_equal(o.timeout, 9);
	options_done(&o);
}

static const struct {
	const char *name, *text, *line;
	const char *says; /* % is the file's path */
} refused[] = {
    {"a.conf", "connections=4\n", "--config %",
     "%: this file names no server: add `target = HOST`, `target = nbd://HOST/EXPORT` or `unix = "
     "PATH`"},
    {"a.conf", "connections=x\n", "--config % nbd0 h",
     "%:1: --connections must be a number from 1 to 16, not \"x\""},
    {"nbd5.conf", "target=h\ndevice=nbd6\n", "--config %",
     "%:2: the name of this file says nbd5, but its device line says nbd6"},
    {"nbd5.conf", "target=h\ndevice=auto\n", "--config %",
     "%:2: the name of this file says nbd5, but its device line says auto"},
    {"a.conf", "target=h\nswap=yes\n", "--config % --on-change x",
     "--swap and --on-change cannot be combined: running a command during an outage needs memory "
     "that may be swapped out; --swap is from %:2"},
    {"a.conf", "unix=/s\n", "--config % -p 5",
     "--port and --unix cannot be combined; --unix is from %:1"},
    {"a.conf", "target=h\n", "--config % sda/ h",
     "\"sda/\" is not an NBD device: write /dev/nbd0, nbd0, or auto for a free one"},
    {"a.conf", "target=h\n", "--config % nbd0 g x y",
     "\"y\" is one word too many; try nbd-attach --help"},
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		_cleanup_file_path_ struct file file = write_text(refused[i].name, refused[i].text);
		const char *says = refused[i].says, *path = strchr(says, '%');
		char want[512];
		struct options o;
		struct err err;

		print_message("%s: %s\n", refused[i].line, says);
		assert_int_equal(parse(refused[i].line, &file, &o, &err), -EINVAL);
		snprintf(want, sizeof(want), "%.*s%s%s", (int)(path ? path - says : 0), says,
			 path ? file.path : "", path ? path + 1 : says);
		assert_string_equal(err.message, want);
		assert_int_equal(err.kind, ERR_USAGE);
	}
}

/* --- the example that is installed -------------------------------------------------------- */

static bool contradicts_others(const char *line)
{
	static const char *const names[] = {"unix",  "no-reconnect", "swap",
					    "quiet", "tls-psk",	     "tls-username",
					    "image", "command",	     "user"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strncmp(line, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static void test_example(void **state)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_file_ FILE *f = fopen(EXAMPLE, "r");
	struct option_bits seen = {0};
	size_t size = 0, len;
	unsigned target = 0, device = 0;
	ssize_t n;
	char *active = NULL;
	FILE *out = open_memstream(&active, &len);
	struct err err;

	(void)state;
	assert_non_null(f);
	/* `#name = value` is an option that can be made active; `# Text` explains. */
	while ((n = getline(&text, &size, f)) > 0) {
		const char *line = text + (text[0] == '#');
		const char *end = strstr(line, " = ");
		const struct option_def *def;

		if (strlen(text) > 100)
			fail_msg("too long: %s", text);
		if (text[0] == '\n' || (text[0] == '#' && (text[1] == ' ' || text[1] == '\n')))
			continue;
		if (!end)
			fail_msg("neither an option nor a comment: %s", text);
		def = option_by_name(line, (size_t)(end - line));
		if (strncmp(line, "target = ", 9) == 0) {
			target++;
		} else if (strncmp(line, "device = ", 9) == 0) {
			device++;
		} else if (!def || !def->in_file || option_bit_is_set(&seen, def)) {
			fail_msg("unknown, or there before: %s", text);
		} else {
			option_bit_set(&seen, def);
		}
		if (!contradicts_others(line))
			fputs(line, out);
	}
	fclose(out);
	assert_int_equal(target, 1);
	assert_int_equal(device, 1);
	for (size_t i = 0; i < options_count; i++)
		if (options_table[i].in_file && !option_bit_is_set(&seen, &options_table[i]))
			fail_msg("%s is not in the example", options_table[i].name);
	if (config_check(EXAMPLE, NULL, NULL, &err) < 0)
		fail_msg("as it is: %s", err.message);
	{
		_cleanup_file_path_ struct file file = write_text("example.conf", active);

		if (config_check(file.path, NULL, NULL, &err) < 0)
			fail_msg("with all made active: %s", err.message);
	}
	free(active);
}

/* What is suggested for a misspelt word can be used in its place. */
static void test_nearest(void **state)
{
	(void)state;
	assert_string_equal(habits_nearest("dead-timout", 11, true), "dead-timeout");
	assert_string_equal(habits_nearest("targe", 5, true), "target");
	assert_null(habits_nearest("targe", 5, false));
	/* A verb is not a key of a file, and a hidden option is never suggested. */
	assert_string_equal(habits_nearest("detac", 5, false), "detach");
	assert_null(habits_nearest("detac", 5, true));
	assert_null(habits_nearest("keep-captiv", 11, false));
	assert_null(habits_nearest("keep-captiv", 11, true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_key), cmocka_unit_test(test_bad),
	    cmocka_unit_test(test_bytes),     cmocka_unit_test(test_too_many),
	    cmocka_unit_test(test_owner),     cmocka_unit_test(test_names),
	    cmocka_unit_test(test_merged),    cmocka_unit_test(test_overrides),
	    cmocka_unit_test(test_refused),   cmocka_unit_test(test_example),
	    cmocka_unit_test(test_nearest),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
