/* SPDX-License-Identifier: MIT */
#include "kernel/kmsg.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/loop.h"

/* Documentation/admin-guide/devices.txt */
#define MEM_MAJOR  1
#define KMSG_MINOR 11

/* The driver prints ten lines about timeouts in five seconds (DEFAULT_RATELIMIT_INTERVAL). */
#define TIMEOUT_COUNTS_MS 10000

#define RECORD_MAX 8192 /* CONSOLE_EXT_LOG_MAX of printk: a longer read never happens */

/* A service that may not open it can be given it as its standard input. */
static int inherited(void)
{
	struct stat st;

	if (fstat(STDIN_FILENO, &st) < 0 || !S_ISCHR(st.st_mode) ||
	    st.st_rdev != makedev(MEM_MAJOR, KMSG_MINOR))
		return -1;
	if (fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK) < 0)
		return -1;
	return fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
}

int kmsg_open(void)
{
	_cleanup_fd_ int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		fd = inherited();

	if (fd < 0 || lseek(fd, 0, SEEK_END) < 0)
		return -1;
	return TAKE_FD(fd);
}

struct kmsg {
	pthread_mutex_t mutex; /* for all of the rest */
	int fd, index;
	bool reconnected; /* since that was asked for */
	bool wrong_reply; /* the driver has ended the connection in use because of it */
	bool gap;	  /* records were overwritten since kmsg_reconnected() */
	bool missed;	  /* the same, while that connection was in use */
	uint64_t timeout; /* monotonic ms: the latest line about one was read; 0: none */
	struct kmsg_errors errors;
};

struct kmsg *kmsg_new(int fd, int index)
{
	struct kmsg *k = fd < 0 ? NULL : calloc(1, sizeof(*k));

	if (!k) {
		close_fdp(&fd);
		return NULL;
	}
	*k = (struct kmsg){.mutex = PTHREAD_MUTEX_INITIALIZER, .fd = fd, .index = index};
	return k;
}

void kmsg_free(struct kmsg *k)
{
	if (!k)
		return;
	close(k->fd);
	free(k);
}

int kmsg_fd(const struct kmsg *k)
{
	return k->fd;
}

/*
 * Documentation/ABI/testing/dev-kmsg: `PRIORITY,SEQUENCE,TIME,FLAGS[,...];TEXT`. Lines that other
 * programs write there have a facility, so that their priority is 8 or more. The driver's have
 * "block nbd0: " before them, by dev_info() and dev_err() of the gendisk. NULL: another record.
 */
static const char *words_of_any(const char *record, int *ret_index)
{
	const char *text = strchr(record, ';');
	int end = 0;

	if (!text || record[0] < '0' || record[0] > '7' || record[1] != ',')
		return NULL;
	if (sscanf(text + 1, "block nbd%d: %n", ret_index, &end) != 1 || !end)
		return NULL;
	return text + 1 + end;
}

static const char *words_of(const char *record, int index)
{
	int found;
	const char *words = words_of_any(record, &found);

	return words && found == index ? words : NULL;
}

static bool begins(const char *words, const char *with)
{
	return words && strncmp(words, with, strlen(with)) == 0;
}

bool kmsg_is_reconnect(const char *record, int index)
{
	return begins(words_of(record, index), "reconnected socket");
}

/* The driver prints the number with %d. */
bool kmsg_is_error(const char *record, int index, unsigned *ret_error)
{
	const char *words = words_of(record, index);
	int error, end = 0;

	if (!words || sscanf(words, "Other side returned error (%d)%n", &error, &end) != 1 || !end)
		return false;
	*ret_error = (unsigned)error;
	return true;
}

/* Those of nbd_handle_reply() and its forerunner; each is followed by the end of the connection. */
bool kmsg_is_wrong_reply(const char *record, int index)
{
	static const char *const reasons[] = {
	    "Wrong magic",  "Unexpected reply",	       "Suspicious reply",
	    "Double reply", "Command already handled", "Raced with timeout",
	};
	const char *words = words_of(record, index);

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (begins(words, reasons[i]))
			return true;
	return false;
}

