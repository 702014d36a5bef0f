/* SPDX-License-Identifier: MIT */
#include "kernel/tune.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/held.h"
#include "kernel/queue-reader.h"
#include "kernel/sysfs.h"

static int cannot(int index, const char *what, int error, struct err *err)
{
	return err_errno(err, ERR_FAILED, -error, "cannot set %s of /dev/nbd%d", what, index);
}

/* Writes value if the attribute reads otherwise; a missing attribute is ignored. */
static int set_number(const char *root, int index, const char *attribute, uint64_t value,
		      struct err *err)
{
	char text[24];
	uint64_t now;
	int ret = sysfs_number_at(root, index, attribute, &now);

	if (ret == -ENOENT || (ret == 0 && now == value))
		return 0;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	if (ret == 0)
		ret = sysfs_write_at(root, index, attribute, text);
	return ret < 0 ? cannot(index, attribute, ret, err) : 0;
}

#define LEAST_DEFAULT_KB 128 /* no kernel starts with less: 6.1 has 128, 6.12 has 1280 */
#define REQUEST_KB	 1024 /* measured (tests/bench/queue): 1.3 times as fast as 128, 4096 no more */

/*
 * A low limit was set for an earlier server, and REQUEST_KB by us; others are the administrator's.
 * A server that declares no maximum may be one that has never seen more than the 128 KiB that the
 * driver used to send.
 */
static uint64_t request_kb(uint64_t now, const struct tune *t)
{
	uint64_t limit = (t->max_payload ? t->max_payload : NBD_PAYLOAD_DEFAULT) / 1024;

	if (now <= LEAST_DEFAULT_KB || (t->enlarge && now == REQUEST_KB))
		now = t->enlarge && t->max_payload / 1024 >= REQUEST_KB ? REQUEST_KB
									: LEAST_DEFAULT_KB;
	return now < limit ? now : limit;
}

/* The server would answer a request above its limit with an error, or close the connection. */
static int limit_requests(const char *root, int index, const struct tune *t, struct err *err)
{
	uint64_t now, wanted;
	int ret = sysfs_number_at(root, index, "queue/max_sectors_kb", &now);

	if (ret < 0)
		return cannot(index, "queue/max_sectors_kb", ret, err);
	wanted = request_kb(now, t);
	/* From Linux 6.3 on, 0 means the driver's own value. */
	ret = wanted ? set_number(root, index, "queue/max_sectors_kb", wanted, err) : -EINVAL;
	if (ret == -EINVAL && wanted < now)
		/* PERMANENT, as in supervise/attach/plan.c: a server must not cause SYSTEM. */
		return err_set(err, ERR_PERMANENT, EINVAL,
			       "the server takes at most %u bytes in one request, but this kernel "
			       "cannot be limited to that",
			       t->max_payload);
	return ret == -EINVAL ? 0 : ret;
}

#define READ_AHEAD_KB	      512 /* measured likewise: 1.2 times as fast as 128 */
#define READ_AHEAD_DEFAULT_KB 128

/* Best effort. */
static void change(const char *root, int index, const char *attribute, uint64_t from, uint64_t to)
{
	uint64_t now;

	if (sysfs_number_at(root, index, attribute, &now) == 0 && now == from)
		set_number(root, index, attribute, to, NULL);
}

void tune_undo_at(const char *root, int index)
{
	change(root, index, "queue/max_sectors_kb", REQUEST_KB, LEAST_DEFAULT_KB);
	change(root, index, "queue/read_ahead_kb", READ_AHEAD_KB, READ_AHEAD_DEFAULT_KB);
}

/*
 * `write through` left by an earlier user survives CONNECT (seen on 6.12 and 7.2, not on 6.1): the
 * kernel would never send a flush, and fsync(2) would succeed without one.
 */
static int restore_flushes(const char *root, int index, uint16_t flags, struct err *err)
{
	char text[32];
	int ret = 0;

	if (!(flags & NBD_TX_SEND_FLUSH))
		return 0;
	for (int i = 0; i < 2; i++) {
		ret = sysfs_read_at(root, index, "queue/write_cache", text, sizeof(text));
		if (ret == 0 && strcmp(text, "write back") == 0)
			return 0;
		if (ret == 0 && i == 0)
			ret = sysfs_write_at(root, index, "queue/write_cache", "write back");
		if (ret < 0)
			break;
	}
	return cannot(index, "queue/write_cache", ret < 0 ? ret : -EIO, err);
}

