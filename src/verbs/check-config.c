/* SPDX-License-Identifier: MIT */
#include "base/log.h"
#include "verbs/verbs.h"
#include "cli/conf.h"

static void say(const struct err *err, void *arg)
{
	(void)arg;
	log_error("%s", err->message);
}

int cmd_check_config(const struct options *o)
{
	struct err err;

	return config_check(o->file, say, NULL, &err) < 0 ? err_exit_status(err.kind) : 0;
}