/* Those of nbd_xmit_timeout() that come before the end of a connection. */
bool kmsg_is_timeout(const char *record)
{
	int index;

	return begins(words_of_any(record, &index), "Connection timed out");
}

static void note(struct kmsg *k, const char *record)
{
	unsigned error;

	if (kmsg_is_reconnect(record, k->index)) {
		k->reconnected = true;
		k->wrong_reply = k->missed = false;
	} else if (kmsg_is_wrong_reply(record, k->index)) {
		k->wrong_reply = true;
	} else if (kmsg_is_timeout(record)) {
		k->timeout = loop_now();
	} else if (kmsg_is_error(record, k->index, &error)) {
		k->errors.count++;
		k->errors.leaving += error == KMSG_LEAVING;
		k->errors.last = error;
	}
}

/*
 * Reads one record, terminated. *missed: records before it were overwritten; otherwise unchanged.
 * Returns 1, 0 (there is none now), or -errno.
 */
static int next_record(int fd, char record[RECORD_MAX], bool *missed)
{
	ssize_t n;

	while ((n = read(fd, record, RECORD_MAX - 1)) < 0) {
		if (errno == EPIPE)
			*missed = true;
		else if (errno != EINTR)
			return errno == EAGAIN ? 0 : -errno;
	}
	record[n] = '\0';
	return n > 0;
}

static void read_all(struct kmsg *k)
{
	char record[RECORD_MAX];
	bool more, missed;

	do {
		missed = false;
		more = next_record(k->fd, record, &missed) > 0;
		if (missed)
			k->missed = k->gap = k->errors.missed = true;
		if (more)
			note(k, record);
	} while (more);
}

bool kmsg_reconnected(struct kmsg *k)
{
	bool gap;

	return kmsg_reconnected_or(k, &gap);
}

bool kmsg_reconnected_or(struct kmsg *k, bool *ret_gap)
{
	bool found;

	*ret_gap = true;
	if (!k)
		return false;
	pthread_mutex_lock(&k->mutex);
	read_all(k);
	found = k->reconnected;
	*ret_gap = k->gap;
	k->reconnected = k->gap = false;
	pthread_mutex_unlock(&k->mutex);
	return found;
}

enum kmsg_cut kmsg_cut(struct kmsg *k)
{
	enum kmsg_cut cut = KMSG_CUT_NO;

	if (!k)
		return KMSG_CUT_UNKNOWN;
	pthread_mutex_lock(&k->mutex);
	read_all(k);
	if (k->wrong_reply)
		cut = KMSG_CUT_WRONG_REPLY;
	else if (k->missed)
		cut = KMSG_CUT_UNKNOWN;
	else if (k->timeout && loop_now() - k->timeout < TIMEOUT_COUNTS_MS)
		cut = KMSG_CUT_TIMEOUT;
	pthread_mutex_unlock(&k->mutex);
	return cut;
}

bool kmsg_errors(struct kmsg *k, struct kmsg_errors *ret_errors)
{
	if (!k)
		return false;
	pthread_mutex_lock(&k->mutex);
	read_all(k);
	*ret_errors = k->errors;
	pthread_mutex_unlock(&k->mutex);
	return true;
}

bool kmsg_names(const char *text, int index)
{
	char name[32];
	size_t len = (size_t)snprintf(name, sizeof(name), "nbd%d", index);

	for (const char *p = strstr(text, name); p; p = strstr(p + 1, name))
		if ((p == text || !isalnum((unsigned char)p[-1])) &&
		    !isdigit((unsigned char)p[len]))
			return true;
	return false;
}

int kmsg_lines(int index, kmsg_line_fn *fn, void *arg)
{
	_cleanup_fd_ int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	char record[RECORD_MAX];
	unsigned long long usec;
	bool missed = false;
	int ret;

	if (fd < 0)
		return -errno;
	while ((ret = next_record(fd, record, &missed)) > 0) {
		char *text = strchr(record, ';');

		if (!text || sscanf(record, "%*u,%*u,%llu", &usec) != 1)
			continue;
		text[1 + strcspn(text + 1, "\n")] = '\0'; /* further lines are its dictionary */
		if (kmsg_names(text + 1, index))
			fn((double)usec / 1e6, text + 1, arg);
	}
	return ret;
}
