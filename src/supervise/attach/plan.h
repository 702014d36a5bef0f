/* SPDX-License-Identifier: MIT */
/*
 * From what the server says and the user wants to what the kernel is told. Pure: no side effects;
 * the caller logs the warnings.
 */
#ifndef SUPERVISE_ATTACH_PLAN_H
#define SUPERVISE_ATTACH_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "nbd/export.h"

struct plan_wish {
	bool read_only;
	uint32_t block_size;   /* bytes; 0: the server's minimum, 512 at least */
	unsigned connections;  /* 1 at least */
	uint32_t kernel_block; /* the largest block size this kernel takes, in bytes */
};

struct plan {
	uint64_t size;	      /* bytes, a multiple of block_size */
	uint64_t cut;	      /* bytes at the export's end that cannot be reached: warn if not 0 */
	uint32_t block_size;  /* bytes */
	uint16_t flags;	      /* NBD_TX_* that the kernel understands */
	unsigned connections; /* fewer than wished if the server allows but one: warn */
};

/*
 * Returns 0, or -errno with: PERMANENT for what the server says (an empty export, a minimum block
 * size above the wished one, or above what this kernel takes), SYSTEM (this kernel cannot do the
 * wished block size).
 */
int plan_make(const struct nbd_export *e, const struct plan_wish *wish, struct plan *ret_plan,
	      struct err *err);

#endif
