/* SPDX-License-Identifier: MIT */
#include "worker/worker-private.h"

#include <errno.h>

/* One step of the sample. */
static int move_sample(struct worker *w)
{
	struct sample *s = &w->sample;
	size_t len;
	bool end;
	ssize_t n;

	if (s->status == SAMPLE_SENDS) {
		const uint8_t *out = sample_send_buf(s, &len);

		n = worker_send_bytes(w, out, len);
		if (n > 0)
			sample_send_ack(s, (size_t)n);
	} else {
		uint8_t *in = sample_recv_buf(s, &len);

		n = worker_receive_bytes(w, in, len, &end);
		if (n > 0)
			sample_recv_ack(s, (size_t)n);
		else if (n == 0 && end)
			return -ECONNRESET;
	}
	return n < 0 ? (int)n : 0;
}

int worker_take_sample(struct worker *w)
{
	const struct nbd_export *e = nego_export(&w->nego);
	uint64_t size = w->job.sample_size ? w->job.sample_size : e->size;
	struct err *err = &w->answer.err;
	struct sample *s = &w->sample;
	int ret = 0;

	if (w->job.sample == 0 || e->size < size)
		return 0;
	if (e->min_block) /* a read of less may be refused */
		size -= size % e->min_block;
	sample_init(s, size, e->max_block, w->job.sample);
	while (ret == 0 && (s->status == SAMPLE_SENDS || s->status == SAMPLE_RECEIVES))
		ret = move_sample(w);
	if (s->status == SAMPLE_BAD)
		return err_set(
		    err, ERR_PERMANENT, EPROTO,
		    "the server answers a read request with something that is not a reply");
	if (s->status == SAMPLE_REFUSED)
		return err_set(err, ERR_RETRY, EIO,
			       "the server cannot read the content to compare at byte %llu: it "
			       "reports error %u",
			       (unsigned long long)s->offset, s->error);
	if (ret == 0) {
		w->answer.sampled = true;
		w->answer.digest = s->digest;
		return 0;
	}
	if (w->tls && err->message[0])
		return ret;
	return err_errno(err, ERR_RETRY, -ret,
			 "the connection broke while the content to compare was being read");
}
