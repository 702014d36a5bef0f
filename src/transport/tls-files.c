/* SPDX-License-Identifier: MIT */
#include "transport/tls-files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/news.h"
#include "transport/helpers.h"
#include "worker/helper-main.h"
#include "worker/tls/reader.h"

/*
 * ms: limit for reading the files, which normally takes milliseconds, so that a disk that does not
 * answer cannot delay a reconnect.
 */
#define PATIENCE_MS 1000

struct tls_files {
	struct loop *loop;
	struct helpers *helpers;
	const struct endpoint *endpoint;
	struct helper *reader; /* NULL: none at work */
	struct loop_io *io;
	struct loop_timer *late; /* armed while the reader is at work and in time */
	struct tls_wait *waiting;
	int fd;		  /* what was read last; -1: nothing yet */
	unsigned present; /* the files in it: a bit for each enum tls_file */
	bool kept, overdue;
	struct news news; /* warnings; each attempt of an outage would repeat the last one */
	void *map;	  /* to lock the pages: never read */
	size_t map_len;
};

void tls_wait_cancel(struct tls_wait *wait)
{
	if (!wait->link)
		return;
	*wait->link = wait->next;
	if (wait->next)
		wait->next->link = wait->link;
	wait->link = NULL;
}

/* Tells all waiters; a callback may free other waiters, and its own. */
static void tell(struct tls_files *f, int ret, const struct err *err)
{
	while (f->waiting) {
		struct tls_wait *w = f->waiting;

		tls_wait_cancel(w);
		w->fn(ret, ret < 0 ? -1 : f->fd, err, w->arg);
	}
}

static void drop_contents(struct tls_files *f)
{
	if (f->map)
		munmap(f->map, f->map_len);
	f->map = NULL;
	close_fdp(&f->fd);
	f->fd = -1;
}

/* Swap may be on the device that the keys are needed for. */
static void lock_contents(struct tls_files *f)
{
	struct stat st;

	if (f->fd < 0 || f->map || fstat(f->fd, &st) < 0 || st.st_size <= 0)
		return;
	f->map_len = (size_t)st.st_size;
	f->map = mmap(NULL, f->map_len, PROT_READ, MAP_PRIVATE, f->fd, 0);
	if (f->map == MAP_FAILED) {
		f->map = NULL;
		return;
	}
	madvise(f->map, f->map_len, MADV_DONTDUMP);
	if (mlock(f->map, f->map_len) < 0)
		log_info("cannot lock the keys in memory: %s", strerror(errno));
}

static void end_reading(struct tls_files *f)
{
	loop_timer_cancel(f->late);
	loop_io_free(f->io);
	f->io = NULL;
	helper_release(TAKE_PTR(f->reader));
	f->overdue = false;
}

/*
 * If a revocation list disappears from the directory, perhaps because a new one is about to replace
 * it, revoked certificates must still be refused.
 */
static int check_list_is_there(const struct tls_files *f, unsigned present, int fd, struct err *err)
{
	const unsigned crl = 1U << TLS_FILE_CRL;

	if (!(f->present & crl) || present & crl)
		return fd;
	close(fd);
	return err_set(err, ERR_USAGE, ENOENT,
		       "%s/ca-crl.pem, the list of revoked certificates, has disappeared",
		       f->endpoint->tls_certificates);
}

/* Reading failed, or takes long. False: there is nothing that was read before. */
static bool use_old_contents(struct tls_files *f, const char *why)
{
	if (f->fd >= 0 && news_take(&f->news, why, loop_now()))
		log_warning("%s: using the contents that were read before", why);
	return f->fd >= 0;
}

static void on_answer(int fd, uint32_t events, void *arg)
{
	struct tls_files *f = arg;
	unsigned present = 0;
	struct err err;
	int ret = tls_reader_receive(fd, &present, &err);

	(void)events;
	if (ret == -EAGAIN)
		return;
	end_reading(f);
	if (ret >= 0)
		ret = check_list_is_there(f, present, ret, &err);
	if (ret >= 0) {
		news_forget(&f->news);
		drop_contents(f);
		f->fd = ret;
		f->present = present;
		if (f->kept)
			lock_contents(f);
	} else if (use_old_contents(f, err.message)) {
		ret = 0;
	}
	tell(f, ret < 0 ? ret : 0, &err);
}

static void on_late(void *arg)
{
	struct tls_files *f = arg;

	f->overdue = true;
	if (use_old_contents(f, "the certificates and keys could not be read within a second"))
		tell(f, 0, NULL);
}

struct tls_files *tls_files_new(struct loop *loop, struct helpers *helpers,
				const struct endpoint *endpoint)
{
	struct tls_files *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	*f = (struct tls_files){.loop = loop, .helpers = helpers, .endpoint = endpoint, .fd = -1};
	f->late = loop_timer_new(loop, on_late, f);
	if (!f->late) {
		free(f);
		return NULL;
	}
	return f;
}

void tls_files_free(struct tls_files *f)
{
	if (!f)
		return;
	end_reading(f);
	loop_timer_free(f->late);
	drop_contents(f);
	free(f);
}

static int start_reader(struct tls_files *f, struct err *err)
{
	struct tls_reader_job job;
	struct process_job start = {.kind = HELPER_KEYS, .name = "nbd-keys", .setup = &job};
	int ret = tls_reader_fill(&job, &start.len, f->endpoint, helpers_sandbox(f->helpers), err);

	if (ret < 0)
		return ret;
	ret = helpers_start(f->helpers, &start, &f->reader, err);
	if (ret < 0)
		return ret;
	f->io = loop_io_new(f->loop, f->reader->process.fd, EPOLLIN, on_answer, f);
	if (!f->io) {
		ret = err_errno(err, ERR_SYSTEM, errno, "cannot watch a helper process");
		end_reading(f);
		return ret;
	}
	loop_timer_set(f->late, PATIENCE_MS);
	return 0;
}

void tls_files_refresh(struct tls_files *f)
{
	struct err err;

	if (f->reader || (f->kept && f->fd >= 0))
		return;
	/* If nothing was ever read, tls_files_get() tries again and tells. */
	if (start_reader(f, &err) < 0 && news_take(&f->news, err.message, loop_now()))
		log_warning("%s", err.message);
}

void tls_files_keep(struct tls_files *f)
{
	if (!f)
		return;
	if (f->fd < 0)
		tls_files_refresh(f); /* for a server that has not been dialled yet */
	f->kept = true;
	lock_contents(f);
}

void tls_files_get(struct tls_files *f, struct tls_wait *wait, tls_files_fn *fn, void *arg)
{
	struct err err;
	int ret;

	if (f->fd >= 0 && (!f->reader || f->overdue)) {
		fn(0, f->fd, NULL, arg);
		return;
	}
	if (!f->reader) {
		ret = start_reader(f, &err);
		if (ret < 0) {
			fn(ret, -1, &err, arg);
			return;
		}
	}
	*wait = (struct tls_wait){.fn = fn, .arg = arg, .next = f->waiting, .link = &f->waiting};
	if (wait->next)
		wait->next->link = &wait->next;
	f->waiting = wait;
}
