/* SPDX-License-Identifier: MIT */
/*
 * The servers of a device (--failover), and the order in which they are tried when the one in use
 * is lost. Number 0 is the one that the device was attached to. Pure: no side effects; the time is
 * passed in.
 *
 * A round tries all of them: first the one that serves, or with FAILBACK_AT_LOSS number 0 and then
 * that one; then the others in the order of their failures since they were last used with success,
 * fewest first, and then in the order given.
 */
#ifndef SUPERVISE_RECONNECT_TARGETS_H
#define SUPERVISE_RECONNECT_TARGETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/news.h"
#include "endpoint/address.h"
#include "endpoint/endpoint.h"

#define TARGETS_MAX 8

/* In the order of failback_words. */
enum failback { FAILBACK_NEVER, FAILBACK_AT_LOSS };

extern const char *const failback_words[];

struct target {
	const struct endpoint *endpoint; /* borrowed */
	struct address_list addresses;	 /* known ones; none: must be resolved */
	uid_t unix_uid;			 /* the user who served a Unix socket; -1: not known */
	unsigned failures;		 /* since it was last used with success, up to a bound */
	struct news refusals;		 /* errors that were logged: a refusal, or another export */
	struct news failures_said;	 /* the others */
};

struct targets {
	struct target item[TARGETS_MAX];
	size_t n; /* at least 1 */
	enum failback failback;
	int serving;	  /* the one in use, or last used; -1: not known */
	size_t aimed;	  /* the one that is dialled */
	uint32_t touched; /* bits: servers that may still carry out writes of this device */

	size_t order[TARGETS_MAX]; /* the order of this round */
	size_t at;		   /* index in it */
	unsigned rounds;	   /* in this outage, including the present one */
};

/* Number 0 serves. */
void targets_init(struct targets *t, const struct endpoint *const *endpoints, size_t n,
		  enum failback failback);

/* The number of the server with that canonical URI; -1: there is none. */
int targets_find(const struct targets *t, const char *uri);

/* After a takeover: that number serves; -1: any of them may. */
void targets_take_over(struct targets *t, int serving);

/* All connections are dead. Aims at the first one of a new round. */
void targets_begin(struct targets *t);

/* The aimed one cannot be used: aims at the next one. True: that begins another round. */
bool targets_next(struct targets *t);

/* The aimed one could not be reached, or (`wrong`) has the wrong export. */
void targets_failed(struct targets *t, bool wrong);

/* The aimed one is given to the kernel: from now on it serves. */
void targets_hand_over(struct targets *t);

/* It serves with success. */
void targets_healed(struct targets *t);

/* ms until the next one is tried after the aimed one; most: the limit of one attempt. */
uint32_t targets_patience(const struct targets *t, uint32_t most_ms);

/* Bits: servers that must be fenced off before a writable device may use the aimed one. */
uint32_t targets_to_fence(const struct targets *t);

/* That server has been fenced off and carries out nothing any more. */
void targets_fenced(struct targets *t, size_t number);

static inline struct target *targets_aimed(struct targets *t)
{
	return &t->item[t->aimed];
}

#endif
