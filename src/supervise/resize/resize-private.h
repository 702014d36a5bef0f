/* SPDX-License-Identifier: MIT */
/* The part's struct; only for the files of resize.h. Times are monotonic ms. */
#ifndef SUPERVISE_RESIZE_RESIZE_PRIVATE_H
#define SUPERVISE_RESIZE_RESIZE_PRIVATE_H

#include "base/news.h"
#include "kernel/quiet.h"
#include "supervise/resize/resize.h"

struct resize {
	const struct part_env *env;
	struct resize_config cfg;
	const struct resize_events *events;
	void *arg;
	struct attempt *attempt; /* the handshake under way */
	struct loop_timer *period, *look;
	bool asked;	   /* a command waits for the answer */
	uint64_t size;	   /* size that the device must get; 0: no check is under way */
	int fd[LINKS_MAX]; /* new connections, which know that size */
	size_t n;
	bool renewed; /* the new connections have been handed over: the device may grow */
	struct quiet quiet;
	uint64_t since;	 /* when the wait for a moment without requests began */
	struct news odd; /* exports that the device cannot use, which were reported */
	unsigned every;	 /* periods between two checks */

	uint64_t fresh_size; /* the size that the device's connections know; 0: the device's size */
	bool growing;	     /* the helper thread makes the device larger */
	uint64_t grow_size;  /* the size for the helper thread */
	struct err grow_err; /* out */
};

static inline struct resize_view resize_look(const struct resize *z)
{
	struct resize_view view;

	z->events->look(&view, z->arg);
	return view;
}

/* answer.c: the answer of a success or a failure. */
void resize_end(struct resize *z, int status, const char *sentence);
void resize_answer(struct resize *z, int status, const char *sentence);
void resize_lost_meanwhile(struct resize *z);

/* grow.c: gives the device the size z->fresh_size, on the helper thread; the answer follows. */
void resize_grow(struct resize *z);

/* moment.c: a loop_timer_fn. The new connections are ready; checks whether they can be used now. */
void resize_look_for_moment(void *arg);

#endif
