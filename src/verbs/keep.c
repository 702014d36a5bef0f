/* SPDX-License-Identifier: MIT */
#include "base/log.h"
#include "verbs/verbs.h"
#include "cli/table.h"
#include "captive/keeper.h"

int cmd_keep(const struct options *o)
{
	const struct captive_spec spec = {
	    .argv = o->captive,
	    .user = o->user,
	    .stdio = o->command,
	};

	if (!o->captive || !captive_id_valid(o->file)) {
		log_error("%s is only for internal use by nbd-attach", verb_name(VERB_KEEP));
		return err_exit_status(ERR_USAGE);
	}
	if (!o->foreground)
		log_set_sink(LOG_TO_SYSLOG);
	return keeper_run(o->file, &spec);
}
