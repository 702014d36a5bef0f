/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "verbs/device.h"
#include "verbs/verbs.h"
#include "runtime/rundir.h"
#include "runtime/state.h"

#define DEVICES_MAX 4096

/* The state that was printed last, by device. */
struct follow {
	int only; /* -1: every device */
	struct state state;
	char last[DEVICES_MAX][16];
};

static void print_line(const struct follow *f, int index, const char *name)
{
	const struct state *s = &f->state;
	time_t now = time(NULL);
	char when[32] = "";
	const char *why = "";
	struct tm tm;

	if (localtime_r(&now, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	if (strcmp(name, "lost") == 0)
		why = s->outage_cause;
	else if (strcmp(name, "refused") == 0)
		why = s->error;
	printf("%s /dev/nbd%d: %s%s%s\n", when, index, name, why[0] ? ": " : "", why);
	fflush(stdout);
}

static void look(struct follow *f, int index)
{
	const char *name = "ended";
	struct err err;

	if (index < 0 || index >= DEVICES_MAX || (f->only >= 0 && index != f->only))
		return;
	if (state_read(index, &f->state, &err) == 0)
		name = f->state.name;
	if (strcmp(f->last[index], name) == 0)
		return;
	snprintf(f->last[index], sizeof(f->last[index]), "%s", name);
	print_line(f, index, name);
}

static int watch(struct follow *f, int fd)
{
	char buf[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)]
	    __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0 || (n < 0 && errno == EINTR)) {
		const char *p = buf;

		while (p < buf + n) {
			const struct inotify_event *e = (const void *)p;

			look(f, e->len ? state_file_index(e->name) : -1);
			p += sizeof(*e) + e->len;
		}
		if (ferror(stdout))
			return err_exit_status(ERR_FAILED);
	}
	log_error("cannot watch %s: %s", rundir(), strerror(errno));
	return err_exit_status(ERR_FAILED);
}

int cmd_follow(const struct options *o)
{
	_cleanup_fd_ int fd = inotify_init1(IN_CLOEXEC);
	struct follow *f = calloc(1, sizeof(*f));
	struct err err;
	int status;

	if (!f || fd < 0) {
		log_error("out of memory");
		free(f);
		return err_exit_status(ERR_SYSTEM);
	}
	f->only = -1;
	if (o->device && cmd_device(o, &f->only, &err) < 0) {
		log_error("%s", err.message);
		free(f);
		return err_exit_status(err.kind);
	}
	/* Missing until the first device is attached. */
	rundir_make(&err);
	if (inotify_add_watch(fd, rundir(), IN_MOVED_TO | IN_DELETE) < 0) {
		log_error("cannot watch %s: %s", rundir(), strerror(errno));
		free(f);
		return err_exit_status(ERR_SYSTEM);
	}
	for (int i = 0; i < DEVICES_MAX; i++)
		if (f->only == i || (f->only < 0 && state_read(i, &f->state, &err) == 0))
			look(f, i);
	status = watch(f, fd);
	free(f);
	return status;
}
