/* SPDX-License-Identifier: MIT */
/*
 * Which of the messages about one thing are logged, if another program has a say in their text or
 * their order: a server that wants to must not fill the log. A message is news if the one that was
 * logged last differs; and after a few, there is at most one a minute. Pure: the time is passed in.
 */
#ifndef BASE_NEWS_H
#define BASE_NEWS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* All zero at first. */
struct news {
	char said[ERR_MESSAGE_MAX]; /* the message that was logged last; "": none */
	uint64_t paid_until;	    /* ms: each that was logged has moved it on by a minute */
};

/* True: log the message now (ms), and this counts it. */
bool news_take(struct news *n, const char *message, uint64_t now);

/* The matter is over: the next message is news even if it is the last one again. */
void news_forget(struct news *n);

#endif
