/* SPDX-License-Identifier: MIT */
#include "worker/worker-private.h"

#include <errno.h>

#include "nbd/disk.h"

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

/* Reads what the sample asks for. 0 or -errno with the answer's error. */
static int read_all(struct worker *w)
{
	struct err *err = &w->answer.err;
	struct sample *s = &w->sample;
	int ret = 0;

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
	if (ret == 0 || (w->tls && err->message[0]))
		return ret;
	return err_errno(err, ERR_RETRY, -ret,
			 "the connection broke while the content to compare was being read");
}

/* Reads whole blocks of the server's, as a read of less may be refused. */
static int take_ids(struct worker *w, uint64_t size)
{
	const struct nbd_export *e = nego_export(&w->nego);
	uint64_t unit = e->min_block > DISK_PAGE ? e->min_block : DISK_PAGE;
	uint64_t at[DISK_PLACES];
	size_t n = disk_places(size, at);

	for (size_t i = 0; i < n; i++) {
		uint64_t begin = at[i] / unit * unit;
		uint64_t len = begin + unit < e->size ? unit : e->size - begin;
		int ret;

		if (e->min_block)
			len -= len % e->min_block;
		len -= len % DISK_SECTOR;
		if (begin + len < at[i] + DISK_PAGE)
			continue;
		sample_init_read(&w->sample, begin, (uint32_t)len, e->max_block, w->block);
		ret = read_all(w);
		if (ret < 0)
			return ret;
		disk_look(at[i], w->block + (at[i] - begin), &w->answer.ids);
	}
	w->answer.sampled = true;
	return 0;
}

int worker_take_sample(struct worker *w)
{
	const struct nbd_export *e = nego_export(&w->nego);
	uint64_t size = w->job.sample_size ? w->job.sample_size : e->size;
	int ret;

	if (w->job.sample == IDS_SAMPLE)
		return take_ids(w, e->size < size ? e->size : size);
	if (w->job.sample == 0 || e->size < size)
		return 0;
	if (e->min_block) /* a read of less may be refused */
		size -= size % e->min_block;
	sample_init(&w->sample, size, e->max_block, w->job.sample);
	ret = read_all(w);
	if (ret < 0)
		return ret;
	w->answer.sampled = true;
	w->answer.digest = w->sample.digest;
	return 0;
}
