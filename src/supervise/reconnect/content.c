/* SPDX-License-Identifier: MIT */
/*
 * --same-content: compares a part of the content, or the identifiers on the disk, with those at the
 * attachment.
 */
#include "supervise/reconnect/reconnect-private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

#define IDS_WORD   "ids"   /* in a record, instead of the number of bytes */
#define KEYED_WORD "keyed" /* before the digest; an earlier version wrote one without a key */

static bool compares_ids(const struct reconnect *r)
{
	return r->cfg.same_content == IDS_SAMPLE;
}

/*
 * Computes the digest for the state file from the helper's digest and the key. Every user can read
 * that file. Without a key, a user could compare the digest with those of known contents, and
 * learn which of them is on the device.
 */
static struct digest with_key(const struct reconnect *r, const struct digest *digest)
{
	char text[DIGEST_TEXT_MAX + 16], digits[DIGEST_TEXT_MAX];
	uint64_t half[2];

	if (!r->has_key)
		return *digest; /* it is compared, but not written */
	for (int i = 0; i < 2; i++) {
		snprintf(text, sizeof(text), "content %d %s", i, digest_text(digest, digits));
		half[i] = siphash(r->key, text, strlen(text));
	}
	return (struct digest){.high = half[0], .low = half[1]};
}

static struct content content_of(const struct reconnect *r, const struct digest *digest,
				 const struct ids *ids)
{
	return (struct content){
	    .known = true,
	    .bytes = r->cfg.same_content,
	    .size = r->content.size ? r->content.size : r->env->at->known.size,
	    .digest = with_key(r, digest),
	    .ids = *ids,
	};
}

void content_note(struct reconnect *r, const struct digest *digest, const struct ids *ids)
{
	if (!digest || !ids)
		return;
	r->content = content_of(r, digest, ids);
	idle_know(r->idle);
}

static bool adopt_ids(struct content *c, const char *text)
{
	int skip = 0;

	return sscanf(text, IDS_WORD " %" SCNu64 " %n", &c->size, &skip) == 1 && skip &&
	       ids_parse(text + skip, &c->ids);
}

static bool adopt_digest(const struct reconnect *r, struct content *c, const char *text)
{
	char digest[DIGEST_TEXT_MAX] = "";

	if (sscanf(text, "%" SCNu32 " %" SCNu64 " " KEYED_WORD " %32s", &c->bytes, &c->size,
		   digest) == 3)
		return r->has_key && digest_parse(digest, &c->digest);
	if (sscanf(text, "%" SCNu32 " %" SCNu64 " %32s", &c->bytes, &c->size, digest) != 3 ||
	    !digest_parse(digest, &c->digest))
		return false;
	c->digest = with_key(r, &c->digest);
	return true;
}

void content_adopt(struct reconnect *r, const char *text)
{
	struct content *c = &r->content;

	if (!r->cfg.same_content)
		return;
	c->bytes = r->cfg.same_content;
	c->known = compares_ids(r) ? adopt_ids(c, text) : adopt_digest(r, c, text);
	if (!c->known && compares_ids(r))
		c->size = r->env->at->plan.size; /* read when the device rests */
	if (!c->known)
		log_warning("/dev/nbd%d: there is no record of its content: --same-content cannot "
			    "compare it%s",
			    r->env->at->index,
			    compares_ids(r) ? " before it has read it from the device" : "");
}

uint32_t content_sample(const struct reconnect *r)
{
	return r->content.known || compares_ids(r) ? r->content.bytes : 0;
}

static bool is_same(const struct reconnect *r, const struct digest *digest, const struct ids *ids)
{
	const struct content *c = &r->content;
	struct digest keyed = with_key(r, digest);

	return c->bytes == IDS_SAMPLE ? !ids_differ(&c->ids, ids)
				      : digest_equal(&c->digest, &keyed);
}

static int explain(const struct content *c, const struct attempt_result *result, struct err *err)
{
	char what[256];

	if (c->bytes != IDS_SAMPLE)
		return err_set(
		    err, ERR_PERMANENT, ESTALE,
		    "the server has an export of the same size, but its content has "
		    "changed since the device was attached: not connected to it; if that "
		    "is intended, use `--reconnect --accept content`");
	return err_set(err, ERR_PERMANENT, CONTENT_DIFFERS,
		       "the server is back with another disk, %s: not connected to it; if that is "
		       "intended, use `--reconnect --accept content`",
		       ids_difference(&c->ids, &result->ids, what, sizeof(what)));
}

int content_check(struct reconnect *r, const struct attempt_result *result, struct err *err)
{
	const struct content *c = &r->content;

	if (!c->known || (result->sampled && is_same(r, &result->digest, &result->ids))) {
		r->accepted.known = false;
		return 0;
	}
	if (!(r->accept & ACCEPT_CONTENT) || !result->sampled)
		return explain(c, result, err);
	r->accepted = content_of(r, &result->digest, &result->ids);
	return 0;
}

void content_recovered(struct reconnect *r, bool taken)
{
	if (taken && r->accepted.known) {
		r->content = r->accepted;
		log_notice("/dev/nbd%d: another disk was accepted", r->env->at->index);
	}
	r->accepted.known = false;
	/* What was written, but not flushed, may be lost. */
	idle_doubt(r->idle);
}

void content_seen(const struct ids *ids, void *arg)
{
	struct reconnect *r = arg;
	struct content *c = &r->content;
	char text[IDS_TEXT_MAX];

	if (c->known && memcmp(&c->ids, ids, sizeof(*ids)) == 0)
		return;
	c->known = true;
	c->ids = *ids;
	log_info("/dev/nbd%d: its identifiers are: %s", r->env->at->index, ids_text(ids, text));
	r->events->changed(r->arg);
}

void content_report(const struct reconnect *r, struct state *ret_state)
{
	const struct content *c = &r->content;
	char digest[DIGEST_TEXT_MAX], ids[IDS_TEXT_MAX];

	if (!c->known)
		return;
	if (c->bytes == IDS_SAMPLE)
		snprintf(ret_state->content, sizeof(ret_state->content), IDS_WORD " %" PRIu64 " %s",
			 c->size, ids_text(&c->ids, ids));
	else if (r->has_key)
		snprintf(ret_state->content, sizeof(ret_state->content),
			 "%" PRIu32 " %" PRIu64 " " KEYED_WORD " %s", c->bytes, c->size,
			 digest_text(&c->digest, digest));
}
