/* SPDX-License-Identifier: MIT */
/* Puts a configuration file under the command line. */
#ifndef OPTIONS_CONFIG_H
#define OPTIONS_CONFIG_H

#include <stdint.h>

#include "config.h"
#include "options-words.h"
#include "options-table.h"
#include "options.h"

/*
 * If the command line attaches and leaves the rest to a file, reads that and puts its values where
 * the command line gave none: in *o, with their bits in *given, and as words. The words may then
 * borrow from *config, which the caller frees with config_done() in any case. 0, or -errno with
 * *err.
 */
int options_configure(struct options *o, struct option_bits *given, struct words *words,
		      struct config *config, struct err *err);

#endif
