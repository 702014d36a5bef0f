/* SPDX-License-Identifier: MIT */
/* Long: the simulated kernel is a third of it, and has no other user. */
/* kernel/ioctl.c with a simulated driver behind ioctl(2), and a tree of files instead of sysfs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/nbd.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/ioctl.h"
#include "kernel/root.h"
#include "tree-fixture.h"

static char root[64];

/* The driver. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct {
	char said[512];	       /* the requests it got, in order */
	unsigned long refuses; /* this request ... */
	int with;	       /* ... with this errno */
	int open_error;
	bool ends_at_once, serving, over;
} driver;

const char *sysfs_root(void)
{
	return root;
}

static void attribute(const char *name, const char *value)
{
	char path[192];

	if (value) {
		snprintf(path, sizeof(path), "block/nbd3/%s", name);
		tree_put(root, path, value);
	} else {
		snprintf(path, sizeof(path), "%s/block/nbd3/%s", root, name);
		unlink(path);
	}
}

static void note(const char *word, unsigned long number)
{
	size_t len = strlen(driver.said);

	snprintf(driver.said + len, sizeof(driver.said) - len, "%s%s=%lu", len ? " " : "", word,
		 number);
}

static void serve(void)
{
	driver.over = driver.ends_at_once;
	driver.serving = !driver.over;
	if (driver.serving) {
		attribute("size", "2048\n");
		attribute("pid", "1\n");
	}
	while (!driver.over)
		pthread_cond_wait(&changed, &lock);
	driver.serving = false;
	attribute("pid", NULL);
	attribute("size", "0\n");
}

static void end(void)
{
	driver.over = true;
	pthread_cond_broadcast(&changed);
}

static int obey(unsigned long request, unsigned long number)
{
	static const struct {
		unsigned long request;
		const char *word;
	} words[] = {
	    {NBD_SET_SOCK, "sock"},	     {NBD_SET_BLKSIZE, "block"},
	    {NBD_SET_SIZE_BLOCKS, "blocks"}, {NBD_SET_FLAGS, "flags"},
	    {NBD_SET_TIMEOUT, "timeout"},    {NBD_DO_IT, "serve"},
	    {NBD_DISCONNECT, "disconnect"},  {NBD_CLEAR_SOCK, "clear"},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i].request == request)
			note(words[i].word, number);
	if (request == driver.refuses) {
		errno = driver.with;
		return -1;
	}
	if (request == NBD_DO_IT)
		serve();
	if (request == NBD_CLEAR_SOCK)
		end();
	return 0;
}

/* Replaces libc's function. */
int ioctl(int fd, unsigned long request, ...)
{
	unsigned long number;
	va_list ap;
	int ret;

	(void)fd;
	va_start(ap, request);
	number = _IOC_TYPE(request) == 0xab && _IOC_NR(request) != 3 && _IOC_NR(request) != 4 &&
			 _IOC_NR(request) != 8
		     ? va_arg(ap, unsigned long)
		     : 0;
	va_end(ap);
	pthread_mutex_lock(&lock);
	ret = obey(request, number);
	pthread_mutex_unlock(&lock);
	return ret;
}

int open(const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	if (strcmp(path, "/dev/nbd3") != 0)
		return openat(AT_FDCWD, path, flags, mode);
	assert_int_equal(flags & O_ACCMODE, O_RDONLY);
	if (driver.open_error) {
		errno = driver.open_error;
		return -1;
	}
	return openat(AT_FDCWD, "/dev/null", flags);
}

static const int sockets[] = {70, 71};

static struct kernel_attach wanted(void)
{
	return (struct kernel_attach){
	    .index = 3,
	    .fds = sockets,
	    .n_fds = 2,
	    .size = 1 << 20,
	    .block_size = 4096,
	    .server_flags = NBD_TX_HAS_FLAGS | NBD_TX_CAN_MULTI_CONN,
	    .timeout = 7,
	    .identifier = "",
	};
}

