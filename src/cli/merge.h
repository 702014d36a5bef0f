/* SPDX-License-Identifier: MIT */
/* Puts a configuration file under the command line. */
#ifndef CLI_MERGE_H
#define CLI_MERGE_H

#include <stdint.h>

#include "cli/conf.h"
#include "cli/words.h"
#include "cli/table.h"
#include "cli/options.h"

/*
 * If the command line attaches and leaves the rest to a file, reads that and puts its values where
 * the command line gave none: in *o, with their bits in *given, and as words. The words may then
 * borrow from *config, which the caller frees with config_done() in any case. 0, or -errno with
 * *err.
 */
int options_configure(struct options *o, struct option_bits *given, struct words *words,
		      struct config *config, struct err *err);

#endif
