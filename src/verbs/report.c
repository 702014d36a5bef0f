/* SPDX-License-Identifier: MIT */
/* --report: one text with what a bug report needs. Reads only; works whatever state a device is in.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/redact.h"
#include "base/text.h"
#include "endpoint/uri.h"
#include "kernel/kmsg.h"
#include "kernel/root.h"
#include "kernel/sysfs.h"
#include "runtime/state.h"
#include "verbs/device.h"
#include "verbs/same.h"
#include "verbs/verbs.h"

#define LINES_MAX 200 /* of the kernel's log; the latest */

struct report {
	struct redact redact;
	struct state state;
	FILE *out;
	char *line[LINES_MAX]; /* a ring */
	size_t n_lines;	       /* of all that were found */
};

static void section(struct report *r, const char *title)
{
	fprintf(r->out, "\n== %s\n", title);
}

static void show_time(struct report *r, int64_t when, const char *what)
{
	time_t seconds = (time_t)when;
	struct tm tm;
	char text[32];

	if (gmtime_r(&seconds, &tm) && strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm))
		fprintf(r->out, "%s  %s\n", text, what);
}

static void machine(struct report *r)
{
	struct utsname u;

	section(r, "versions");
	fprintf(r->out, "nbd-attach %s\n", VERSION);
	if (uname(&u) == 0)
		fprintf(r->out, "%s %s, %s\n", u.sysname, u.release, u.machine);
	fprintf(r->out, "user: %s; systemd: %s\n", geteuid() == 0 ? "root" : "not root",
		access("/run/systemd/system", F_OK) == 0 ? "yes" : "no");
}

/* The name itself, and how messages show it if it has characters that they escape. */
static int hide(struct report *r, const char *kind, const char *name)
{
	size_t len = strlen(name);
	size_t size = 4 * len + 3; /* \xNN for each byte, and the quotes */
	_cleanup_free_ char *shown = malloc(size);
	struct text t;
	int ret;

	if (!shown)
		return -ENOMEM;
	ret = redact_add(&r->redact, kind, name);
	if (ret < 0)
		return ret;
	text_init(&t, shown, size);
	text_escape(&t, name, len, len);
	ret = redact_add_form(&r->redact, name, shown);
	if (ret < 0)
		return ret;
	text_init(&t, shown, size);
	text_quote(&t, name, len, len);
	shown[t.len - 1] = '\0';
	return redact_add_form(&r->redact, name, shown + 1);
}

/* `len` bytes of a URI are this name, percent-encoded. */
static int hide_encoded(struct report *r, const char *name, const char *encoded, size_t len)
{
	_cleanup_free_ char *form = strndup(encoded, len);

	return form ? redact_add_form(&r->redact, name, form) : -ENOMEM;
}

/*
 * `127.0.0.1:40000`, `[::1]:40000`: what stands before the port; `unix:/run/sock`, `unix:@name`:
 * the path. The numbers of vsock are no names.
 */
static int hide_address(struct report *r, const char *text)
{
	char copy[sizeof(r->state.address)];
	char *colon;

	if (strncmp(text, "unix:", 5) == 0)
		return hide(r, "path", text + 5);
	if (strncmp(text, "vsock:", 6) == 0)
		return 0;
	snprintf(copy, sizeof(copy), "%s", text);
	colon = strrchr(copy, ':');
	if (colon)
		*colon = '\0';
	return hide(r, "address", copy);
}

/*
 * `/a%20b` of an identifier, which another program may have written. Messages say the file's name
 * without its directory as well.
 */
static int hide_image(struct report *r, const char *text)
{
	_cleanup_free_ char *path = strdup(text);
	const char *slash;
	char *to = path;
	int ret;

	if (!path)
		return -ENOMEM;
	for (const char *p = text; *p; to++) {
		const char hex[3] = {p[0] == '%' ? p[1] : '\0', p[0] == '%' && p[1] ? p[2] : '\0'};
		char *end;
		unsigned long byte = strtoul(hex, &end, 16);

		/* strtoul() would accept a blank or a sign. */
		if (isxdigit((unsigned char)hex[0]) && end == hex + 2 && byte) {
			*to = (char)byte;
			p += 3;
		} else {
			*to = *p++;
		}
	}
	*to = '\0';
	ret = hide(r, "path", path);
	slash = strrchr(path, '/');
	return ret == 0 && slash ? hide(r, "file", slash + 1) : ret;
}

