/* SPDX-License-Identifier: MIT */
#include "base/held.h"
#include "base/log.h"
#include "base/protect.h"
#include "verbs/verbs.h"
#include "cli/table.h"
#include "captive/keeper.h"
#include "runtime/rundir.h"

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
	if (protect_root()) /* as its supervisor, which gave it the mark */
		protect_mark();
	held_keep(rundir());
	protect_directories();
	if (!o->foreground)
		log_set_sink(LOG_TO_SYSLOG);
	return keeper_run(o->file, &spec);
}
