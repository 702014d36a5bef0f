/* SPDX-License-Identifier: MIT */
/* Puts a configuration file under the command line. */
#ifndef CLI_MERGE_H
#define CLI_MERGE_H

#include <stdint.h>

#include "cli/conf.h"
#include "cli/words.h"
#include "cli/table.h"
#include "cli/options.h"

/* Calls fn for each file of `path`.d whose name ends with .conf, the last name first, until it
 * returns something else than 0, which is the result. -errno with *err: it cannot be read. */
int config_each_drop_in(const char *path, int (*fn)(const char *file, void *arg, struct err *err),
			void *arg, struct err *err);

/*
 * If the command line attaches and leaves the rest to a file, reads that and puts its values where
 * the command line gave none: in *o, with their bits in *given, and as words. The files that
 * complete it and the defaults follow. *off: what does not count in files; grows by what they
 * themselves take back. The words may then
 * borrow from *config, which the caller frees with config_done() in any case. 0, or -errno with
 * *err.
 */
int options_configure(struct options *o, struct option_bits *given, struct option_bits *off,
		      struct words *words, struct config *config, struct err *err);

#endif
