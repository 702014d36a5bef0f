/* SPDX-License-Identifier: MIT */
/* The commands of the test's script. */
#ifndef SECURITY_VERBS_H
#define SECURITY_VERBS_H

#include "attacks.h"

/* Its exit status. */
int attack_verb(int argc, char **argv);

/* Every attack that `kind` must not be able to do, from here. */
void attack_unconfined(enum kind kind);

#endif
