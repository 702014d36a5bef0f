/* SPDX-License-Identifier: MIT */
/* The answer of --info and --list with --json when there is nothing else to print. */
#ifndef VERBS_FAILURE_H
#define VERBS_FAILURE_H

#include "base/err.h"

/* Prints an object with the error and the exit status. */
void failure_json(const struct err *err, int status);

#endif
