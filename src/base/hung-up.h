/* SPDX-License-Identifier: MIT */
#ifndef BASE_HUNG_UP_H
#define BASE_HUNG_UP_H

#include <poll.h>
#include <stdbool.h>

/* True if the other end of a connection has closed it, or has ended, or this end is shut down. */
static inline bool hung_up(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLRDHUP};

	return poll(&p, 1, 0) > 0;
}

#endif