/* User, export and socket as the URI has them, which is how messages and the kernel show them. */
static int hide_parts(struct report *r, const char *uri, const struct endpoint *e,
		      const char *socket)
{
	const char *start = strstr(uri, "://"), *at;
	size_t len;
	int ret = 0;

	if (!start)
		return 0;
	start += strlen("://");
	len = strcspn(start, "/?#");
	at = memchr(start, '@', len);
	if (at && e->tls_username)
		ret = hide_encoded(r, e->tls_username, start, (size_t)(at - start));
	start += len;
	len = strcspn(start, "?#");
	if (ret == 0 && len > 1)
		ret = hide_encoded(r, e->export_name, start + 1, len - 1);
	start = socket ? strstr(start + len, "socket=") : NULL;
	if (ret == 0 && start) {
		start += strlen("socket=");
		ret = hide_encoded(r, socket, start, strcspn(start, "&#"));
	}
	return ret;
}

static int hide_uri(struct report *r, const char *uri)
{
	const char *socket = NULL;
	struct endpoint e;
	struct err err;
	int ret;

	if (uri_parse(uri, &e, &err) < 0) {
		ret = hide(r, "identifier", uri);
		return ret == 0 && strncmp(uri, "image:", 6) == 0 ? hide_image(r, uri + 6) : ret;
	}
	ret = e.host ? hide(r, "host", e.host) : 0;
	if (ret == 0)
		ret = hide(r, "export", e.export_name);
	if (e.path && e.path_len > 1) /* an abstract one begins with a zero */
		socket = e.path[0] ? e.path : e.path + 1;
	if (ret == 0 && socket)
		ret = hide(r, "path", socket);
	if (ret == 0)
		ret = hide(r, "user", e.tls_username ? e.tls_username : "");
	if (ret == 0)
		ret = hide_parts(r, uri, &e, socket);
	if (ret == 0 && e.tls_hostname)
		ret = hide(r, "host", e.tls_hostname);
	endpoint_done(&e);
	return ret;
}

/* Everything that the state file and the kernel know of names. */
static int hide_names(struct report *r)
{
	const struct state *s = &r->state;
	struct utsname u;
	int ret = hide_uri(r, s->uri);

	if (ret == 0)
		ret = hide_uri(r, s->serving);
	if (ret == 0)
		ret = hide_uri(r, s->identifier);
	if (ret == 0)
		ret = hide_address(r, s->address);
	for (size_t i = 0; ret == 0 && i < STATE_LINKS_MAX; i++) {
		ret = hide_address(r, s->link[i].local);
		if (ret == 0)
			ret = hide_address(r, s->link[i].peer);
	}
	if (ret == 0)
		ret = hide(r, "name", s->stable_name);
	if (ret == 0)
		ret = hide(r, "name", s->config);
	if (ret == 0)
		ret = hide(r, "certificate", s->tls.peer);
	if (ret == 0 && uname(&u) == 0)
		ret = hide(r, "machine", u.nodename);
	return ret;
}

static void history(struct report *r)
{
	char copy[HISTORY_MAX];
	char *rest = copy, *entry;

	section(r, "history of states");
	snprintf(copy, sizeof(copy), "%s", r->state.history);
	while ((entry = strsep(&rest, ","))) {
		char *name;
		int64_t when = strtoll(entry, &name, 10);

		if (*name == ' ')
			show_time(r, when, name + 1);
	}
}

