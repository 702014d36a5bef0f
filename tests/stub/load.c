/* SPDX-License-Identifier: MIT */
/*
 * Reads and writes a device and verifies what it reads: each block holds its number and a
 * generation, which each write increments. The program ends with status 1 if a request fails, or if
 * a block is older than its last acknowledged write, or has a wrong content. After SIGTERM it waits
 * for outstanding answers, reads every block once more, and compares the server's image.
 *
 *   nbd-stub load nbd0 [-b BLOCKS] [-d DEPTH] [-r PER-SECOND] [-s SEED] [-i IMAGE] [-c] [-e] [-p]
 *
 * -c: the device holds what an earlier run has written. -e: requests may fail; a block whose write
 * failed may have its old or its new content. -p: no request begins in the first 200 ms of a
 * second, so that there are moments without requests; with -r.
 */
#include "driver.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "client.h"

#define BLOCK	   4096
#define BLOCKS_MAX 4096
#define DEPTH_MAX  64
#define REST_MS	   200
#define MAGIC	   UINT64_C(0x6e62642d73747562)

struct content {
	uint64_t magic, block, generation, check;
};

struct block {
	uint64_t least, most; /* range of possible generations */
	bool busy;
};

struct slot_of_load {
	bool used, write;
	unsigned block;
	uint64_t began;
};

struct load {
	int fd, index, signals;
	unsigned blocks, depth, rate, under_way;
	bool errors_expected, goes_on, rests, ending, learning;
	const char *image;
	struct block block[BLOCKS_MAX];
	struct slot_of_load slot[DEPTH_MAX];
	unsigned long long reads, writes, errors, sent;
	uint64_t longest, began;
};

static uint64_t check_of(const struct content *c)
{
	return c->magic * 31 + c->block * 1000003 + c->generation * UINT64_C(0x9e3779b97f4a7c15);
}

static void fill(uint8_t *data, unsigned block, uint64_t generation)
{
	struct content c = {.magic = MAGIC, .block = block, .generation = generation};

	c.check = check_of(&c);
	for (size_t at = 0; at < BLOCK; at += sizeof(c))
		memcpy(data + at, &c, sizeof(c));
}

/* The content must be complete, of this block, and no older than the acknowledged write. */
static bool verify(const struct block *b, unsigned number, const uint8_t *data, const char *where)
{
	static const uint8_t zero[BLOCK];
	struct content c;

	if (memcmp(data, zero, BLOCK) == 0) {
		if (b->least == 0)
			return true;
		fprintf(stderr,
			"load: %s: block %u was never written, generation %llu was "
			"acknowledged\n",
			where, number, (unsigned long long)b->least);
		return false;
	}
	memcpy(&c, data, sizeof(c));
	for (size_t at = 0; at < BLOCK; at += sizeof(c)) {
		if (memcmp(data + at, &c, sizeof(c)) != 0 || c.magic != MAGIC ||
		    c.block != number || c.check != check_of(&c)) {
			fprintf(stderr, "load: %s: block %u holds something else\n", where, number);
			return false;
		}
	}
	if (c.generation < b->least || c.generation > b->most) {
		fprintf(stderr, "load: %s: block %u has generation %llu, not %llu to %llu\n", where,
			number, (unsigned long long)c.generation, (unsigned long long)b->least,
			(unsigned long long)b->most);
		return false;
	}
	return true;
}

static bool submit(struct load *l, unsigned tag, unsigned block, bool write)
{
	struct stub_request r = {.op = write ? STUB_WRITE : STUB_READ,
				 .id = tag,
				 .index = l->index,
				 .offset = (uint64_t)block * BLOCK,
				 .length = BLOCK};
	uint8_t data[BLOCK];

	if (write)
		fill(data, block, ++l->block[block].most);
	l->block[block].busy = true;
	l->slot[tag] =
	    (struct slot_of_load){.used = true, .write = write, .block = block, .began = now_ms()};
	l->under_way++;
	l->sent++;
	return stub_send(l->fd, &r, data, write ? BLOCK : 0, NULL, 0) == 0;
}

static unsigned free_tag(const struct load *l)
{
	unsigned tag = 0;

	while (tag < l->depth && l->slot[tag].used)
		tag++;
	return tag;
}

/* Returns false if nothing can be sent now. */
static bool submit_any(struct load *l)
{
	unsigned tag = free_tag(l), block = (unsigned)random() % l->blocks;

	if (tag == l->depth)
		return false;
	for (unsigned i = 0; i < l->blocks && l->block[block].busy; i++)
		block = (block + 1) % l->blocks;
	return !l->block[block].busy && submit(l, tag, block, random() % 4 != 0);
}

