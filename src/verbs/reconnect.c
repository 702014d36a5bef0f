/* SPDX-License-Identifier: MIT */
#include "verbs/ask.h"
#include "verbs/verbs.h"

#define ANSWER_LIMIT_MS 10000

int cmd_reconnect(const struct options *o)
{
	const struct control_request request = {.verb = CONTROL_RECONNECT, .accept = o->accept};

	return cmd_ask(o, &request, ANSWER_LIMIT_MS);
}
