/* SPDX-License-Identifier: MIT */
#include "runtime/outage-mark.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/held.h"
#include "runtime/rundir.h"

#define TEXT_SIZE 64 /* bytes; the rest of a shorter text is NUL */

struct outage_mark {
	char *text; /* mapped */
};

struct outage_mark *outage_mark_new(int index)
{
	struct rundir_path path = rundir_device(index, "outage");
	_cleanup_fd_ int fd = held_open(path.text, O_RDWR | O_CREAT, 0644);
	struct outage_mark *m = NULL;
	void *text;

	/* Allocated now: on a full file system, touching a hole would end the process. */
	if (fd < 0 || (errno = posix_fallocate(fd, 0, TEXT_SIZE)) != 0)
		return NULL;
	fchmod(fd, 0644); /* --status is everybody's, whatever the umask is */
	text = mmap(NULL, TEXT_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (text == MAP_FAILED)
		return NULL;
	mlock(text, TEXT_SIZE); /* without the privilege, it may be swapped out like the rest */
	m = malloc(sizeof(*m));
	if (m)
		m->text = text;
	else
		munmap(text, TEXT_SIZE);
	return m;
}

void outage_mark_free(struct outage_mark *m)
{
	if (!m)
		return;
	munmap(m->text, TEXT_SIZE);
	free(m);
}

void outage_mark_set(struct outage_mark *m, const struct outage *o)
{
	char text[TEXT_SIZE] = "";

	snprintf(text, sizeof(text), "%020" PRIu64 " %d %d %d %d %" PRIu64 " %d\n", o->attachment,
		 o->now, o->unsettled, o->unproved, o->moved, o->since_ms, o->held);
	memcpy(m->text, text, sizeof(text));
}

bool outage_mark_read(int index, struct outage *ret_outage)
{
	struct rundir_path path = rundir_device(index, "outage");
	_cleanup_fd_ int fd = held_open(path.text, O_RDONLY, 0);
	unsigned now, unsettled, unproved, moved, held = 0;
	char text[TEXT_SIZE + 1] = "";
	uint64_t attachment, since = 0;

	/* An earlier version wrote the first five. */
	if (fd < 0 || read(fd, text, TEXT_SIZE) <= 0 ||
	    sscanf(text, "%" SCNu64 " %1u %1u %1u %1u %" SCNu64 " %1u", &attachment, &now,
		   &unsettled, &unproved, &moved, &since, &held) < 5)
		return false;
	*ret_outage = (struct outage){.attachment = attachment,
				      .now = now,
				      .since_ms = since,
				      .held = held,
				      .unsettled = unsettled,
				      .unproved = unproved,
				      .moved = moved};
	return true;
}

void outage_mark_remove(int index)
{
	struct rundir_path path = rundir_device(index, "outage");

	held_unlink(path.text);
}
