/* SPDX-License-Identifier: MIT */
/*
 * A random key of this boot, which only root can read: /run/nbd-attach/secret. With it the values
 * of options are published as digests that other users cannot try guesses against.
 */
#ifndef RUNTIME_SECRET_H
#define RUNTIME_SECRET_H

#include <stdint.h>

#include "base/siphash.h"

/* Makes it if there is none. 0 or -errno; without privilege, -EACCES. */
int secret_read(uint8_t ret_key[static SIPHASH_KEY_SIZE]);

#endif
