/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/progress.h"
#include "verbs/device.h"
#include "verbs/verbs.h"
#include "kernel/sysfs.h"
#include "runtime/lock.h"
#include "runtime/rundir.h"
#include "runtime/state.h"

#define LOOK_MS 1000 /* how often names and supervisors are looked for, beside every change */

struct follow {
	int only; /* -1: every device */
	bool json, over;
	struct state state;
	/* The state that was printed last, of each device that has had one. */
	struct last {
		int index;
		char name[16];
	} * last;
	size_t n;
};

/* Of this device; a new one has the name "". NULL: no memory. */
static struct last *last_of(struct follow *f, int index)
{
	struct last *more;

	for (size_t i = 0; i < f->n; i++)
		if (f->last[i].index == index)
			return &f->last[i];
	more = reallocarray(f->last, f->n + 1, sizeof(*more));
	if (!more)
		return NULL;
	f->last = more;
	more[f->n] = (struct last){.index = index};
	return &more[f->n++];
}

static const char *reason(const struct state *s, const char *name)
{
	if (strcmp(name, "lost") == 0)
		return s->outage_cause;
	return strcmp(name, "refused") == 0 || strcmp(name, "held") == 0 ? s->error : "";
}

/* One object a line, so that a program can read each as it comes. */
static void print_json(const struct follow *f, int index, const char *name)
{
	const char *why = reason(&f->state, name);
	struct timespec now;
	struct json j;
	char device[32];

	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(device, sizeof(device), "/dev/nbd%d", index);
	json_init(&j, stdout);
	j.line = true;
	json_object(&j, NULL);
	json_u64(&j, "version", CMD_JSON_VERSION);
	json_i64(&j, "time-unix-ms", now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000);
	json_string(&j, "device", device);
	json_string(&j, "name", f->state.stable_name[0] ? f->state.stable_name : NULL);
	json_string(&j, "state", name);
	json_string(&j, "reason", why[0] ? why : NULL);
	json_u64(&j, "outages", f->state.outages);
	json_u64(&j, "last-outage-ms", f->state.last_outage_ms);
	json_end_object(&j);
	json_finish(&j);
	fflush(stdout);
}