/* The discard limit that TRIM would have if an earlier user had not switched it off, or 0. */
static uint64_t lost_discard(const char *root, int index, uint16_t flags)
{
	uint64_t now = 0, most = 0;

	if (!(flags & NBD_TX_SEND_TRIM) ||
	    sysfs_number_at(root, index, "queue/discard_max_bytes", &now) < 0 ||
	    sysfs_number_at(root, index, "queue/discard_max_hw_bytes", &most) < 0)
		return 0;
	return now ? 0 : most;
}

/*
 * The kernel's own maximum is not a multiple of the unit, and EINVAL when written. From 6.12 on the
 * unit is 0 then, and every number is: discards are advice, so they may stay off.
 */
static int restore_discard(const char *root, int index, uint16_t flags, struct err *err)
{
	uint64_t most = lost_discard(root, index, flags), unit = 0;

	if (most == 0 || sysfs_number_at(root, index, "queue/discard_granularity", &unit) < 0 ||
	    unit == 0)
		return 0;
	return set_number(root, index, "queue/discard_max_bytes", most - most % unit, err);
}

static int refuse_leftovers(const char *root, int index, uint16_t flags, struct err *err)
{
	uint64_t zeroes = 0, ro = 0;

	sysfs_number_at(root, index, "queue/write_zeroes_max_bytes", &zeroes);
	sysfs_number_at(root, index, "ro", &ro);
	if (zeroes && !(flags & NBD_TX_SEND_WRITE_ZEROES))
		return err_set(err, ERR_SYSTEM, EINVAL,
			       "/dev/nbd%d would send WRITE_ZEROES requests, which an earlier "
			       "server supported and this one does not: choose another device",
			       index);
	if (ro && !(flags & NBD_TX_READ_ONLY))
		return err_set(
		    err, ERR_SYSTEM, EROFS,
		    "/dev/nbd%d was made read-only by an earlier user: `blockdev --setrw "
		    "/dev/nbd%d`, then try again",
		    index, index);
	return 0;
}

int tune_device_at(const char *root, int index, const struct tune *tune, struct err *err)
{
	int ret = refuse_leftovers(root, index, tune->flags, err);

	if (ret == 0)
		ret = limit_requests(root, index, tune, err);
	if (ret == 0)
		ret = restore_flushes(root, index, tune->flags, err);
	if (ret == 0)
		ret = restore_discard(root, index, tune->flags, err);
	/* Since 6.12 the driver sets it, and never clears it. */
	if (ret == 0)
		ret = set_number(root, index, "queue/rotational",
				 !!(tune->flags & NBD_TX_ROTATIONAL), err);
	if (ret == 0 && tune->enlarge)
		change(root, index, "queue/read_ahead_kb", READ_AHEAD_DEFAULT_KB, READ_AHEAD_KB);
	return ret;
}

/*
 * The child of a child, so that no process has to wait for it. 1: this is that process; 0: this is
 * the caller; or -errno.
 */
static int fork_apart(void)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		if (fork() == 0)
			return 1;
		_exit(0);
	}
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return 0;
}

#define IDLE_MS	   20	 /* between two looks for a moment without requests */
#define IDLE_LOOKS 30000 /* ten minutes */

static bool is_idle(const char *root, int index)
{
	struct sysfs_progress p;

	return sysfs_progress_at(root, index, &p) == 0 && sysfs_is_idle(&p);
}

/*
 * In a process of its own, which may be blocked for as long as the server is stalled.
 *
 * It waits for a moment without requests: a new value does not reach those under way, and while the
 * writer waits for them, a kernel that freezes the queue holds new ones back.
 */
__attribute__((noreturn)) static void set_apart(const char *root, int index, uint32_t ms)
{
	uint64_t attachment = sysfs_attachment_at(root, index);
	char text[24];
	sigset_t term;

	/* The supervisor blocks it, and at the end of a shutdown systemd would wait 90 s. */
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_UNBLOCK, &term, NULL);
	snprintf(text, sizeof(text), "%u", ms);
	prctl(PR_SET_NAME, "nbd-io-timeout");
	/* The device may be detached meanwhile, and be another user's. */
	for (int i = 0; i < IDLE_LOOKS && sysfs_attachment_at(root, index) == attachment; i++) {
		/* Once is enough: on a busy device a second look would find the next request. */
		if (is_idle(root, index)) {
			sysfs_write_at(root, index, "queue/io_timeout", text);
			break;
		}
		usleep(IDLE_MS * 1000);
	}
	_exit(0);
}

