/* SPDX-License-Identifier: MIT */
#include "supervise/attach/adopt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "kernel/sysfs.h"
#include "kernel/usage.h"
#include "supervise/attach/rival.h"

/* A file of an earlier attachment may be left, whose connections and flags were others. */
static bool describes_this(const struct adopt *a)
{
	const struct state *s = a->state;

	return (!s->attachment || s->attachment == a->attachment) &&
	       strcmp(s->identifier, a->identifier) == 0 && s->connections > 0 &&
	       s->connections <= KERNEL_CONNECTIONS_MAX;
}

static void read_state(struct adopt *a)
{
	struct err err;

	a->known = state_read(a->index, a->state, &err) == 0 && describes_this(a);
	if (!a->known)
		memset(a->state, 0, sizeof(*a->state));
}

static bool above_zero(int index, const char *attribute)
{
	uint64_t value = 0;

	return sysfs_number_at(sysfs_root(), index, attribute, &value) == 0 && value > 0;
}

bool adopt_flushes(int index)
{
	char cache[32] = "";

	sysfs_read_at(sysfs_root(), index, "queue/write_cache", cache, sizeof(cache));
	return strcmp(cache, "write back") == 0;
}

/* The server's features, derived from the kernel's settings. */
static uint16_t flags_in_use(int index, bool read_only, unsigned connections)
{
	uint16_t flags = NBD_TX_HAS_FLAGS;

	flags |= read_only ? NBD_TX_READ_ONLY : 0;
	flags |= adopt_flushes(index) ? NBD_TX_SEND_FLUSH : 0;
	flags |= above_zero(index, "queue/fua") ? NBD_TX_SEND_FUA : 0;
	flags |= above_zero(index, "queue/discard_max_bytes") ? NBD_TX_SEND_TRIM : 0;
	flags |= above_zero(index, "queue/write_zeroes_max_bytes") ? NBD_TX_SEND_WRITE_ZEROES : 0;
	flags |= connections > 1 ? NBD_TX_CAN_MULTI_CONN : 0;
	return flags;
}

/*
 * The driver makes a hardware queue for each connection, and the block layer at most one for each
 * processor.
 */
static void count_connections(struct adopt *a)
{
	unsigned queues = sysfs_queues(a->index), processors = (unsigned)get_nprocs_conf();

	a->counted = a->known || (queues > 0 && queues < processors);
	if (a->known)
		a->plan.connections = a->state->connections;
	else if (a->counted)
		a->plan.connections = queues;
	else
		a->plan.connections = queues > a->connections ? queues : a->connections;
	if (a->plan.connections > KERNEL_CONNECTIONS_MAX)
		a->plan.connections = KERNEL_CONNECTIONS_MAX;
}

/*
 * Both files in queue/ cannot be read while a write to one of them waits for the connection that we
 * shall make. The state file has the values then.
 */
static int read_limits(struct adopt *a, uint32_t *ret_block_size)
{
	bool written = a->known && a->state->attachment == a->attachment;
	uint64_t kib = 0;
	int ret = sysfs_block_size(a->index, ret_block_size);

	if (ret == -EAGAIN && written && a->state->block_size) {
		*ret_block_size = a->state->block_size;
		ret = 0;
	}
	if (sysfs_number_at(sysfs_root(), a->index, "queue/max_sectors_kb", &kib) == 0)
		a->max_payload = kib > UINT32_MAX / 1024 ? UINT32_MAX : (uint32_t)kib * 1024;
	else if (written && a->state->max_request)
		a->max_payload = a->state->max_request;
	else /* not known, so no server is refused for it */
		a->max_payload = *ret_block_size;
	return ret;
}

static int read_device(struct adopt *a)
{
	struct sysfs_device device;
	uint32_t block_size = 0;
	int ret = sysfs_device(a->index, &device);

	if (ret == 0)
		ret = read_limits(a, &block_size);
	if (ret == -EAGAIN)
		return err_set(
		    &a->err, ERR_RETRY, -ret,
		    "cannot take over /dev/nbd%d: a program that writes a file in "
		    "/sys/block/nbd%d/queue keeps it locked until requests end: end that "
		    "program, or detach with --force",
		    a->index, a->index);
	if (ret < 0)
		return err_errno(&a->err, ERR_FAILED, -ret, "cannot take over /dev/nbd%d",
				 a->index);
	a->plan = (struct plan){.size = device.size, .block_size = block_size};
	count_connections(a);
	a->plan.flags = a->known ? (uint16_t)a->state->flags
				 : flags_in_use(a->index, device.read_only, a->plan.connections);
	return 0;
}

/* A device that was disconnected while a process has it open looks attached, but is not. */
static int refuse_zombie(struct adopt *a)
{
	struct usage usage;
	bool who = usage_find(a->index, 0, &usage, NULL) == 0 && usage.n;

	return err_set(&a->err, ERR_FAILED, EBUSY,
		       "/dev/nbd%d is disconnected and cannot be attached before its last user has "
		       "closed it%s%s",
		       a->index, who ? ": " : "", who ? usage.sentence : "");
}

enum adopt_probe adopt_probe(struct kernel *kernel, struct kmsg *log, int index,
			     const char *identifier)
{
	struct kernel_change change = {.index = index, .identifier = identifier};
	int pair[2];
	enum adopt_probe answer = ADOPT_UNKNOWN;

	if (!log)
		return ADOPT_UNKNOWN;
	kmsg_reconnected(log); /* discards earlier records */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0) {
		close(pair[1]);
		change.fd = pair[0];
		if (kernel_change(kernel, &change, NULL) == 0)
			answer = kmsg_reconnected(log) ? ADOPT_DEAD : ADOPT_ALIVE;
		close(pair[0]);
	}
	return answer;
}

void adopt_work(struct adopt *a)
{
	struct kernel_change change = {
	    .index = a->index,
	    .identifier = a->identifier,
	    .fd = -1,
	    .set_dead_timeout = true,
	    .dead_timeout = a->dead_timeout,
	};

	a->rival = -1;
	a->attachment = sysfs_attachment(a->index);
	read_state(a);
	a->ret = read_device(a);
	if (a->ret < 0)
		return;
	a->ret = kernel_change(a->kernel, &change, &a->err);
	if (a->ret == -ENODEV && adopt_possible(a->index, a->identifier))
		a->ret = refuse_zombie(a);
	if (a->ret < 0)
		return;
	a->probe =
	    a->vouched ? ADOPT_ALIVE : adopt_probe(a->kernel, a->log, a->index, a->identifier);
	if (!(a->plan.flags & NBD_TX_READ_ONLY))
		a->rival = rival_find(a->kernel, a->index, a->identifier);
}
