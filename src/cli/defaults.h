/* SPDX-License-Identifier: MIT */
/*
 * The defaults of the machine, CONFIG_DEFAULTS, under one attachment. They count for attachments
 * that differ, so a default that does not fit this one is left out: a configuration that is right
 * by itself stays right. Nothing blocks beyond the file system.
 */
#ifndef CLI_DEFAULTS_H
#define CLI_DEFAULTS_H

#include "cli/conf.h"
#include "cli/options.h"
#include "cli/table.h"
#include "cli/words.h"

/*
 * Puts those that fit into *o, *given being what it has already and *off what does not count; the
 * rest is remembered with options_leave_out(). The words are complete. One default is never left
 * out for a server on the network: `tls = yes`, because that server would then be used without TLS.
 * 0, or -errno with *err.
 */
int defaults_apply(struct options *o, struct option_bits *given, const struct option_bits *off,
		   const struct words *words, const struct config *defaults, struct err *err);

#endif
