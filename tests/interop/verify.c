/* SPDX-License-Identifier: MIT */
/*
 * verify DEVICE BYTES: writes each block of 4 KiB once, in a random order, eight at a time and
 * without the page cache, flushes, and reads the blocks back. fio does the same with twenty times
 * the work of an emulated processor. Exits with 0, or with 1 and a line that names the error.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BLOCK	4096
#define WRITERS 8

static struct {
	int fd;
	uint64_t seed; /* of this run: tells its data from that of an earlier run */
	bool reading;
	size_t n, next; /* number of blocks, and the next one to start */
	uint32_t *order;
	bool failed;
	pthread_mutex_t lock;
} work = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint64_t mixed(uint64_t x)
{
	x ^= x >> 33;
	x *= UINT64_C(0xff51afd7ed558ccd);
	x ^= x >> 33;
	x *= UINT64_C(0xc4ceb9fe1a85ec53);
	return x ^ x >> 33;
}

static void fill(uint64_t *words, uint32_t block)
{
	uint64_t state = mixed(work.seed ^ mixed(block + 1));

	for (size_t i = 0; i < BLOCK / sizeof(*words); i++)
		words[i] = state += UINT64_C(0x9e3779b97f4a7c15) ^ block;
}

static bool one(uint32_t block, uint64_t *words, uint64_t *expected)
{
	off_t at = (off_t)block * BLOCK;
	ssize_t ret;

	fill(expected, block);
	ret =
	    work.reading ? pread(work.fd, words, BLOCK, at) : pwrite(work.fd, expected, BLOCK, at);
	if (ret != BLOCK)
		printf("%s of block %u: %s\n", work.reading ? "read" : "write", block,
		       ret < 0 ? strerror(errno) : "too short");
	else if (work.reading && memcmp(words, expected, BLOCK) != 0)
		printf("block %u has other data than was written\n", block);
	else
		return true;
	return false;
}

static bool take(uint32_t *ret_block)
{
	bool more;

	pthread_mutex_lock(&work.lock);
	more = work.next < work.n && !work.failed;
	if (more)
		*ret_block = work.order[work.next++];
	pthread_mutex_unlock(&work.lock);
	return more;
}

static void *run(void *arg)
{
	uint64_t *words = aligned_alloc(BLOCK, 2 * BLOCK);
	uint32_t block;

	(void)arg;
	while (words && take(&block)) {
		if (one(block, words, words + BLOCK / sizeof(*words)))
			continue;
		pthread_mutex_lock(&work.lock);
		work.failed = true;
		pthread_mutex_unlock(&work.lock);
	}
	if (!words)
		work.failed = true;
	free(words);
	return NULL;
}

/* Writes or reads all blocks. */
static void pass(bool reading)
{
	pthread_t threads[WRITERS];
	int n = 0;

	work.reading = reading;
	work.next = 0;
	while (n < WRITERS && pthread_create(&threads[n], NULL, run, NULL) == 0)
		n++;
	work.failed |= n == 0;
	while (n)
		pthread_join(threads[--n], NULL);
}

static void shuffle(void)
{
	for (size_t i = 0; i < work.n; i++)
		work.order[i] = (uint32_t)i;
	for (size_t i = work.n; i > 1; i--) {
		size_t j = mixed(work.seed + i) % i;
		uint32_t block = work.order[i - 1];

		work.order[i - 1] = work.order[j];
		work.order[j] = block;
	}
}

int main(int argc, char **argv)
{
	struct timespec now;

	if (argc != 3 || (work.n = strtoull(argv[2], NULL, 10) / BLOCK) == 0) {
		fprintf(stderr, "usage: verify DEVICE BYTES\n");
		return 2;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	work.seed = mixed((uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec);
	work.order = calloc(work.n, sizeof(*work.order));
	work.fd = open(argv[1], O_RDWR | O_DIRECT | O_CLOEXEC);
	if (!work.order || work.fd < 0) {
		printf("%s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	shuffle();
	pass(false);
	if (!work.failed && fsync(work.fd) < 0) {
		printf("%s: the flush failed: %s\n", argv[1], strerror(errno));
		work.failed = true;
	}
	if (!work.failed)
		pass(true);
	/* A failed close is an error, too. */
	if (close(work.fd) < 0)
		work.failed = true;
	free(work.order);
	return work.failed;
}
