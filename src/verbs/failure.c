/* SPDX-License-Identifier: MIT */
#include "verbs/failure.h"

#include <stdio.h>

#include "base/json.h"
#include "verbs/verbs.h"

void failure_json(const struct err *err, int status)
{
	struct json j;

	json_init(&j, stdout);
	json_object(&j, NULL);
	json_u64(&j, "version", CMD_JSON_VERSION);
	json_string(&j, "error", err->message);
	json_u64(&j, "exit-status", (unsigned)status);
	json_end_object(&j);
	json_finish(&j);
}