static bool take(struct load *l)
{
	struct stub_reply reply;
	uint8_t data[BLOCK];
	ssize_t n = stub_receive(l->fd, &reply, data, sizeof(data));
	struct slot_of_load *s;
	struct block *b;
	uint64_t took;

	if (n < 0 || reply.id >= DEPTH_MAX || !l->slot[reply.id].used) {
		fprintf(stderr, "load: the driver is gone\n");
		return false;
	}
	s = &l->slot[reply.id];
	b = &l->block[s->block];
	took = now_ms() - s->began;
	l->longest = took > l->longest ? took : l->longest;
	s->used = b->busy = false;
	l->under_way--;
	if (reply.error) {
		l->errors++;
		if (!l->errors_expected)
			fprintf(stderr, "load: %s of block %u after %llu ms: %s\n",
				s->write ? "write" : "read", s->block, (unsigned long long)took,
				strerror(-reply.error));
		return l->errors_expected;
	}
	if (s->write) {
		l->writes++;
		b->least = b->most;
		return true;
	}
	l->reads++;
	if (l->learning)
		memcpy(&b->least, data + offsetof(struct content, generation), sizeof(b->least));
	if (l->learning)
		b->most = b->least;
	return n == BLOCK && verify(b, s->block, data, "read");
}

static unsigned allowed(const struct load *l)
{
	uint64_t passed = now_ms() - l->began;
	uint64_t due = l->rate ? passed * l->rate / 1000 + 1 : UINT64_MAX;

	if (l->rests && passed % 1000 < REST_MS)
		return 0;
	return due > l->sent ? l->depth : 0;
}

static bool work(struct load *l)
{
	struct pollfd p[2] = {{.fd = l->fd, .events = POLLIN},
			      {.fd = l->signals, .events = POLLIN}};

	while (!l->ending || l->under_way) {
		while (!l->ending && l->under_way < allowed(l) && submit_any(l))
			;
		if (poll(p, 2, l->rate && !l->ending ? 5 : -1) < 0 && errno != EINTR)
			return false;
		if (p[0].revents && !take(l))
			return false;
		if (p[1].revents) {
			l->ending = true;
			p[1].fd = -1;
			p[1].revents = 0;
		}
	}
	return true;
}

/* Reads every block once. */
static bool read_all(struct load *l)
{
	for (unsigned i = 0; i < l->blocks || l->under_way;) {
		unsigned tag = free_tag(l);

		if (i < l->blocks && tag < l->depth && !submit(l, tag, i++, false))
			return false;
		if ((i == l->blocks || free_tag(l) == l->depth) && !take(l))
			return false;
	}
	return true;
}

static bool learn(struct load *l)
{
	bool ok;

	l->learning = l->goes_on;
	ok = !l->goes_on || read_all(l);
	l->learning = false;
	return ok;
}

static bool read_back(struct load *l)
{
	const struct stub_request flush = {.op = STUB_FLUSH, .id = 0};

	if (!read_all(l))
		return false;
	return stub_ask(l->fd, &flush, NULL, 0, NULL, 0) == 0 || l->errors_expected;
}

static bool compare(struct load *l)
{
	uint8_t data[BLOCK];
	bool ok = true;
	int fd;

	if (!l->image)
		return true;
	fd = open(l->image, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		perror(l->image);
		return false;
	}
	for (unsigned i = 0; i < l->blocks && ok; i++)
		ok = pread(fd, data, BLOCK, (off_t)i * BLOCK) == BLOCK &&
		     verify(&l->block[i], i, data, "image");
	close(fd);
	return ok;
}

static bool open_device(struct load *l)
{
	const struct stub_request r = {.op = STUB_OPEN, .index = l->index, .writes = true};
	int ret;

	l->fd = stub_connect();
	ret = l->fd < 0 ? l->fd : stub_ask(l->fd, &r, NULL, 0, NULL, 0);
	if (ret < 0)
		fprintf(stderr, "load: nbd%d: %s\n", l->index, strerror(-ret));
	return ret == 0;
}

static bool parse(struct load *l, int argc, char **argv)
{
	int option;

	if (argc < 1 || sscanf(argv[0], "nbd%d", &l->index) != 1)
		return false;
	while ((option = getopt(argc, argv, "b:d:r:s:i:cep")) != -1) {
		switch (option) {
		case 'b':
			l->blocks = (unsigned)atoi(optarg);
			break;
		case 'd':
			l->depth = (unsigned)atoi(optarg);
			break;
		case 'r':
			l->rate = (unsigned)atoi(optarg);
			break;
		case 's':
			srandom((unsigned)atoi(optarg));
			break;
		case 'i':
			l->image = optarg;
			break;
		case 'p':
			l->rests = true;
			break;
		case 'c':
			l->goes_on = true;
			break;
		case 'e':
			l->errors_expected = true;
			break;
		default:
			return false;
		}
	}
	return l->blocks > 0 && l->blocks <= BLOCKS_MAX && l->depth > 0 && l->depth <= DEPTH_MAX;
}

int load_main(int argc, char **argv)
{
	static struct load load = {.blocks = 256, .depth = 4, .rate = 200};
	struct load *l = &load;
	sigset_t set;
	bool ok;

	if (!parse(l, argc, argv)) {
		fprintf(stderr, "usage: load nbdN [-b BLOCKS] [-d DEPTH] [-r RATE] [-s SEED] "
				"[-i IMAGE] [-c] [-e]\n");
		return 2;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	l->signals = signalfd(-1, &set, SFD_CLOEXEC);
	l->began = now_ms();
	ok = open_device(l) && learn(l) && work(l) && read_back(l) && compare(l);
	printf("reads=%llu\nwrites=%llu\nerrors=%llu\nlongest=%llu\n", l->reads, l->writes,
	       l->errors, (unsigned long long)l->longest);
	return ok ? 0 : 1;
}
