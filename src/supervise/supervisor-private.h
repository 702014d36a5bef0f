/* SPDX-License-Identifier: MIT */
/*
 * The supervisor, to the files of its core alone: no part knows it. It holds the parts, and what
 * belongs to none of them. Each function is found in the file that its comment names.
 */
#ifndef SUPERVISE_SUPERVISOR_PRIVATE_H
#define SUPERVISE_SUPERVISOR_PRIVATE_H

#include "captive/captive.h"
#include "supervise/attach/attach.h"
#include "supervise/attach/takeover.h"
#include "supervise/detach/detach.h"
#include "supervise/handover/handover.h"
#include "supervise/outage.h"
#include "supervise/part.h"
#include "supervise/queue.h"
#include "supervise/reconnect/identity.h"
#include "supervise/reconnect/reconnect.h"
#include "supervise/reconnect/spares.h"
#include "supervise/report/alarm.h"
#include "supervise/report/report.h"
#include "supervise/report/serving.h"
#include "supervise/requests/requests.h"
#include "supervise/resize/resize.h"
#include "supervise/supervisor.h"
#include "supervise/timeouts.h"
#include "supervise/watch/watch.h"

struct supervisor {
	struct supervisor_config cfg;
	struct attachment at;
	struct part_env env;

	/* The steps. */
	enum fsm_state state;
	struct queue queue;
	bool stepping;	       /* an action is being carried out */
	bool touched;	       /* the status is to be told when the queue is empty */
	const char *hurry_due; /* reconnect_hurry() is called then, for this reason */

	/* The parts. */
	struct attach *attach;
	struct takeover *takeover; /* NULL: the device was not attached before */
	struct watch *watch;
	struct links *links; /* those of the watch */
	struct reconnect *reconnect;
	struct handover *handover;
	struct resize *resize;
	struct detach *detach;
	struct requests *requests;
	struct report *report;
	struct alarm *alarm;

	struct captive *captive; /* NULL: the server is not ours */
	struct helpers *helpers; /* of the first server */
	struct spares spares;
	struct serving serving;
	struct outage outage;
	struct loop_timer *meanwhile, *expiry;
	unsigned alive_said;  /* connections, when the log was told last */
	bool fail_now;	      /* I/O is to fail in this outage before its time */
	bool force, prepared; /* of the detach under way */
	bool left;	      /* the device stays attached when we end */
};

/* What an action of the table does; it may post further events, which come after it. */
typedef void supervisor_action_fn(struct supervisor *s, const struct event *e);

/* actions.c */
extern supervisor_action_fn *const supervisor_actions[FSM_ACTIONS];

/* steps.c: the first action; from then on the queue is emptied after each callback of the loop. */
void supervisor_begin(struct supervisor *s, enum fsm_action action);
/* Something has happened: the step that follows from it is taken when the callback is over. */
void supervisor_post(struct supervisor *s, enum fsm_event event, const struct err *err);
/* The status is not what it was: it is computed and told when the queue is empty. */
void supervisor_touch(struct supervisor *s);

/* From here on jobs may block, with a device that is in use. */
void supervisor_start_thread(struct supervisor *s);

/* Opens the way to the kernel, if it is not open. 0 or -errno with *err. */
int supervisor_open_kernel(struct supervisor *s, struct err *err);

/* attaching.c: the parts that attach the device, or take it over. 0 or -errno with *err. */
int supervisor_prepare_attach(struct supervisor *s, struct err *err);
void supervisor_configure(struct supervisor *s, const struct event *e);
void supervisor_adopt(struct supervisor *s, const struct event *e);
/* actions.c: the part that lets the device go. 0 or -errno with *err. */
int supervisor_prepare_detach(struct supervisor *s, struct err *err);
/* The device is there, and so are its partitions. */
void supervisor_ready(struct supervisor *s);

/* watching.c: what the watch says. 0 or -ENOMEM. */
int supervisor_prepare_watch(struct supervisor *s);

/* growing.c: what resize/ says. 0 or -errno with *err. */
int supervisor_prepare_resize(struct supervisor *s, struct err *err);

/*
 * supervisor.c: what shakes hands with a server, with so many workers ready. 0 or -errno with
 * *err; to be freed by helpers_free().
 */
int supervisor_make_helpers(struct supervisor *s, const struct endpoint *e, size_t spares,
			    struct helpers **ret_helpers, struct err *err);

/* finding.c: what follows from what reconnect/ finds. 0 or -errno with *err. */
int supervisor_prepare_reconnect(struct supervisor *s, struct err *err);
/* In this state the supervisor looks for a server that answers. */
bool supervisor_dials(const struct supervisor *s);

/* actions-outage.c: the timer `expiry`, the actions of an outage. */
void supervisor_expire(void *arg);
int supervisor_prepare_handover(struct supervisor *s, struct err *err);
void supervisor_heal(struct supervisor *s, const struct event *e);
void supervisor_redial(struct supervisor *s, const struct event *e);
void supervisor_recover(struct supervisor *s, const struct event *e);
void supervisor_complain(struct supervisor *s, const struct event *e);
void supervisor_fail_io(struct supervisor *s, const struct event *e);
/* True for an event that cannot be carried out before the helper thread is done. */
bool supervisor_must_wait(const struct supervisor *s, enum fsm_event event);
/* A hand-over that had begun before a refused detach may have ended the outage meanwhile. */
void supervisor_recheck_outage(struct supervisor *s);
/* --fail-now: I/O that waits in an outage fails, as it does when the dead timeout is over. */
void supervisor_fail_now(struct supervisor *s);
/* actions-alarm.c: the part that tells of long outages. 0 or -errno with *err. */
int supervisor_prepare_alarm(struct supervisor *s, struct err *err);
/* The machine shuts down, or after all does not: GRACE_NONE. */
void supervisor_set_grace(struct supervisor *s, uint32_t seconds);
/* No more dialling: the device is being detached. */
void supervisor_stop_dialling(struct supervisor *s);

/* telling.c: the part that tells others. 0 or -errno with *err. */
int supervisor_prepare_report(struct supervisor *s, struct err *err);

/* asking.c: the part that others ask. 0 or -errno. */
int supervisor_prepare_requests(struct supervisor *s);

#endif
