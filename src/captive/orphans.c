/* SPDX-License-Identifier: MIT */
#include "captive/orphans.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "kernel/sysfs.h"
#include "runtime/rundir.h"
#include "runtime/state.h"
#include "captive/files.h"
#include "captive/captive.h"
#include "runtime/lock.h"

static int is_state(const struct dirent *d)
{
	return state_file_index(d->d_name) >= 0;
}

static int is_lock(const struct dirent *d)
{
	int end = 0;

	sscanf(d->d_name, "captive-%*[0-9].lock%n", &end);
	return end && !d->d_name[end];
}

/* The state file of a device that another program has detached is not valid. */
static bool is_in_use(const struct state *s)
{
	return sysfs_attached(s->index) || lock_holder(rundir_device(s->index, "lock").text);
}

static bool has_device(const char *id, struct state *s)
{
	struct dirent **file;
	int n = scandir(rundir(), &file, is_state, NULL);
	bool found = n < 0; /* who cannot look ends nothing */

	for (int i = 0; i < n; i++) {
		if (!found && state_read(state_file_index(file[i]->d_name), s, NULL) == 0)
			found = strcmp(s->captive, id) == 0 && is_in_use(s);
		free(file[i]);
	}
	if (n >= 0)
		free(file);
	return found;
}

/* It may be about to attach, and writes the state file then. */
static bool has_maker(const char *id)
{
	pid_t pid = captive_id_maker(id);

	return pid > 0 && (kill(pid, 0) == 0 || errno == EPERM);
}

void captive_end_orphans(void)
{
	struct state *s = calloc(1, sizeof(*s));
	char id[CAPTIVE_ID_MAX];
	struct dirent **lock;
	int n = s ? scandir(rundir(), &lock, is_lock, NULL) : -1;

	for (int i = 0; i < n; i++) {
		/* The maker first: it is there until the state file is. */
		if (sscanf(lock[i]->d_name, "captive-%15[0-9].lock", id) == 1 && !has_maker(id) &&
		    !has_device(id, s)) {
			log_info("ending a server whose device is gone (captive-%s)", id);
			captive_end_alone(id);
		}
		free(lock[i]);
	}
	if (n >= 0)
		free(lock);
	free(s);
}
