/* SPDX-License-Identifier: MIT */
/* The part's own, to the files of resize.h alone. Times are monotonic ms. */
#ifndef SUPERVISE_RESIZE_RESIZE_PRIVATE_H
#define SUPERVISE_RESIZE_RESIZE_PRIVATE_H

#include "supervise/resize/quiet.h"
#include "supervise/resize/resize.h"

struct resize {
	const struct part_env *env;
	struct resize_config cfg;
	const struct resize_events *events;
	void *arg;
	struct attempt *attempt; /* the handshake under way */
	struct loop_timer *period, *look;
	bool asked;	   /* a command waits for the answer */
	uint64_t size;	   /* the device is to have; 0: no look is under way */
	int fd[LINKS_MAX]; /* new connections, which know that size */
	size_t n;
	bool renewed; /* they have been handed over: the device may grow */
	struct quiet quiet;
	uint64_t since;	   /* when it began to wait for a moment for that */
	uint64_t odd_size; /* of a smaller export, which was complained of */
	unsigned every;	   /* periods between two looks */

	uint64_t fresh_size; /* the device's size according to its connections; 0: its own */
	bool growing;	     /* the helper thread makes the device larger */
	uint64_t grow_size;  /* what it is told */
	struct err grow_err; /* out */
};

static inline struct resize_view resize_look(const struct resize *z)
{
	struct resize_view view;

	z->events->look(&view, z->arg);
	return view;
}

/* answer.c: whether or not something came of it. */
void resize_end(struct resize *z, int status, const char *sentence);
void resize_answer(struct resize *z, int status, const char *sentence);
void resize_lost_meanwhile(struct resize *z);

/* grow.c: gives the device the size z->fresh_size, on the helper thread; the answer follows. */
void resize_grow(struct resize *z);

/* moment.c: a loop_timer_fn. The new connections are there: is this the moment to use them? */
void resize_look_for_moment(void *arg);

#endif