static void status(struct report *r)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	section(r, "status");
	if (!f)
		return;
	state_print(&r->state, f);
	if (fclose(f) == 0)
		redact_print(&r->redact, text, r->out);
	if (r->state.addresses[0])
		fprintf(r->out, "  %-12s %s\n", "addresses", "known");
}

static void kernel(struct report *r, int index)
{
	static const char *const attribute[] = {
	    "size",
	    "ro",
	    "pid",
	    "backend",
	    "stat",
	    "inflight",
	    "queue/scheduler",
	    "queue/io_timeout",
	    "queue/iostats",
	    "queue/nr_requests",
	    "queue/max_sectors_kb",
	    "queue/logical_block_size",
	    "queue/write_cache",
	    "queue/fua",
	    "queue/rotational",
	    "queue/discard_max_bytes",
	};
	char value[512];

	section(r, "the kernel's device");
	for (size_t i = 0; i < ARRAY_SIZE(attribute); i++) {
		if (sysfs_read_at(sysfs_root(), index, attribute[i], value, sizeof(value)) < 0)
			continue;
		fprintf(r->out, "%s: ", attribute[i]);
		redact_print(&r->redact, value, r->out);
		fputc('\n', r->out);
	}
}

static void keep_line(double seconds, const char *text, void *arg)
{
	struct report *r = arg;
	char **line = &r->line[r->n_lines++ % LINES_MAX];

	free(*line);
	if (asprintf(line, "[%.6f] %s", seconds, text) < 0)
		*line = NULL;
}

static void log_lines(struct report *r, int index)
{
	int ret = kmsg_lines(index, keep_line, r);
	size_t first = r->n_lines > LINES_MAX ? r->n_lines - LINES_MAX : 0;

	section(r, "the kernel's log of the device");
	if (ret < 0)
		fprintf(r->out, "cannot be read: %s%s\n", strerror(-ret),
			ret == -EPERM || ret == -EACCES ? ": run it as root" : "");
	for (size_t i = first; i < r->n_lines; i++) {
		redact_print(&r->redact, r->line[i % LINES_MAX] ? r->line[i % LINES_MAX] : "?",
			     r->out);
		fputc('\n', r->out);
	}
	for (size_t i = 0; i < LINES_MAX; i++)
		free(r->line[i]);
}

/* The names of the options that are not the defaults, without their values. */
static void options(struct report *r)
{
	char names[512];
	int ret = same_given(&r->state, names, sizeof(names));

	section(r, "options that are not the defaults");
	if (ret < 0)
		fprintf(r->out, "cannot be told: %s%s\n", strerror(-ret),
			ret == -EACCES ? ": run it as root" : "");
	else
		fprintf(r->out, "%s\n", names[0] ? names : "none");
}

static int print(struct report *r, int index, struct err *err)
{
	char title[64];
	int ret = state_read(index, &r->state, err);

	if (ret < 0 && ret != -ENOENT)
		return ret;
	if (hide_names(r) < 0)
		return err_set(err, ERR_SYSTEM, ENOMEM, "out of memory");
	snprintf(title, sizeof(title), "nbd-attach --report of /dev/nbd%d", index);
	show_time(r, time(NULL), title);
	fputs("Names of hosts, exports, paths and users have marks in their place. Read it before\n"
	      "you send it: it may contain what only you can recognise.\n",
	      r->out);
	machine(r);
	if (ret == -ENOENT) {
		section(r, "status");
		fprintf(r->out, "no supervisor of nbd-attach, or it left no state\n");
	} else {
		status(r);
		history(r);
		options(r);
	}
	kernel(r, index);
	log_lines(r, index);
	return 0;
}

int cmd_report(const struct options *o)
{
	struct report r = {.out = stdout};
	struct err err;
	int index, ret = cmd_device(o, &index, &err);

	if (ret == 0 && cmd_device_missing(index, &err))
		ret = -ENODEV;
	if (ret == 0)
		ret = print(&r, index, &err);
	redact_done(&r.redact);
	if (ret == 0)
		return 0;
	log_error("%s", err.message);
	return err_exit_status(err.kind);
}