/*
 * A lock or a control socket that such a process kept would prevent another supervisor from taking
 * the device over. It keeps only `end`, the end of a pipe that belongs to nothing else, so that its
 * own end shows there; -1: none.
 */
static void keep_only(int end)
{
	held_close_others(end);
	queue_reader_forget();
}

#define LIMIT_MS 30000 /* for the settings of a device that has just been attached */

struct answer {
	int ret;
	struct err err;
};

/* In a process of its own, which first says its number and then how it went. */
__attribute__((noreturn)) static void tune_apart(const char *root, int index,
						 const struct tune *tune, int end)
{
	struct answer a = {.ret = 0};
	pid_t self = getpid();

	prctl(PR_SET_NAME, "nbd-tune");
	keep_only(end);
	(void)!write(end, &self, sizeof(self));
	a.ret = tune_device_at(root, index, tune, &a.err);
	(void)!write(end, &a, sizeof(a));
	if (a.ret == 0 && tune->io_timeout_ms)
		set_apart(root, index, tune->io_timeout_ms);
	_exit(0);
}

/* False: the time is over. */
static bool wait_for(int end, unsigned limit_ms)
{
	struct pollfd p = {.fd = end, .events = POLLIN};
	int n;

	do
		n = poll(&p, 1, (int)limit_ms);
	while (n < 0 && errno == EINTR);
	return n != 0;
}

static int await(int end, int index, unsigned limit_ms, struct err *err)
{
	struct answer a;
	pid_t writer;

	if (read(end, &writer, sizeof(writer)) != sizeof(writer))
		return cannot(index, "the queue", -EIO, err);
	if (!wait_for(end, limit_ms)) {
		/* It must not touch the device again: the next server may need other settings. */
		kill(writer, SIGKILL);
		return err_set(err, ERR_RETRY, ETIMEDOUT,
			       "the server does not answer what was read from /dev/nbd%d, so the "
			       "settings of its queue could not be written",
			       index);
	}
	if (read(end, &a, sizeof(a)) != sizeof(a))
		return cannot(index, "the queue", -EIO, err);
	if (a.ret < 0)
		*err = a.err;
	return a.ret;
}

int tune_device_within_at(const char *root, int index, const struct tune *tune, unsigned limit_ms,
			  struct err *err)
{
	_cleanup_fd_ int near = -1;
	int end[2], ret;

	if (pipe2(end, O_CLOEXEC) < 0)
		return cannot(index, "the queue", -errno, err);
	near = end[0];
	ret = fork_apart();
	if (ret > 0)
		tune_apart(root, index, tune, end[1]);
	close(end[1]);
	if (ret < 0)
		return cannot(index, "the queue", ret, err);
	ret = await(near, index, limit_ms, err);
	if (ret == 0 && tune->io_timeout_ms)
		wait_for(near, TUNE_WAIT_MS);
	return ret;
}

void tune_io_timeout_apart_at(const char *root, int index, uint32_t ms)
{
	if (fork_apart() > 0) {
		keep_only(-1);
		set_apart(root, index, ms);
	}
}

void tune_io_timeout_apart(int index, uint32_t ms)
{
	tune_io_timeout_apart_at(sysfs_root(), index, ms);
}

int tune_device(int index, const struct tune *tune, struct err *err)
{
	return tune_device_within_at(sysfs_root(), index, tune, LIMIT_MS, err);
}

bool tune_enlarges(void)
{
	return !sysfs_kernel_since(6, 12);
}

#define DRIVER_IO_TIMEOUT_MS 30000 /* if no timeout was set */

void tune_forget_io_timeout(int index)
{
	set_number(sysfs_root(), index, "queue/io_timeout", DRIVER_IO_TIMEOUT_MS, NULL);
}

void tune_undo(int index)
{
	if (tune_enlarges())
		tune_undo_at(sysfs_root(), index);
}

bool tune_leftovers(int index, uint16_t flags)
{
	/* 5.10 keeps nothing of it, and 6.1 is the first where removing devices has been tried. */
	return sysfs_kernel_since(6, 1) &&
	       (refuse_leftovers(sysfs_root(), index, flags, NULL) < 0 ||
		lost_discard(sysfs_root(), index, flags) > 0);
}
