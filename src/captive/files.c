/* SPDX-License-Identifier: MIT */
#include "captive/files.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/held.h"
#include "base/loop.h"
#include "base/text.h"

#define SYSTEM	  "system" /* the kind ERR_SYSTEM, in the file */
#define PERMANENT "permanent"

void captive_id_make(char id[static CAPTIVE_ID_MAX])
{
	/* Eight digits always, so that no two numbers and times make one ID. */
	snprintf(id, CAPTIVE_ID_MAX, "%d%08u", getpid(), (unsigned)(loop_now() / 1000 % 100000000));
}

pid_t captive_id_maker(const char *id)
{
	return (pid_t)(strtoll(id, NULL, 10) / 100000000);
}

bool captive_id_valid(const char *id)
{
	size_t len = strlen(id);

	return len > 0 && len < CAPTIVE_ID_MAX && strspn(id, "0123456789") == len;
}

struct rundir_path captive_path(const char *id, const char *suffix)
{
	struct rundir_path p;

	snprintf(p.text, sizeof(p.text), "%s/captive-%s.%s", rundir(), id, suffix);
	return p;
}

void captive_status_write(const char *id, const struct captive_status *status)
{
	struct rundir_path path = captive_path(id, "status");
	struct rundir_path temp = captive_path(id, "status.new");
	_cleanup_file_ FILE *f = held_fopen(temp.text, O_WRONLY | O_CREAT | O_TRUNC);

	if (!f)
		return;
	fchmod(fileno(f), 0600); /* one that was left behind may have other rights */
	fprintf(f, "PID=%d\nSTARTS=%u\nFAILURES=%u\nKIND=%s\nERROR=%s\n", status->pid,
		status->starts, status->failures,
		status->kind == ERR_SYSTEM	? SYSTEM
		: status->kind == ERR_PERMANENT ? PERMANENT
						: "retry",
		status->error);
	if (fflush(f) == EOF || held_rename(temp.text, path.text) < 0)
		held_unlink(temp.text);
}

/* Messages show it. What a server has said in it was escaped, which is not done twice. */
static void read_error(struct captive_status *s, const char *value)
{
	struct text t;

	text_init(&t, s->error, sizeof(s->error));
	text_escape(&t, value, strlen(value), strlen(value));
}

bool captive_status_read(const char *id, struct captive_status *ret_status)
{
	struct rundir_path path = captive_path(id, "status");
	_cleanup_file_ FILE *f = held_fopen(path.text, O_RDONLY);
	struct captive_status s = {.kind = ERR_RETRY};
	char line[ERR_MESSAGE_MAX + 64];

	if (!f)
		return false;
	while (fgets(line, sizeof(line), f)) {
		char *value = strchr(line, '=');

		if (!value)
			continue;
		*value++ = '\0';
		value[strcspn(value, "\n")] = '\0';
		if (strcmp(line, "PID") == 0)
			s.pid = atoi(value);
		else if (strcmp(line, "STARTS") == 0)
			s.starts = (unsigned)strtoul(value, NULL, 10);
		else if (strcmp(line, "FAILURES") == 0)
			s.failures = (unsigned)strtoul(value, NULL, 10);
		else if (strcmp(line, "KIND") == 0 && strcmp(value, SYSTEM) == 0)
			s.kind = ERR_SYSTEM;
		else if (strcmp(line, "KIND") == 0 && strcmp(value, PERMANENT) == 0)
			s.kind = ERR_PERMANENT;
		else if (strcmp(line, "ERROR") == 0)
			read_error(&s, value);
	}
	*ret_status = s;
	return true;
}

void captive_want(const char *id, bool wanted)
{
	struct rundir_path path = captive_path(id, "wanted");
	int fd;

	if (!wanted) {
		held_unlink(path.text);
		return;
	}
	fd = held_open(path.text, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600);
	if (fd >= 0)
		close(fd);
}

bool captive_wanted_still(const char *id)
{
	return held_access(captive_path(id, "wanted").text) == 0;
}

void captive_files_remove(const char *id)
{
	static const char *const suffixes[] = {"wanted", "sock", "status", "lock"};

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
		held_unlink(captive_path(id, suffixes[i]).text);
}
