/* SPDX-License-Identifier: MIT */
/*
 * Part of the supervisor in charge: hands its device over to another supervisor, which has asked
 * for it (messages.h). Owns the connection to that one, and its time limit. After the offer, the
 * supervisor does nothing with the device until this part reports the result: given, so that only
 * the other one acts, or kept. Nothing blocks.
 */
#ifndef SUPERVISE_SUCCESSION_GIVING_H
#define SUPERVISE_SUCCESSION_GIVING_H

#include <stdbool.h>

#include "supervise/part.h"
#include "supervise/succession/messages.h"

/* ms: how long the other one may take to be ready. An outage that begins meanwhile waits. */
#define GIVING_LIMIT_MS 5000

struct giving;

/* Called from the loop. None of them may free the part. */
struct giving_events {
	/*
	 * The other one has everything. Return true if nothing has happened meanwhile, so that it
	 * may begin.
	 */
	bool (*ready)(void *arg);
	/* The commit was sent: the other one is in charge. */
	void (*given)(void *arg);
	/* The commit was not sent, and will not be. */
	void (*kept)(const struct err *err, void *arg);
};

/* Takes ownership of fd, the connection to the new supervisor, even on failure. NULL: errno. */
struct giving *giving_new(const struct part_env *env, int fd, const struct giving_events *events,
			  void *arg);
void giving_free(struct giving *g); /* accepts NULL; closes the connection */

/*
 * Offers the device with these descriptors, as many as the offer names; they stay the caller's. 0,
 * and `given` or `kept` follows, or -errno with *err.
 */
int giving_offer(struct giving *g, const struct offer *offer, const int *fds, struct err *err);

#endif
