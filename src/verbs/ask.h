/* SPDX-License-Identifier: MIT */
/* A request to the supervisor of the device on the command line, for verbs that need one. */
#ifndef VERBS_ASK_H
#define VERBS_ASK_H

#include "cli/options.h"
#include "supervise/requests/control.h"

/* Blocks until the answer, at most limit_ms. Logs the sentence, and returns the exit status. */
int cmd_ask(const struct options *o, const struct control_request *request, unsigned limit_ms);

/* The same for one device, whose number is *ret_index. Logs nothing: *err has the sentence. */
int cmd_ask_one(const struct options *o, const struct control_request *request, unsigned limit_ms,
		int *ret_index, struct err *err);

#endif
