/* SPDX-License-Identifier: MIT */
/* The commands for the test's script. */
#ifndef SECURITY_VERBS_H
#define SECURITY_VERBS_H

#include "attacks.h"

/* Returns its exit status. */
int attack_verb(int argc, char **argv);

/* Runs every attack that must fail for `kind`, in this process. */
void attack_unconfined(enum kind kind);

#endif
