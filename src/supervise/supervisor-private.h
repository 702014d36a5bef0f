/* SPDX-License-Identifier: MIT */
/*
 * The supervisor; only for the files of its core, as no part knows it. It holds the parts and what
 * belongs to no part. Each function is in the file that its comment names.
 */
#ifndef SUPERVISE_SUPERVISOR_PRIVATE_H
#define SUPERVISE_SUPERVISOR_PRIVATE_H

#include "captive/captive.h"
#include "runtime/given.h"
#include "supervise/attach/attach.h"
#include "supervise/attach/takeover.h"
#include "supervise/detach/detach.h"
#include "supervise/errors.h"
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
#include "supervise/succession/giving.h"
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
	bool touched;	       /* the status must be reported when the queue is empty */
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
	struct given given;    /* descriptors of a supervisor before this one */
	struct giving *giving; /* NULL: no other supervisor asks for the device */

	struct captive *captive; /* NULL: the server is not ours */
	struct helpers *helpers; /* of the first server */
	struct spares spares;
	struct serving serving;
	struct outage outage;
	struct errors errors;
	struct loop_timer *meanwhile, *expiry;
	unsigned alive_said;  /* live connections at the last log line about them */
	bool fail_now;	      /* I/O must fail in this outage before the dead timeout */
	bool force, prepared; /* of the current detach */
	bool left;	      /* the device stays attached when we end */
};

/* Carries out an action of the table. It may post further events, which come after it. */
typedef void supervisor_action_fn(struct supervisor *s, const struct event *e);

/* actions.c */
extern supervisor_action_fn *const supervisor_actions[FSM_ACTIONS];

/*
 * steps.c: carries out the first action. From then on the queue is emptied after each callback of
 * the loop.
 */
void supervisor_begin(struct supervisor *s, enum fsm_action action);
/* Posts an event. Its step is carried out after the callback. */
void supervisor_post(struct supervisor *s, enum fsm_event event, const struct err *err);
/* The status has changed: it is computed and reported when the queue is empty. */
void supervisor_touch(struct supervisor *s);

/* From here on jobs may block, with a device that is in use. */
void supervisor_start_thread(struct supervisor *s);

/* Opens the kernel's interface, if it is not open. 0 or -errno with *err. */
int supervisor_open_kernel(struct supervisor *s, struct err *err);

/* attaching.c: makes the parts that attach the device or take it over. 0 or -errno with *err. */
int supervisor_prepare_attach(struct supervisor *s, struct err *err);
void supervisor_configure(struct supervisor *s, const struct event *e);
void supervisor_adopt(struct supervisor *s, const struct event *e);
/* actions.c: makes the part that detaches the device. 0 or -errno with *err. */
int supervisor_prepare_detach(struct supervisor *s, struct err *err);
/* The device and its partitions are ready. */
void supervisor_ready(struct supervisor *s);

/* succeeding.c: another supervisor asks for the device by this version of the protocol. */
void supervisor_give(struct supervisor *s, unsigned version);
void supervisor_offer(struct supervisor *s, const struct event *e);
void supervisor_keep(struct supervisor *s, const struct event *e);
void supervisor_end_given(struct supervisor *s, const struct event *e);
/*
 * Before anything is locked: takes the device from the supervisor that is in charge, if there is
 * one that hands it over; s->at.index then tells. 0, or -errno with *err: the device stays there.
 */
int supervisor_succeed(struct supervisor *s, struct err *err);

/* watching.c: makes the watch. 0 or -ENOMEM. */
int supervisor_prepare_watch(struct supervisor *s);
/* Reads of the kernel's log what requests the server has answered with an error. */
void supervisor_look_at_errors(struct supervisor *s);

/* growing.c: makes the part resize/. 0 or -errno with *err. */
int supervisor_prepare_resize(struct supervisor *s, struct err *err);

/*
 * supervisor.c: makes the helpers for handshakes with a server, with that number of workers ready.
 * 0 or -errno with *err; to be freed by helpers_free().
 */
int supervisor_make_helpers(struct supervisor *s, const struct endpoint *e, size_t spares,
			    struct helpers **ret_helpers, struct err *err);

/* finding.c: makes the part reconnect/. 0 or -errno with *err. */
int supervisor_prepare_reconnect(struct supervisor *s, struct err *err);
/* True if the supervisor looks for a server in this state. */
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
/* A hand-over that began before a refused detach may have ended the outage meanwhile. */
void supervisor_recheck_outage(struct supervisor *s);
/* --fail-now: fails the I/O that waits in an outage, as after the dead timeout. */
void supervisor_fail_now(struct supervisor *s);
/* actions-alarm.c: makes the part that reports long outages. 0 or -errno with *err. */
int supervisor_prepare_alarm(struct supervisor *s, struct err *err);
/* The machine shuts down, or GRACE_NONE: the shutdown is cancelled. */
void supervisor_set_grace(struct supervisor *s, uint32_t seconds);
/* No more dialling: the device is being detached. */
void supervisor_stop_dialling(struct supervisor *s);

/* telling.c: makes the part that reports the status. 0 or -errno with *err. */
int supervisor_prepare_report(struct supervisor *s, struct err *err);

/* asking.c: makes the part that receives requests. 0 or -errno. */
int supervisor_prepare_requests(struct supervisor *s);

#endif