static void print_line(const struct follow *f, int index, const char *name)
{
	const char *why = reason(&f->state, name);
	time_t now = time(NULL);
	char when[32] = "";
	struct tm tm;

	if (localtime_r(&now, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	printf("%s /dev/nbd%d: %s%s%s%s%s\n", when, index, terminal_begin(stdout, state_look(name)),
	       name, terminal_end(stdout, state_look(name)), why[0] ? ": " : "", why);
	fflush(stdout);
}

/* A supervisor that was killed leaves its file behind, which then says what was. */
static const char *name_of(struct follow *f, int index)
{
	struct rundir_path lock = rundir_device(index, "lock");
	struct err err;

	if (state_read(index, &f->state, &err) < 0)
		return "ended";
	if (lock_holder(lock.text) == f->state.pid)
		return f->state.name;
	return sysfs_attached(index) ? "unsupervised" : "ended";
}

static void look(struct follow *f, int index)
{
	struct last *last;
	const char *name;

	if (index < 0 || (f->only >= 0 && index != f->only))
		return;
	last = last_of(f, index);
	if (!last)
		return;
	name = name_of(f, index);
	/* The one device has been there: see await(). */
	if (strcmp(last->name, name) == 0 ||
	    (f->only < 0 && !last->name[0] && strcmp(name, "ended") == 0))
		return;
	snprintf(last->name, sizeof(last->name), "%s", name);
	if (f->json)
		print_json(f, index, name);
	else
		print_line(f, index, name);
	if (f->only >= 0 && strcmp(name, "ended") == 0)
		f->over = true;
}

/* Looks at the changes that were noticed; false: the directory cannot be watched any longer. */
static bool take_changes(struct follow *f, int fd)
{
	char buf[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)]
	    __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n = read(fd, buf, sizeof(buf));
	const char *p = buf;

	if (n < 0)
		return errno == EINTR;
	while (p < buf + n && !f->over) {
		const struct inotify_event *e = (const void *)p;

		look(f, e->len ? state_file_index(e->name) : -1);
		p += sizeof(*e) + e->len;
	}
	return n > 0;
}

/*
 * Waits for a change in the directory: 1, or 0 if the time has come first. -EPIPE: nobody reads our
 * output any longer. The next write may be days away, so that is noticed without one.
 */
static int wait_for_change(int fd, uint64_t until)
{
	struct pollfd p[] = {{.fd = fd, .events = POLLIN}, {.fd = STDOUT_FILENO}};
	uint64_t now = loop_now();
	int n = poll(p, ARRAY_SIZE(p), until > now ? (int)(until - now) : 0);

	if (n > 0 && p[1].revents)
		return -EPIPE;
	return n > 0;
}

/* Ends as a write would have ended it. */
static int reader_gone(void)
{
	raise(SIGPIPE);
	return err_exit_status(ERR_FAILED);
}

static int watch(struct follow *f, int fd)
{
	uint64_t next_look = loop_now() + LOOK_MS;
	int n;

	while (!f->over && !ferror(stdout)) {
		n = wait_for_change(fd, next_look);
		if (n < 0)
			return reader_gone();
		if (n > 0 && !take_changes(f, fd)) {
			log_error("cannot watch %s: %s", rundir(), strerror(errno));
			return err_exit_status(ERR_FAILED);
		}
		if (loop_now() < next_look)
			continue;
		/* The death of a supervisor changes no file, but others may change all the time. */
		for (size_t i = 0; i < f->n; i++)
			look(f, f->last[i].index);
		next_look = loop_now() + LOOK_MS;
	}
	return ferror(stdout) ? err_exit_status(ERR_FAILED) : 0;
}

/* The device, by a name that may be known only when it is attached; the exit status. */
static int await(const struct options *o, struct follow *f, int fd)
{
	uint64_t end = o->wait_ms ? loop_now() + o->wait_ms : UINT64_MAX;
	struct err err;
	int ret, n;

	while ((ret = cmd_device(o, &f->only, &err)) == -ENOENT ||
	       (ret == 0 && strcmp(name_of(f, f->only), "ended") == 0)) {
		char buf[4096];
		uint64_t now = loop_now();

		if (!o->wait || now >= end) {
			log_error("%s%s: not attached", o->index < 0 ? "" : "/dev/", o->device);
			return err_exit_status(ERR_FAILED);
		}
		n = wait_for_change(fd, end - now < LOOK_MS ? end : now + LOOK_MS);
		if (n < 0)
			return reader_gone();
		if (n > 0 && read(fd, buf, sizeof(buf)) < 0 && errno != EINTR)
			break;
	}
	if (ret < 0)
		log_error("%s", err.message);
	return ret < 0 ? err_exit_status(err.kind) : 0;
}

static int is_state_file(const struct dirent *d)
{
	return state_file_index(d->d_name) >= 0;
}

static void look_at_all(struct follow *f)
{
	struct dirent **file;
	int n = scandir(rundir(), &file, is_state_file, versionsort);

	for (int i = 0; i < n; i++) {
		look(f, state_file_index(file[i]->d_name));
		free(file[i]);
	}
	if (n >= 0)
		free(file);
}

static int follow(const struct options *o, struct follow *f, int fd)
{
	struct err err;
	int status;

	/* Missing until the first device is attached. */
	rundir_make(&err);
	if (inotify_add_watch(fd, rundir(), IN_MOVED_TO | IN_DELETE) < 0) {
		log_error("cannot watch %s: %s", rundir(), strerror(errno));
		return err_exit_status(ERR_SYSTEM);
	}
	progress_begin("waiting until the device is attached");
	status = o->device ? await(o, f, fd) : 0;
	progress_end();
	if (status)
		return status;
	if (f->only >= 0)
		look(f, f->only);
	else
		look_at_all(f);
	return watch(f, fd);
}

int cmd_follow(const struct options *o)
{
	_cleanup_fd_ int fd = inotify_init1(IN_CLOEXEC);
	struct follow *f = calloc(1, sizeof(*f));
	int status;

	if (!f || fd < 0) {
		log_error("out of memory");
		free(f);
		return err_exit_status(ERR_SYSTEM);
	}
	f->only = -1;
	f->json = o->json;
	status = follow(o, f, fd);
	free(f->last);
	free(f);
	return status;
}
