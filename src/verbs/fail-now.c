/* SPDX-License-Identifier: MIT */
#include "verbs/ask.h"
#include "verbs/verbs.h"

#define ANSWER_LIMIT_MS 10000

int cmd_fail_now(const struct options *o)
{
	const struct control_request request = {.verb = CONTROL_FAIL_NOW};

	return cmd_ask(o, &request, ANSWER_LIMIT_MS);
}
