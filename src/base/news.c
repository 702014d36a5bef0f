/* SPDX-License-Identifier: MIT */
#include "base/news.h"

#include <stdio.h>
#include <string.h>

#define PERIOD_MS UINT64_C(60000) /* between two messages */
#define AT_ONCE	  3		  /* messages that are logged without a pause */

bool news_take(struct news *n, const char *message, uint64_t now)
{
	uint64_t from = n->paid_until > now ? n->paid_until : now;

	if (strcmp(n->said, message) == 0 || from - now > (AT_ONCE - 1) * PERIOD_MS)
		return false;
	n->paid_until = from + PERIOD_MS;
	snprintf(n->said, sizeof(n->said), "%s", message);
	return true;
}

void news_forget(struct news *n)
{
	n->said[0] = '\0';
}
