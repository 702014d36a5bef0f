/* SPDX-License-Identifier: MIT */
/* A new supervisor takes a device from the one in charge (succeeding.c), by its descriptors. */
#include "supervise/inheriting.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "kernel/sysfs.h"
#include "runtime/lock.h"
#include "runtime/rundir.h"
#include "supervise/attach/adopt.h"
#include "supervise/core.h"
#include "supervise/handover/handover.h"
#include "supervise/reconnect/reconnect.h"
#include "supervise/report/report.h"
#include "supervise/succession/taking.h"

#define TRIES	 10	   /* requests to a supervisor that is busy */
#define PAUSE_NS 500000000 /* between two of them */

static bool is_held(int index)
{
	struct rundir_path path = rundir_device(index, "lock");

	return lock_holder(path.text) != 0;
}

/* The first device of this export that has a supervisor and matches so well, or better. -1: none.
 */
static int find_match(const struct own_wanted *wanted, enum own least)
{
	struct state *room = malloc(sizeof(*room));
	int found = -1;

	for (int i = 0; room && found < 0 && i < ATTACHMENT_AUTO_DEVICES; i++)
		if (adopt_possible(i, wanted->identifier) && is_held(i) &&
		    own_match(i, wanted, room) >= least)
			found = i;
	free(room);
	return found;
}

/* Our device, if another supervisor is in charge of it; -1: none. */
static int find(const struct supervisor *s)
{
	const struct own_wanted wanted = supervisor_wants(&s->cfg);
	int index = s->cfg.index;

	if (!s->cfg.foreground || (s->captive && !s->is_heir) ||
	    s->cfg.backend == KERNEL_BACKEND_IOCTL)
		return -1;
	if (index != SUPERVISOR_INDEX_AUTO)
		return adopt_possible(index, s->at.identifier) && is_held(index) ? index : -1;
	index = find_match(&wanted, OWN_CERTAIN);
	/* A name is not given to two. In an heir's configuration, the name and the mode may be new.
	 */
	if (index < 0 && (s->cfg.name || s->is_heir))
		index = find_match(&wanted, s->is_heir ? OWN_NOT : OWN_PERHAPS);
	return index;
}

static int refuse(const struct taking *t, struct err *err, const char *what)
{
	return err_set(err, ERR_BUSY, EBUSY, "/dev/nbd%d is attached already, and %s",
		       t->offer.index, what);
}

/* A lock that came with the offer, and the file to which it should belong. */
static int inherit(const struct taking *t, const char *name, const char *path)
{
	for (size_t i = 0; i < t->given.n; i++)
		if (strcmp(t->given.item[i].name, name) == 0)
			return lock_inherit(path, t->given.item[i].fd);
	return -ENOENT;
}

/* The former supervisor's lock, if it has the same name; otherwise takes the lock. */
static int check_name(struct supervisor *s, const struct taking *t, struct err *err)
{
	struct rundir_path path = rundir_name(s->cfg.name ? s->cfg.name : "");

	if (!s->cfg.name || s->at.name_lock >= 0 || inherit(t, GIVEN_NAME, path.text) == 0)
		return 0;
	return lock_take(path.text, s->cfg.name, &s->at.name_lock, err);
}

static int check_locks(struct supervisor *s, const struct taking *t, struct err *err)
{
	struct rundir_path device = rundir_device(t->offer.index, "lock");
	struct rundir_path identifier = rundir_identifier(s->at.identifier);

	if (inherit(t, GIVEN_DEVICE, device.text) < 0)
		return refuse(t, err, "its supervisor does not hold its lock");
	if (!(t->offer.flags & NBD_TX_READ_ONLY) &&
	    inherit(t, GIVEN_IDENTIFIER, identifier.text) < 0)
		return refuse(t, err, "its supervisor does not hold the lock of its identifier");
	return check_name(s, t, err);
}

/* Checks what would otherwise fail later, when no other supervisor is in charge any more. */
static int check_servers(struct supervisor *s, const struct taking *t, struct state *state,
			 struct err *err)
{
	int ret;

	if (state_read(t->offer.index, state, err) < 0 ||
	    state->attachment != t->offer.attachment ||
	    strcmp(state->identifier, s->at.identifier) != 0)
		return refuse(t, err, "its state file is missing");
	s->at.plan.flags = t->offer.flags;
	ret = reconnect_may_adopt(s->reconnect, state, err);
	return ret < 0 ? ret : reconnect_check(s->reconnect, err);
}

