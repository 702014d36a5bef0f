/* SPDX-License-Identifier: MIT */
/*
 * The supervisor in charge of a device hands it over to a new one, with everything that it holds.
 * At no time is a lock free, or a connection without its descriptor. Long: the two sides of one
 * conversation, which share its names.
 */
#include "supervise/succeeding.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "kernel/sysfs.h"
#include "runtime/linkname.h"
#include "runtime/lock.h"
#include "runtime/rundir.h"
#include "supervise/actions-outage.h"
#include "supervise/attach/adopt.h"
#include "supervise/core.h"
#include "supervise/handover/handover.h"
#include "supervise/reconnect/reconnect.h"
#include "supervise/report/report.h"
#include "supervise/requests/requests.h"
#include "supervise/resize/resize.h"
#include "supervise/steps.h"
#include "supervise/succession/giving.h"
#include "supervise/succession/renewal.h"
#include "supervise/succession/taking.h"
#include "supervise/watch/watch.h"

#define TRIES	 10	   /* requests to a supervisor that is busy */
#define PAUSE_NS 500000000 /* between two of them */

#define NAME_DEVICE	"lock-device"
#define NAME_IDENTIFIER "lock-identifier"
#define NAME_NAME	"lock-name"
#define NAME_MARK	"mark"

/* --- the supervisor in charge hands over ------------------------------------------------------ */

/* The reason why this supervisor keeps the device, always (BUSY) or now (RETRY); NULL: none. */
static const char *hindrance(const struct supervisor *s, enum err_kind *ret_kind)
{
	*ret_kind = ERR_BUSY;
	if (s->captive)
		return "its supervisor has started the server, and keeps both";
	if (helpers_relay(s->helpers) || s->serving.tls.relay)
		return "its data passes a relay process, which belongs to its supervisor";
	if (!kernel_can_change(s->env.kernel))
		return "it is attached by ioctl, and would end with its supervisor";
	if (!links_may_end(s->links))
		return "its supervisor has no descriptors of its connections, because it took them "
		       "over from one that died";
	*ret_kind = ERR_RETRY;
	if (s->state != FSM_ATTACHED || links_graves(s->links))
		return "not every connection is alive: try again when the server is back";
	if (!offload_is_idle(s->env.offload) || resize_is_due(s->resize) ||
	    !report_is_ready(s->report))
		return "its supervisor is busy with it: try again";
	return NULL;
}

void supervisor_renew(struct supervisor *s)
{
	bool upgraded = renewal_is_upgrade();
	const char *why;
	enum err_kind kind;
	struct err err;

	why = !s->cfg.foreground || !report_has_manager(s->report)
		  ? "no service manager has started this supervisor"
		  : hindrance(s, &kind);
	if (!why && renewal_start(&s->heir, &err) < 0)
		why = err.message;
	if (why)
		log_warning("/dev/nbd%d: %s: %s", s->at.index,
			    upgraded ? "the program was replaced, but the earlier version goes on"
				     : "the configuration is not read again",
			    why);
	else
		log_notice("/dev/nbd%d: process %d %stakes over, with the configuration as it is "
			   "now",
			   s->at.index, (int)s->heir, upgraded ? "of the new program " : "");
}

void supervisor_give(struct supervisor *s, unsigned version)
{
	enum err_kind kind;
	const char *why = hindrance(s, &kind);

	if (s->cfg.foreground && (s->heir == 0 || requests_peer(s->requests) != s->heir)) {
		kind = ERR_FAILED;
		why = "a supervisor that runs in the foreground keeps its device, because who "
		      "started it would start it again";
	}
	if (version != MESSAGES_VERSION)
		requests_answer(s->requests, err_exit_status(ERR_BUSY),
				"its supervisor is of another version, and keeps the device");
	else if (why)
		requests_answer(s->requests, err_exit_status(kind), why);
	/* The new supervisor reads there what the offer does not contain. */
	else if (report_write(s->report, s->state) < 0)
		requests_answer(s->requests, err_exit_status(ERR_BUSY),
				"its supervisor cannot write the state file, which has become "
				"wrong");
	else
		supervisor_post(s, FSM_GIVE, NULL);
}

/* A giving_events function: deferred events are carried out here. */
static bool ready(void *arg)
{
	struct supervisor *s = arg;

	if (s->queue.n || s->queue.n_deferred || attachment_is_gone(&s->at))
		return false;
	/*
	 * Before the commit: if we are killed right after it, the manager watches the one in
	 * charge.
	 */
	s->heir_named = s->cfg.foreground && report_succeeded(s->report, s->heir);
	return s->heir_named || !s->cfg.foreground;
}

static void given(void *arg)
{
	supervisor_post(arg, FSM_GIVEN, NULL);
}

static void kept(const struct err *err, void *arg)
{
	supervisor_post(arg, FSM_KEPT, err);
}

static void add(struct offer *o, int *fds, const char *name, int fd)
{
	if (fd < 0 || o->n == MESSAGES_FDS_MAX)
		return;
	snprintf(o->name[o->n], sizeof(o->name[0]), "%s", name);
	fds[o->n++] = fd;
}

