/* SPDX-License-Identifier: MIT */
/*
 * Part of the supervisor: receives requests, as signals or over the control socket. Owns both, and
 * the answer for the waiting command until it is sent.
 */
#ifndef SUPERVISE_REQUESTS_REQUESTS_H
#define SUPERVISE_REQUESTS_REQUESTS_H

#include "supervise/part.h"
#include "supervise/requests/control.h"

struct requests;

/* Called from the loop. None of them may free the part. */
struct requests_events {
	void (*hurry)(void *arg);     /* SIGHUP: dial at once */
	void (*reload)(void *arg);    /* SIGUSR1: read the configuration again */
	void (*terminate)(void *arg); /* SIGTERM or SIGINT */
	/* A command asks, and waits for requests_answer(). */
	void (*asked)(const struct control_request *request, void *arg);
};

/*
 * From now on the loop handles these signals. NULL with errno on failure. env, and what it points
 * to, is borrowed.
 */
struct requests *requests_new(const struct part_env *env, const struct requests_events *events,
			      void *arg);
void requests_free(struct requests *r); /* accepts NULL */

/* The device is known: from now on commands can send requests. 0 or -errno with *err. */
int requests_listen(struct requests *r, struct err *err);

/* Sets the answer that requests_send() sends to the waiting command; the first answer counts. */
void requests_answer(struct requests *r, int status, const char *sentence);
void requests_send(struct requests *r); /* accepts NULL; there may be nothing to send */

/* The connection of the one that asks, as control_lend(); it is over; the name is another's. */
int requests_lend(struct requests *r);
pid_t requests_peer(const struct requests *r); /* as control_peer() */
void requests_unlend(struct requests *r);
void requests_leave(struct requests *r);

#endif
