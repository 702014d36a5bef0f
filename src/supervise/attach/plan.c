/* SPDX-License-Identifier: MIT */
#include "supervise/attach/plan.h"

#include <errno.h>

#define SECTOR 512

/* The flags that nbd.ko uses; it would only store the others (DF, CACHE, RESIZE ...). */
#define KERNEL_FLAGS                                                                 \
	(NBD_TX_HAS_FLAGS | NBD_TX_READ_ONLY | NBD_TX_SEND_FLUSH | NBD_TX_SEND_FUA | \
	 NBD_TX_ROTATIONAL | NBD_TX_SEND_TRIM | NBD_TX_SEND_WRITE_ZEROES | NBD_TX_CAN_MULTI_CONN)

/*
 * An error that depends on the server is PERMANENT: after that a service manager tries again. It
 * never does so after USAGE or SYSTEM, which a server must not be able to cause.
 */
static int choose_block_size(const struct nbd_export *e, const struct plan_wish *wish,
			     uint32_t *ret_size, struct err *err)
{
	uint32_t least = e->min_block > SECTOR ? e->min_block : SECTOR;

	if (least > wish->kernel_block)
		return err_set(
		    err, ERR_PERMANENT, EINVAL,
		    "the server's smallest block is %u bytes and this kernel's nbd takes at "
		    "most %u: serve the export with a smaller minimum block size, or use a "
		    "newer kernel",
		    least, wish->kernel_block);
	if (wish->block_size > wish->kernel_block)
		return err_set(err, ERR_SYSTEM, EINVAL,
			       "--block-size %u is more than this kernel's nbd takes: at most %u",
			       wish->block_size, wish->kernel_block);
	if (wish->block_size && wish->block_size < least)
		return err_set(err, ERR_PERMANENT, EINVAL,
			       "--block-size %u is below the server's minimum: use %u or more",
			       wish->block_size, least);
	*ret_size = wish->block_size ? wish->block_size : least;
	return 0;
}

int plan_make(const struct nbd_export *e, const struct plan_wish *wish, struct plan *ret_plan,
	      struct err *err)
{
	struct plan plan = {.block_size = SECTOR, .connections = 1};
	int ret = choose_block_size(e, wish, &plan.block_size, err);

	if (ret < 0)
		return ret;
	plan.cut = e->size % plan.block_size;
	plan.size = e->size - plan.cut;
	if (plan.size == 0)
		return err_set(err, ERR_PERMANENT, EINVAL,
			       "the export holds %llu bytes, less than one block of %u: there is "
			       "nothing to attach",
			       (unsigned long long)e->size, plan.block_size);
	plan.flags = e->flags & KERNEL_FLAGS & (uint16_t)~wish->without;
	if (wish->read_only)
		plan.flags |= NBD_TX_HAS_FLAGS | NBD_TX_READ_ONLY;
	if (e->flags & NBD_TX_CAN_MULTI_CONN)
		plan.connections = wish->connections;
	*ret_plan = plan;
	return 0;
}