static void fill(const struct supervisor *s, struct offer *o, int *fds)
{
	struct linkname name = {.attachment = sysfs_mark_attachment(s->at.mark)};
	char text[LINKNAME_MAX];
	const int *link;
	size_t n;

	*o = (struct offer){
	    .index = s->at.index,
	    .attachment = name.attachment,
	    .size = s->at.plan.size,
	    .flags = s->at.plan.flags,
	    .suspects = handover_fails_io(s->handover),
	};
	add(o, fds, NAME_DEVICE, s->at.device_lock);
	add(o, fds, NAME_IDENTIFIER, s->at.identifier_lock);
	add(o, fds, NAME_NAME, s->at.name_lock);
	add(o, fds, NAME_MARK, s->at.mark);
	link = links_fds(s->links, &n);
	for (size_t i = 0; i < n; i++) {
		name.serial = i + 1;
		/* The heir finds them in the store. One that is not stored has no attachment. */
		name.attachment = s->cfg.foreground ? 0 : o->attachment;
		report_name(s->report, link[i], &name);
		linkname_write(&name, text);
		add(o, fds, text, link[i]);
	}
}

void supervisor_offer(struct supervisor *s, const struct event *e)
{
	static const struct giving_events events = {.ready = ready, .given = given, .kept = kept};
	_cleanup_fd_ int fd = requests_lend(s->requests);
	int fds[MESSAGES_FDS_MAX], ret;
	struct offer o;
	struct err err;

	(void)e;
	watch_pause(s->watch);
	links_freeze(s->links);
	supervisor_stop_dialling(s);
	resize_stop(s->resize);
	ret = report_write(s->report, FSM_ATTACHED); /* as of now, when nothing changes any more */
	fill(s, &o, fds);
	err_set(&err, ERR_FAILED, ECONNRESET,
		ret < 0 ? "the state file could not be written" : "the other supervisor has ended");
	if (fd >= 0 && ret == 0)
		s->giving = giving_new(&s->env, TAKE_FD(fd), &events, s);
	if (!s->giving || giving_offer(s->giving, &o, fds, &err) < 0)
		supervisor_post(s, FSM_KEPT, &err);
}

void supervisor_keep(struct supervisor *s, const struct event *e)
{
	giving_free(TAKE_PTR(s->giving));
	requests_unlend(s->requests);
	log_notice("/dev/nbd%d: not handed over: %s", s->at.index, e->err.message);
	/* The manager believes that the heir, which has ended, was in charge, and starts another.
	 */
	if (s->heir_named) {
		s->left = true;
		loop_stop(s->env.loop, err_exit_status(ERR_FAILED));
		return;
	}
	links_thaw(s->links);
	watch_start(s->watch, resize_is_due(s->resize));
	resize_watch(s->resize);
	watch_look(s->watch);
}

void supervisor_end_given(struct supervisor *s, const struct event *e)
{
	(void)e;
	log_notice("/dev/nbd%d: handed over to another supervisor", s->at.index);
	requests_leave(s->requests);
	s->left = true;
	loop_stop(s->env.loop, 0);
}

/* --- the new one takes ------------------------------------------------------------------------ */

static bool is_held(int index)
{
	struct rundir_path path = rundir_device(index, "lock");

	return lock_holder(path.text) != 0;
}

/* Our device, if another supervisor is in charge of it; -1: none. */
static int find(const struct supervisor *s)
{
	int first = s->cfg.index, end = first + 1;

	if (!s->cfg.foreground || s->captive || s->cfg.backend == KERNEL_BACKEND_IOCTL)
		return -1;
	if (first == SUPERVISOR_INDEX_AUTO) {
		first = 0;
		end = ATTACHMENT_AUTO_DEVICES;
	}
	for (int i = first; i < end; i++)
		if (adopt_possible(i, s->at.identifier) && is_held(i))
			return i;
	return -1;
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

	if (!s->cfg.name || s->at.name_lock >= 0 || inherit(t, NAME_NAME, path.text) == 0)
		return 0;
	return lock_take(path.text, s->cfg.name, &s->at.name_lock, err);
}

static int check_locks(struct supervisor *s, const struct taking *t, struct err *err)
{
	struct rundir_path device = rundir_device(t->offer.index, "lock");
	struct rundir_path identifier = rundir_identifier(s->at.identifier);

	if (inherit(t, NAME_DEVICE, device.text) < 0)
		return refuse(t, err, "its supervisor does not hold its lock");
	if (!(t->offer.flags & NBD_TX_READ_ONLY) &&
	    inherit(t, NAME_IDENTIFIER, identifier.text) < 0)
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
	s->at.index = t->offer.index;
	s->at.device_lock = given_take(&t->given, NAME_DEVICE);
	s->at.identifier_lock = given_take(&t->given, NAME_IDENTIFIER);
	if (s->cfg.name && s->at.name_lock < 0)
		s->at.name_lock = given_take(&t->given, NAME_NAME);
	s->at.mark = given_take(&t->given, NAME_MARK);
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