static int check(struct supervisor *s, const struct taking *t, int index, struct err *err)
{
	const struct offer *o = &t->offer;
	struct state *state;
	int ret;

	if (o->index != index || o->attachment == 0 || sysfs_attachment(index) != o->attachment ||
	    !adopt_possible(index, s->at.identifier))
		return refuse(t, err, "its supervisor speaks of another attachment");
	if (s->cfg.read_only && !(o->flags & NBD_TX_READ_ONLY))
		return refuse(t, err, "writable: detach it first, to attach it read-only");
	ret = check_locks(s, t, err);
	if (ret < 0)
		return ret;
	state = calloc(1, sizeof(*state));
	ret = state ? check_servers(s, t, state, err)
		    : err_set(err, ERR_SYSTEM, ENOMEM, "out of memory");
	free(state);
	return ret;
}

static void sign(int fd)
{
	if (fd >= 0 && lock_sign(fd) < 0)
		log_warning("cannot write this process's number into a lock file");
}

static void own(struct supervisor *s, struct taking *t)
{
	int name_lock;

	s->at.index = t->offer.index;
	s->at.device_lock = given_take(&t->given, GIVEN_DEVICE);
	s->at.identifier_lock = given_take(&t->given, GIVEN_IDENTIFIER);
	name_lock = given_take(&t->given, GIVEN_NAME);
	if (s->cfg.name && s->at.name_lock < 0)
		s->at.name_lock = name_lock;
	else
		close_fdp(&name_lock); /* the device has another name now, or none */
	s->at.mark = given_take(&t->given, GIVEN_MARK);
	sign(s->at.device_lock);
	sign(s->at.identifier_lock);
	sign(s->at.name_lock);
	while (t->given.n) {
		struct given_fd g = t->given.item[0];

		if (s->is_heir)
			report_found(s->report, g.name, g.fd);
		given_add(&s->given, g.name, given_take_at(&t->given, 0), true);
	}
	if (t->offer.suspects)
		handover_restore(s->handover);
}

/* One request. 0: the device is ours, or no supervisor is in charge. */
static int take(struct supervisor *s, int index, struct err *err)
{
	char why[ERR_MESSAGE_MAX / 2];
	struct taking t;
	int ret = taking_ask(&t, index, err);

	t.by_commit_alone = s->is_heir;

	if (ret < 0 && ret != -ENOENT) {
		snprintf(why, sizeof(why), "%.500s", err->message);
		err_set(err, err->kind, -ret,
			"/dev/nbd%d is attached already, and not handed over: %s", index, why);
	}
	if (ret == 0)
		ret = check(s, &t, index, err);
	if (ret == 0)
		ret = taking_commit(&t, err);
	if (ret == 0)
		own(s, &t);
	taking_done(&t);
	return ret;
}

/*
 * The one that started us is not in charge, or has ended: the service manager starts another one,
 * and would not know of us.
 */
static int refuse_heir(struct err *err)
{
	return err_set(err, ERR_RETRY, ENOENT, "the supervisor that should hand over has ended");
}

int supervisor_succeed(struct supervisor *s, struct err *err)
{
	const struct timespec pause = {.tv_nsec = PAUSE_NS};
	int index = find(s), ret;

	if (index < 0 && s->is_heir)
		return err_set(err, ERR_BUSY, EBUSY,
			       "a device that is attached keeps its server, export, identifier and "
			       "kernel interface: detach it first to change them");
	if (index < 0)
		return 0;
	/* After the commit, no step may fail that could be done before. */
	ret = supervisor_open_kernel(s, err);
	if (ret < 0)
		return ret;
	ret = take(s, index, err);
	for (int i = 1; i < TRIES && ret < 0 && ret != -ENOENT && err->kind == ERR_RETRY; i++) {
		nanosleep(&pause, NULL);
		ret = take(s, index, err);
	}
	/*
	 * The ordinary way to the device: it may be free by now; otherwise the error says who has
	 * it.
	 */
	if (s->is_heir)
		return ret == -ENOENT ? refuse_heir(err) : ret;
	if (ret == -ENOENT || (ret < 0 && !is_held(index)))
		return 0;
	return ret;
}
