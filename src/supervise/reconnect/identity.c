/* SPDX-License-Identifier: MIT */
#include "supervise/reconnect/identity.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "supervise/attachment.h"

const char *const identity_words[] = {"smaller", "read-only", "features", "name", "content", NULL};

static int refuse(struct err *err, const char *option, const char *what)
{
	return err_set(err, ERR_PERMANENT, ESTALE,
		       "the server is back with %s: not connected to it; if that is intended, use "
		       "`--reconnect --accept %s`",
		       what, option);
}

static int check_size(const struct plan *plan, const struct nbd_export *known,
		      const struct nbd_export *now, unsigned accept, struct err *err)
{
	if (now->size - now->size % plan->block_size == 0)
		return err_set(err, ERR_PERMANENT, ESTALE,
			       "the server is back with an empty export: waiting until it has its "
			       "%llu bytes again",
			       (unsigned long long)known->size);
	if (now->size >= plan->size || accept & ACCEPT_SMALLER)
		return 0;
	return err_set(err, ERR_PERMANENT, ESTALE,
		       "the server is back with a smaller export, %llu bytes instead of %llu: not "
		       "connected to it; if that is intended, use `--reconnect --accept smaller`",
		       (unsigned long long)now->size, (unsigned long long)known->size);
}

/* The settings of the device's queue cannot be changed while it is in use. */
static int check_blocks(const struct plan *plan, const struct nbd_export *known,
			const struct nbd_export *now, struct err *err)
{
	if (now->min_block > plan->block_size)
		return err_set(
		    err, ERR_PERMANENT, ESTALE,
		    "the server is back with a minimum block size of %u bytes, and the "
		    "device has blocks of %u: detach it and attach it again, or mend the "
		    "server",
		    now->min_block, plan->block_size);
	if (nbd_export_payload(now) < nbd_export_payload(known))
		return err_set(
		    err, ERR_PERMANENT, ESTALE,
		    "the server is back and takes requests of at most %u bytes, instead of %u as "
		    "before: detach the device and attach it again, or mend the server",
		    nbd_export_payload(now), nbd_export_payload(known));
	return 0;
}

static int check_flags(const struct plan *plan, uint16_t now, unsigned accept, struct err *err)
{
	static const struct {
		uint16_t flag;
		const char *what;
	} features[] = {
	    {NBD_TX_SEND_FLUSH, "no support for flush, so fsync would fail"},
	    {NBD_TX_SEND_FUA, "no support for FUA, so FUA writes would fail"},
	    {NBD_TX_SEND_TRIM, "no support for trim, so discards would fail"},
	    {NBD_TX_SEND_WRITE_ZEROES, "no support for write-zeroes, so write-zeroes would fail"},
	};
	uint16_t lost = (uint16_t)(plan->flags & ~now);

	/* The driver refuses to write to such a device, to discard and to write zeroes. */
	if (plan->flags & NBD_TX_READ_ONLY)
		lost &= (uint16_t) ~(NBD_TX_SEND_FUA | NBD_TX_SEND_TRIM | NBD_TX_SEND_WRITE_ZEROES);
	if (now & NBD_TX_READ_ONLY && !(plan->flags & NBD_TX_READ_ONLY) &&
	    !(accept & ACCEPT_READ_ONLY))
		return refuse(err, "read-only", "a read-only export");
	if (plan->connections > 1 && lost & NBD_TX_CAN_MULTI_CONN)
		return err_set(err, ERR_PERMANENT, ESTALE,
			       "the server is back and no longer promises that several connections "
			       "see the same data: detach the device and attach it with one");
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
		if (lost & features[i].flag && !(accept & ACCEPT_FEATURES))
			return refuse(err, "features", features[i].what);
	return 0;
}

static bool has_another_name(const char *name, const struct nbd_export *now)
{
	char other[DIGEST_TEXT_MAX];

	/* Not every server says a name. */
	return name[0] && attachment_name(now, other)[0] && strcmp(name, other) != 0;
}

int identity_check(const struct plan *plan, const struct nbd_export *known, const char *name,
		   const struct nbd_export *now, unsigned accept, uint64_t *ret_size,
		   struct err *err)
{
	int ret = check_size(plan, known, now, accept, err);

	if (ret == 0)
		ret = check_blocks(plan, known, now, err);
	if (ret == 0)
		ret = check_flags(plan, now->flags, accept, err);
	if (ret == 0 && has_another_name(name, now) && !(accept & ACCEPT_NAME))
		ret = refuse(err, "name", "another export's name");
	if (ret == 0)
		*ret_size = now->size - now->size % plan->block_size;
	return ret;
}
