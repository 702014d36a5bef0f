/* SPDX-License-Identifier: MIT */
/* A helper that lies to the process that started it. */
#ifndef SECURITY_ANSWERS_H
#define SECURITY_ANSWERS_H

#include <stdint.h>

#include "worker/sandbox.h"

/* Gives the malformed answer with this number and does not return, if the profile has one.
 */
void answer_badly(int fd, enum sandbox_profile profile, uint32_t number);

#endif