static int set_up(void **state)
{
	char path[128];

	memset(&driver, 0, sizeof(driver));
	strcpy(root, "/tmp/test-ioctl-XXXXXX");
	if (!mkdtemp(root))
		return -1;
	for (const char *const *p =
		 (const char *const[]){"/block", "/block/nbd3", "/block/nbd3/queue", NULL};
	     *p; p++) {
		snprintf(path, sizeof(path), "%s%s", root, *p);
		if (mkdir(path, 0700) < 0)
			return -1;
	}
	attribute("size", "0\n");
	attribute("ro", "0\n");
	attribute("queue/logical_block_size", "4096\n");
	return ioctl_new((struct kernel **)state, NULL);
}

static int tear_down(void **state)
{
	driver.refuses = 0;
	kernel_free(*state);
	return tree_remove(root);
}

static bool told(struct kernel *k)
{
	struct pollfd p = {.fd = kernel_event_fd(k), .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static void said(const char *words)
{
	assert_string_equal(driver.said, words);
	driver.said[0] = '\0';
}

#define UP "sock=70 sock=71 block=4096 blocks=256 flags=257 timeout=7 serve=0"

static void attach(struct kernel *k)
{
	struct kernel_attach a = wanted();
	struct err err = {0};

	assert_int_equal(kernel_attach(k, &a, &err), 0);
	said(UP);
}

static void it_is_set_up_and_detached(void **state)
{
	struct kernel *k = *state;
	struct err err = {0};

	assert_false(kernel_can_change(k));
	attach(k);
	assert_int_equal(kernel_detach(k, 3, &err), 0);
	/* CLEAR_SOCK once for the detach, and once from the thread that served. */
	said("disconnect=0 clear=0 clear=0");
	assert_false(told(k));
	assert_int_equal(kernel_next_event(k, 3), KERNEL_EVENT_NONE);
	attach(k);
}

static void its_end_is_an_event(void **state)
{
	struct kernel *k = *state;
	struct pollfd p = {.fd = kernel_event_fd(k), .events = POLLIN};

	attach(k);
	assert_false(told(k));
	pthread_mutex_lock(&lock);
	end();
	pthread_mutex_unlock(&lock);
	assert_int_equal(poll(&p, 1, 10000), 1);
	assert_int_equal(kernel_next_event(k, 3), KERNEL_EVENT_ENDED);
	assert_int_equal(kernel_next_event(k, 3), KERNEL_EVENT_NONE);
	said("clear=0");
	attach(k);
}

/* An event that was not fetched belongs to the last device, not to the next one. */
static void an_old_end_is_not_the_next_devices(void **state)
{
	struct kernel *k = *state;
	struct pollfd p = {.fd = kernel_event_fd(k), .events = POLLIN};

	attach(k);
	pthread_mutex_lock(&lock);
	end();
	pthread_mutex_unlock(&lock);
	assert_int_equal(poll(&p, 1, 10000), 1);
	said("clear=0");
	attach(k);
	assert_int_equal(kernel_next_event(k, 3), KERNEL_EVENT_NONE);
}

static int fails(struct kernel *k, unsigned long request, int error, struct err *err)
{
	struct kernel_attach a = wanted();

	driver.refuses = request;
	driver.with = error;
	return kernel_attach(k, &a, err);
}

/* Another program is setting the device up: its sockets must not be cleared. */
static void a_foreign_device_is_left_alone(void **state)
{
	struct err err = {0};

	assert_int_equal(fails(*state, NBD_SET_SOCK, EBUSY, &err), -EBUSY);
	assert_int_equal(err.kind, ERR_BUSY);
	said("sock=70");
	attribute("pid", "1\n");
	driver.refuses = 0;
	assert_int_equal(fails(*state, 0, 0, &err), -EBUSY);
	said("");
}

static void a_setting_that_is_refused_frees_the_device(void **state)
{
	static const struct {
		unsigned long request;
		const char *said;
	} cases[] = {
	    {NBD_SET_BLKSIZE, "sock=70 sock=71 block=4096 clear=0"},
	    {NBD_SET_SIZE_BLOCKS, "sock=70 sock=71 block=4096 blocks=256 clear=0"},
	    {NBD_SET_FLAGS, "sock=70 sock=71 block=4096 blocks=256 flags=257 clear=0"},
	    {NBD_SET_TIMEOUT, "sock=70 sock=71 block=4096 blocks=256 flags=257 timeout=7 clear=0"},
	    {NBD_DO_IT, UP " clear=0"},
	};
	struct err err = {0};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(fails(*state, cases[i].request, EINVAL, &err), -EINVAL);
		assert_int_equal(err.kind, ERR_SYSTEM);
		said(cases[i].said);
	}
	driver.refuses = 0;
	attach(*state);
}

static void a_server_that_closes_at_once_is_worth_a_retry(void **state)
{
	struct kernel_attach a = wanted();
	struct err err = {0};

	driver.ends_at_once = true;
	assert_int_equal(kernel_attach(*state, &a, &err), -EPIPE);
	assert_int_equal(err.kind, ERR_RETRY);
}

static void a_node_that_cannot_be_opened(void **state)
{
	struct kernel_attach a = wanted();
	struct err err = {0};

	driver.open_error = ENXIO;
	assert_int_equal(kernel_attach(*state, &a, &err), -ENOENT);
	assert_int_equal(err.kind, ERR_USAGE);
	driver.open_error = EACCES;
	assert_int_equal(kernel_attach(*state, &a, &err), -EACCES);
	assert_int_equal(err.kind, ERR_SYSTEM);
	said("");
}

static void what_cannot_be_is_not_tried(void **state)
{
	struct kernel_attach a = wanted();
	struct err err = {0};

	a.block_size = 100;
	assert_int_equal(kernel_attach(*state, &a, &err), -EINVAL);
	said("");
}

static void another_device_is_detached(void **state)
{
	struct err err = {0};

	assert_int_equal(kernel_detach(*state, 3, &err), 0);
	said("");
	attribute("pid", "1\n");
	assert_int_equal(kernel_detach(*state, 3, &err), 0);
	said("disconnect=0 clear=0");
	driver.refuses = NBD_DISCONNECT;
	driver.with = EPERM;
	assert_int_equal(kernel_detach(*state, 3, &err), -EPERM);
	said("disconnect=0");
	driver.open_error = ENXIO;
	assert_int_equal(kernel_detach(*state, 3, &err), -ENXIO);
}

/* The device is still attached, and the next attempt succeeds. */
static void a_detach_that_is_refused_can_be_tried_again(void **state)
{
	struct err err = {0};

	attach(*state);
	driver.refuses = NBD_DISCONNECT;
	driver.with = EIO;
	assert_int_equal(kernel_detach(*state, 3, &err), -EIO);
	assert_int_equal(err.kind, ERR_FAILED);
	assert_true(driver.serving);
	driver.refuses = 0;
	driver.said[0] = '\0';
	assert_int_equal(kernel_detach(*state, 3, &err), 0);
	said("disconnect=0 clear=0 clear=0");
}

/* After a detach without success, the end of the device is still reported. */
static void the_end_after_a_refused_detach_is_an_event(void **state)
{
	struct pollfd p = {.fd = kernel_event_fd(*state), .events = POLLIN};
	struct err err = {0};

	attach(*state);
	driver.refuses = NBD_DISCONNECT;
	driver.with = EIO;
	assert_int_equal(kernel_detach(*state, 3, &err), -EIO);
	driver.refuses = 0;
	pthread_mutex_lock(&lock);
	end();
	pthread_mutex_unlock(&lock);
	assert_int_equal(poll(&p, 1, 10000), 1);
	assert_int_equal(kernel_next_event(*state, 3), KERNEL_EVENT_ENDED);
}

static void nothing_can_be_changed(void **state)
{
	struct kernel_change c = {.index = 3, .fd = 70};
	struct err err = {0};

	assert_int_equal(kernel_change(*state, &c, &err), -ENOTSUP);
	said("");
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    test(it_is_set_up_and_detached),
	    test(its_end_is_an_event),
	    test(an_old_end_is_not_the_next_devices),
	    test(a_foreign_device_is_left_alone),
	    test(a_setting_that_is_refused_frees_the_device),
	    test(a_server_that_closes_at_once_is_worth_a_retry),
	    test(a_node_that_cannot_be_opened),
	    test(what_cannot_be_is_not_tried),
	    test(another_device_is_detached),
	    test(a_detach_that_is_refused_can_be_tried_again),
	    test(the_end_after_a_refused_detach_is_an_event),
	    test(nothing_can_be_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
