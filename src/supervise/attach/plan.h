/* SPDX-License-Identifier: MIT */
/*
 * Plans the kernel's settings from the server's export and the user's options. Pure: no side
 * effects; the caller logs the warnings.
 */
#ifndef SUPERVISE_ATTACH_PLAN_H
#define SUPERVISE_ATTACH_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "nbd/export.h"

struct plan_wish {
	bool read_only;
	uint16_t without;      /* NBD_TX_* that the kernel must not be told of */
	uint32_t block_size;   /* bytes; 0: the server's minimum, 512 at least */
	unsigned connections;  /* at least 1 */
	uint32_t kernel_block; /* the largest block size this kernel takes, in bytes */
};

struct plan {
	uint64_t size;	      /* bytes, a multiple of block_size */
	uint64_t cut;	      /* bytes at the export's end that cannot be reached: warn if not 0 */
	uint32_t block_size;  /* bytes */
	uint16_t flags;	      /* NBD_TX_* that the kernel understands */
	unsigned connections; /* fewer than requested if the server allows only one: warn */
};

/*
 * Returns 0, or -errno with: PERMANENT if the reason is the server (an empty export, a minimum
 * block size above the requested one or above this kernel's limit), SYSTEM if this kernel does not
 * support the requested block size.
 */
int plan_make(const struct nbd_export *e, const struct plan_wish *wish, struct plan *ret_plan,
	      struct err *err);

#endif
