/* SPDX-License-Identifier: MIT */
/* The part's own, to the files of reconnect.h alone. Times are monotonic ms. */
#ifndef SUPERVISE_RECONNECT_RECONNECT_PRIVATE_H
#define SUPERVISE_RECONNECT_RECONNECT_PRIVATE_H

#include "runtime/state.h"
#include "supervise/reconnect/fence.h"
#include "supervise/reconnect/hints.h"
#include "supervise/reconnect/identity.h"
#include "supervise/reconnect/reconnect.h"
#include "supervise/reconnect/redial.h"

/* The content that --same-content compares with. */
struct content {
	bool known;
	uint32_t bytes;
	uint64_t size; /* of the export, which decides what is read */
	struct digest digest;
};

struct reconnect {
	const struct part_env *env;
	struct reconnect_config cfg;
	const struct reconnect_events *events;
	void *arg;
	struct redial *redial; /* NULL until the server's addresses are known */
	struct hints *hints;   /* during an outage; with --swap always */
	unsigned accept;       /* enum identity_accept, in this outage */
	bool not_healed;       /* the last hand-over came to nothing */
	uid_t unix_uid;	       /* who serves the Unix socket in use; -1: not known */
	struct content content;
	char error[ERR_MESSAGE_MAX]; /* why the last attempt failed */
	char addresses[2048];	     /* of the server in use, with spaces between */

	struct targets targets;
	struct helpers *own[TARGETS_MAX]; /* NULL: those of the first server */
	int lost;		      /* which one was in use before the outage; -1: not known */
	int served;		      /* the same before the last hand-over */
	bool turning;		      /* every server has its turn, until one of them serves */
	struct loop_timer *turn;      /* when it is the next one's */
	unsigned failovers;	      /* times that another server took over */
	char serving[STATE_TEXT_MAX]; /* the URI in use; "unknown"; "": there is but one server */

	struct fence *fence;   /* the command runs */
	size_t fencing;	       /* for that server */
	uint64_t fence_failed; /* when it last did; 0: never */
	struct err fence_err;
	char fence_text[256]; /* for people; "": none */
};

static inline struct reconnect_view reconnect_look(const struct reconnect *r)
{
	struct reconnect_view view;

	r->events->look(&view, r->arg);
	return view;
}

/* turns.c: 0 or -errno with *err. */
int turns_prepare(struct reconnect *r, struct err *err);
void turns_free(struct reconnect *r);
/* Which one serves, after a takeover. 0, or -errno with *err: it is none of those given. */
int turns_adopt(struct reconnect *r, const struct state *state, struct err *err);
/* Writes down which one serves. */
void turns_note(struct reconnect *r);
struct helpers *turns_helpers(const struct reconnect *r, size_t i);
/* A connection is dead; with the last one, each server has its turn. False: dial nothing now. */
bool turns_may_dial(struct reconnect *r);
/* A connection to the aimed server failed, or is not what was wanted. */
void turns_turn_on(struct reconnect *r, bool wrong);
/* What is known of the aimed server's addresses, for its next turn. */
void turns_keep_addresses(struct reconnect *r);
/* Dials the aimed server in place of another one; the next one in turn (a timer). */
void turns_aim(struct reconnect *r, bool at_once);
void turns_next(void *arg);
/* The aimed one's turn begins with the next try: when that is planned. */
void turns_time(struct reconnect *r);
void turns_healed(struct reconnect *r);
void turns_stop(struct reconnect *r);

/* content.c: what was read when the device was attached; NULL: nothing. */
void content_note(struct reconnect *r, const struct digest *digest);
/* The same from what a former supervisor wrote; "": nothing. */
void content_adopt(struct reconnect *r, const char *text);
/* May the content behind that connection be the device's? 0 or -errno with *err. */
int content_check(const struct reconnect *r, const struct attempt_result *result, struct err *err);
void content_report(const struct reconnect *r, struct state *ret_state);

/* fencing.c: true if the aimed server may be used only after others were fenced off. */
bool fencing_is_due(const struct reconnect *r);
/* Starts that. Always -errno with *err (RETRY): it runs, or has failed. */
int fencing_start(struct reconnect *r, struct err *err);

#endif
