/* SPDX-License-Identifier: MIT */
/* The verbs, and the words that follow each of them. */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

#include <stdbool.h>

#include "cli/options.h"

#define OPTIONS_VERBS (VERB_KEEP + 1)

/* The words that follow a verb, in this order. --unix stands for the server's. */
struct verb_def {
	const char *option; /* the long option that asks for it; NULL for attach */
	bool takes_file;
	bool file_optional;
	bool takes_device;
	bool device_optional;
	bool several; /* any number of devices */
	bool takes_server;
	bool takes_export; /* always optional */
};

extern const struct verb_def options_verbs[OPTIONS_VERBS];

/* "--detach"; "attaching" for the verb that has no option. */
const char *verb_name(enum verb verb);

#endif
