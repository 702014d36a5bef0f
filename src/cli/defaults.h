/* SPDX-License-Identifier: MIT */
/*
 * Applies the machine's defaults, CONFIG_DEFAULTS, to one attachment. The defaults are for
 * different attachments, so one that does not fit this attachment is left out: a configuration that
 * is valid without the defaults stays valid. Blocks only for the file system.
 */
#ifndef CLI_DEFAULTS_H
#define CLI_DEFAULTS_H

#include "cli/conf.h"
#include "cli/options.h"
#include "cli/table.h"
#include "cli/words.h"

/*
 * Puts the defaults that fit into *o. *given has the options that it has already, and *off those
 * that do not count. The others are recorded with options_leave_out(). The words must be complete.
 * One default is never left out for a server on the network: `tls = yes`, because that server would
 * then be used without TLS. 0, or -errno with *err.
 */
int defaults_apply(struct options *o, struct option_bits *given, const struct option_bits *off,
		   const struct words *words, const struct config *defaults, struct err *err);

#endif
