/* SPDX-License-Identifier: MIT */
/*
 * The supervisor in charge of a device hands it over to a new one (inheriting.c), with everything
 * that it holds. At no time is a lock free, or a connection without its descriptor.
 */
#include "supervise/succeeding.h"

#include <errno.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "kernel/sysfs.h"
#include "runtime/linkname.h"
#include "supervise/actions-outage.h"
#include "supervise/core.h"
#include "supervise/handover/handover.h"
#include "supervise/reconnect/reconnect.h"
#include "supervise/report/report.h"
#include "supervise/requests/requests.h"
#include "supervise/resize/resize.h"
#include "supervise/steps.h"
#include "supervise/succession/giving.h"
#include "supervise/succession/renewal.h"
#include "supervise/watch/watch.h"

/* What the kernel and the connections forbid now (RETRY) or always (BUSY); NULL: nothing. */
static const char *obstacle(const struct supervisor *s, enum err_kind *ret_kind)
{
	*ret_kind = ERR_RETRY;
	if (s->at.mark < 0) /* the kernel's interface may not be open, either */
		return "no device is attached yet: try again when it is";
	*ret_kind = ERR_BUSY;
	if (!kernel_can_change(s->env.kernel))
		return "it is attached by ioctl, and would end with its supervisor";
	if (!links_may_end(s->links))
		return "its supervisor has no descriptors of its connections, because it took them "
		       "over from one that died";
	*ret_kind = ERR_RETRY;
	if (s->state != FSM_ATTACHED || links_graves(s->links))
		return "not every connection is alive: try again when the server is back";
	return NULL;
}

/* The same, and what is under way at this moment. */
static const char *hindrance(const struct supervisor *s, enum err_kind *ret_kind)
{
	const char *why = obstacle(s, ret_kind);

	if (why)
		return why;
	if (!offload_is_idle(s->env.offload) || resize_is_due(s->resize) ||
	    !report_is_ready(s->report))
		return "its supervisor is busy with it: try again";
	return NULL;
}

static bool asks_as_heir(const struct supervisor *s)
{
	return s->heir && requests_peer(s->requests) == renewal_pid(s->heir);
}

/* The same for the process that asks. A server of ours stays with one of our program. */
static const char *refusal(const struct supervisor *s, enum err_kind *ret_kind)
{
	if (asks_as_heir(s))
		return hindrance(s, ret_kind);
	*ret_kind = ERR_FAILED;
	if (s->cfg.foreground)
		return "a supervisor that runs in the foreground keeps its device, because who "
		       "started it would start it again";
	*ret_kind = ERR_BUSY;
	if (s->captive)
		return "its supervisor has started the server, and keeps both";
	return hindrance(s, ret_kind);
}

static void heir_ended(void *arg)
{
	struct supervisor *s = arg;

	renewal_free(TAKE_PTR(s->heir));
	if (!s->left)
		log_warning("/dev/nbd%d: not reloaded: the earlier configuration stays in use, and "
			    "I/O goes on; the messages of the process that was started say why",
			    s->at.index);
}

/* The process that was started before is not the heir any more. */
static int start_heir(struct supervisor *s, struct err *err)
{
	renewal_free(TAKE_PTR(s->heir));
	s->heir = renewal_start(s->env.loop, heir_ended, s, err);
	return s->heir ? 0 : -1;
}

int supervisor_renew(struct supervisor *s, struct err *err)
{
	bool upgraded = renewal_is_upgrade();
	const char *why;
	enum err_kind kind = ERR_FAILED;

	/* What is under way at this moment delays the heir, which asks again. */
	if (!s->cfg.foreground || !report_has_manager(s->report)) {
		why = "no service manager has started this supervisor";
	} else if (s->giving) {
		why = "it is being handed over";
		kind = ERR_RETRY;
	} else {
		why = obstacle(s, &kind);
	}
	if (!why && start_heir(s, err) == 0) {
		log_notice("/dev/nbd%d: process %d %stakes over, with the configuration as it is "
			   "now",
			   s->at.index, (int)renewal_pid(s->heir),
			   upgraded ? "of the new program " : "");
		return (int)renewal_pid(s->heir);
	}
	if (why)
		err_set(err, kind, EBUSY, "%s", why);
	err_prefix(err, "%s: ",
		   upgraded ? "the program was replaced, but the earlier version goes on"
			    : "the configuration is not read again");
	if (s->at.index >= 0)
		err_prefix(err, "/dev/nbd%d: ", s->at.index);
	return -1;
}

void supervisor_give(struct supervisor *s, unsigned version)
{
	enum err_kind kind;
	const char *why = refusal(s, &kind);

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
	s->heir_named = s->cfg.foreground && report_succeeded(s->report, renewal_pid(s->heir));
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
	add(o, fds, GIVEN_DEVICE, s->at.device_lock);
	add(o, fds, GIVEN_IDENTIFIER, s->at.identifier_lock);
	add(o, fds, GIVEN_NAME, s->at.name_lock);
	add(o, fds, GIVEN_MARK, s->at.mark);
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
