/* SPDX-License-Identifier: MIT */
/* The part's struct; only for the files of reconnect.h. Times are monotonic ms. */
#ifndef SUPERVISE_RECONNECT_RECONNECT_PRIVATE_H
#define SUPERVISE_RECONNECT_RECONNECT_PRIVATE_H

#include "runtime/secret.h"
#include "runtime/state.h"
#include "supervise/reconnect/fence.h"
#include "supervise/reconnect/hints.h"
#include "supervise/reconnect/identity.h"
#include "supervise/reconnect/idle.h"
#include "supervise/reconnect/reconnect.h"
#include "supervise/reconnect/redial.h"

/* The error number of content_check() that means another disk. */
#define CONTENT_DIFFERS EXDEV

/* The content that --same-content compares with. */
struct content {
	bool known;
	uint32_t bytes;	      /* IDS_SAMPLE: `ids` is compared, otherwise `digest` */
	uint64_t size;	      /* of the export, which decides what is read */
	struct digest digest; /* with the key of struct reconnect */
	struct ids ids;
};

struct reconnect {
	const struct part_env *env;
	struct reconnect_config cfg;
	const struct reconnect_events *events;
	void *arg;
	struct redial *redial; /* NULL until the server's addresses are known */
	struct hints *hints;   /* during an outage; with --swap always */
	unsigned accept;       /* enum identity_accept, in this outage */
	bool not_healed;       /* the last hand-over failed */
	bool taken;	       /* the kernel has a new connection since reconnect_recovered() */
	uid_t unix_uid; /* the user ID of the server at the Unix socket in use; -1: not known */
	bool has_key;	/* there is a key for digests of the content, which the state file has */
	uint8_t key[SIPHASH_KEY_SIZE];
	struct content content;
	struct content accepted;     /* of the new connections, with ACCEPT_CONTENT */
	struct idle *idle;	     /* NULL: no identifiers are read from the device */
	char error[ERR_MESSAGE_MAX]; /* the error of the last attempt */
	char addresses[2048];	     /* of the server in use, with spaces between */

	struct targets targets;
	struct helpers *own[TARGETS_MAX]; /* NULL: those of the first server */
	int lost;		 /* the server that was in use before the outage; -1: not known */
	int served;		 /* the same before the last hand-over */
	bool turning;		 /* every server has its turn, until one of them serves */
	struct loop_timer *turn; /* runs when the next server's turn begins */
	unsigned failovers;	 /* number of failovers */
	char serving[STATE_TEXT_MAX]; /* the URI in use; "unknown"; "": there is only one server */

	struct fence *fence;   /* the command runs */
	size_t fencing;	       /* for that server */
	uint64_t fence_failed; /* when the fence last failed; 0: never */
	struct err fence_err;
	char fence_text[256]; /* text for the status; "": none */
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
/*
 * Finds the server in use after a takeover. 0, or -errno with *err: it is not one of those given.
 */
int turns_adopt(struct reconnect *r, const struct state *state, struct err *err);
/* The same question without its consequences. */
int turns_may_adopt(struct reconnect *r, const struct state *state, struct err *err);
/* Records which one serves. */
void turns_note(struct reconnect *r);
struct helpers *turns_helpers(const struct reconnect *r, size_t i);
/* A connection is dead; after the last one, the servers take turns. False: dial nothing now. */
bool turns_may_dial(struct reconnect *r);
/* A connection to the aimed server failed, or leads to a wrong export. */
void turns_turn_on(struct reconnect *r, bool wrong);
/* Stores the addresses of the aimed server for its next turn. */
void turns_keep_addresses(struct reconnect *r);
/* Dials the aimed server instead of another one; aims at the next one (a timer). */
void turns_aim(struct reconnect *r, bool at_once);
void turns_next(void *arg);
/* The turn of the aimed server begins with its next attempt: starts the timer of its end. */
void turns_time(struct reconnect *r);
void turns_healed(struct reconnect *r);
void turns_stop(struct reconnect *r);

/* content.c: sets what was read when the device was attached; NULL: nothing. */
void content_note(struct reconnect *r, const struct digest *digest, const struct ids *ids);
/* The same from a former supervisor's state file; "": none. */
void content_adopt(struct reconnect *r, const char *text);
/* What a new connection is asked for: see struct attempt_config. */
uint32_t content_sample(const struct reconnect *r);
/*
 * Checks that the content of that connection is the device's, or accepted. 0 or -errno with *err;
 * -CONTENT_DIFFERS: it is another disk.
 */
int content_check(struct reconnect *r, const struct attempt_result *result, struct err *err);
/* `taken`: the kernel has new connections. What was accepted is the device's content then. */
void content_recovered(struct reconnect *r, bool taken);
/* An idle_fn. */
void content_seen(const struct ids *ids, void *arg);
void content_report(const struct reconnect *r, struct state *ret_state);

/* fencing.c: true if the aimed server may be used only after others were fenced off. */
bool fencing_is_due(const struct reconnect *r);
/* Starts the fence. Always -errno with *err (RETRY): it runs, or has failed. */
int fencing_start(struct reconnect *r, struct err *err);

#endif
