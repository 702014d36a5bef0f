/* SPDX-License-Identifier: MIT */
#include "verbs/ask.h"
#include "verbs/verbs.h"

/* The supervisor keeps to its own --connect-timeout, which may be an hour. */
#define ANSWER_LIMIT_MS (2 * 3600000)

int cmd_resize(const struct options *o)
{
	const struct control_request request = {.verb = CONTROL_RESIZE};

	return cmd_ask(o, &request, ANSWER_LIMIT_MS);
}
