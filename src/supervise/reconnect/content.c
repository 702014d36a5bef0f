/* SPDX-License-Identifier: MIT */
/* --same-content: compares a part of the content with that at the attachment. */
#include "supervise/reconnect/reconnect-private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"

void content_note(struct reconnect *r, const struct digest *digest)
{
	if (!digest)
		return;
	r->content = (struct content){
	    .known = true,
	    .bytes = r->cfg.same_content,
	    .size = r->env->at->known.size,
	    .digest = *digest,
	};
}

void content_adopt(struct reconnect *r, const char *text)
{
	struct content *c = &r->content;
	char digest[DIGEST_TEXT_MAX] = "";

	if (!r->cfg.same_content)
		return;
	c->known = sscanf(text, "%" SCNu32 " %" SCNu64 " %32s", &c->bytes, &c->size, digest) == 3 &&
		   digest_parse(digest, &c->digest);
	if (!c->known)
		log_warning("/dev/nbd%d: there is no record of its content: --same-content cannot "
			    "compare it",
			    r->env->at->index);
}

int content_check(const struct reconnect *r, const struct attempt_result *result, struct err *err)
{
	const struct content *c = &r->content;

	if (!c->known || (result->sampled && digest_equal(&result->digest, &c->digest)))
		return 0;
	return err_set(err, ERR_PERMANENT, ESTALE,
		       "the server has an export of the same size, but its content has changed "
		       "since the device was attached: not connected to it");
}

void content_report(const struct reconnect *r, struct state *ret_state)
{
	const struct content *c = &r->content;
	char digest[DIGEST_TEXT_MAX];

	if (c->known)
		snprintf(ret_state->content, sizeof(ret_state->content),
			 "%" PRIu32 " %" PRIu64 " %s", c->bytes, c->size,
			 digest_text(&c->digest, digest));
}
