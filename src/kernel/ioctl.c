/* SPDX-License-Identifier: MIT */
#include "kernel/ioctl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nbd.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include "base/cleanup.h"
#include "kernel/device.h"
#include "kernel/explain.h"
#include "kernel/sysfs.h"

#define UP_POLL_US 1000 /* sysfs cannot be waited on: look every millisecond */

enum phase {
	PHASE_SETUP,   /* the thread configures the device */
	PHASE_SERVING, /* it is in NBD_DO_IT, or about to be */
	PHASE_OVER,    /* it has closed the device: join it */
};

struct ioctl_kernel {
	struct kernel base; /* first */
	int event_fd;	    /* counts devices that ended without being asked to */
	bool running;	    /* there is a thread to join */
	pthread_t thread;
	int index;			  /* of the device, while running */
	const struct kernel_attach *want; /* for the thread, in PHASE_SETUP */

	pthread_mutex_t lock; /* for the rest */
	enum phase phase;
	int fd;	    /* the device; -1 once the thread closes it */
	int error;  /* 0 or -errno, valid in PHASE_OVER */
	bool asked; /* a detach is under way: the end is expected */
};

static struct ioctl_kernel *ioctl_of(const struct kernel *k)
{
	return (struct ioctl_kernel *)(uintptr_t)k;
}

static void set_phase(struct ioctl_kernel *k, enum phase phase, int error)
{
	pthread_mutex_lock(&k->lock);
	k->phase = phase;
	k->error = error;
	pthread_mutex_unlock(&k->lock);
}

static enum phase get_phase(struct ioctl_kernel *k, int *ret_error)
{
	enum phase phase;

	pthread_mutex_lock(&k->lock);
	phase = k->phase;
	*ret_error = k->error;
	pthread_mutex_unlock(&k->lock);
	return phase;
}

/*
 * SET_SOCK comes first: it fails with EBUSY when another process has begun to set the device up,
 * and until it succeeds nothing of the device's may be touched. All must come from the thread that
 * calls NBD_DO_IT: the kernel compares the task.
 */
static int set_up(int fd, const struct kernel_attach *a, bool *ret_ours)
{
	for (size_t i = 0; i < a->n_fds; i++) {
		if (ioctl(fd, NBD_SET_SOCK, (unsigned long)a->fds[i]) < 0)
			return -errno;
		*ret_ours = true;
	}
	if (ioctl(fd, NBD_SET_BLKSIZE, (unsigned long)a->block_size) < 0 ||
	    ioctl(fd, NBD_SET_SIZE_BLOCKS, (unsigned long)(a->size / a->block_size)) < 0 ||
	    ioctl(fd, NBD_SET_FLAGS, (unsigned long)a->server_flags) < 0 ||
	    ioctl(fd, NBD_SET_TIMEOUT, (unsigned long)a->timeout) < 0)
		return -errno;
	return 0;
}

static void *serve(void *arg)
{
	struct ioctl_kernel *k = arg;
	bool ours = false, asked;
	int fd = k->fd;
	int ret = set_up(fd, k->want, &ours);
	uint64_t one = 1;

	if (ret == 0) {
		set_phase(k, PHASE_SERVING, 0);
		if (ioctl(fd, NBD_DO_IT) < 0)
			ret = -errno;
	}
	if (ours)
		ioctl(fd, NBD_CLEAR_SOCK);
	pthread_mutex_lock(&k->lock);
	k->fd = -1;
	asked = k->asked;
	pthread_mutex_unlock(&k->lock);
	close(fd); /* the last close frees the device */
	set_phase(k, PHASE_OVER, ret);
	if (!asked)
		(void)!write(k->event_fd, &one, sizeof(one));
	return NULL;
}

static void join(struct ioctl_kernel *k)
{
	uint64_t count;

	pthread_join(k->thread, NULL);
	k->running = false;
	(void)!read(k->event_fd, &count, sizeof(count));
}

static int start_thread(struct ioctl_kernel *k)
{
	sigset_t all, old;
	int ret;

	/* A signal would end NBD_DO_IT, and with it the device. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&k->thread, NULL, serve, k);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	k->running = ret == 0;
	return -ret;
}

/* Waits until the device is up as wanted, or the thread has given up. */
static int wait_until_up(struct ioctl_kernel *k, const struct kernel_attach *a)
{
	struct sysfs_device d;
	int error;

	for (;;) {
		if (get_phase(k, &error) == PHASE_OVER)
			return error ? error : -EPIPE;
		if (sysfs_device(k->index, &d) == 0 && d.size == (a->size & ~UINT64_C(511)))
			return 0;
		usleep(UP_POLL_US);
	}
}

/* One device. -EBUSY, -ENOENT (no such device), other -errno of the kernel's. */
static int attach_one(struct ioctl_kernel *k, const struct kernel_attach *a)
{
	int ret;

	/*
	 * While another process has it open, an ended device keeps its old sockets, and new ones
	 * would be added to them, so this does not touch the device until it is free. (A netlink
	 * device refuses with EINVAL.)
	 */
	if (!sysfs_device_free(a->index))
		return -EBUSY;
	/* Open for writing it could not be mounted where CONFIG_BLK_DEV_WRITE_MOUNTED is off. */
	k->fd = open(device_node(a->index).text, O_RDONLY | O_CLOEXEC);
	if (k->fd < 0)
		return errno == ENXIO ? -ENOENT : -errno;
	k->index = a->index;
	k->want = a;
	k->asked = false;
	k->phase = PHASE_SETUP;
	ret = start_thread(k);
	if (ret < 0) {
		close(TAKE_FD(k->fd));
		return ret;
	}
	ret = wait_until_up(k, a);
	if (ret < 0)
		join(k);
	return ret;
}

static int ioctl_attach(struct kernel *kernel, const struct kernel_attach *a, struct err *err)
{
	struct ioctl_kernel *k = ioctl_of(kernel);
	int ret = attach_check(a, err);

	if (ret < 0)
		return ret;
	if (k->running)
		join(k); /* its last device has ended: kernel.h allows one at a time */
	ret = attach_one(k, a);
	if (ret == -ENOENT)
		err_set(
		    err, ERR_USAGE, ENOENT,
		    "there is no /dev/nbd%d: load nbd with a larger nbds_max, or choose another",
		    a->index);
	else if (ret == -EPIPE)
		err_set(err, ERR_RETRY, EPIPE, "the server closed the connection at once");
	else if (ret < 0)
		attach_explain(a, ret, err);
	return ret;
}

/* DISCONNECT tells the server; CLEAR_SOCK does not wait for the server to close. */
static int disconnect(int fd)
{
	if (ioctl(fd, NBD_DISCONNECT) < 0 || ioctl(fd, NBD_CLEAR_SOCK) < 0)
		return -errno;
	return 0;
}

static int detach_other(int index, struct err *err)
{
	_cleanup_fd_ int fd = -1;
	int ret;

	if (!sysfs_attached(index))
		return 0;
	fd = open(device_node(index).text, O_RDONLY | O_CLOEXEC);
	ret = fd < 0 ? -errno : disconnect(fd);
	return ret < 0 ? detach_explain(index, ret, err) : 0;
}

/* After a detach that failed: from now on an end is unexpected again, unless it came meanwhile. */
static bool still_serves(struct ioctl_kernel *k)
{
	bool serves;

	pthread_mutex_lock(&k->lock);
	serves = k->fd >= 0;
	k->asked = !serves;
	pthread_mutex_unlock(&k->lock);
	return serves;
}

static int ioctl_detach(struct kernel *kernel, int index, struct err *err)
{
	struct ioctl_kernel *k = ioctl_of(kernel);
	_cleanup_fd_ int fd = -1;
	int ret = 0;

	if (!k->running || k->index != index)
		return detach_other(index, err);
	pthread_mutex_lock(&k->lock);
	k->asked = true;
	if (k->fd >= 0) {
		fd = fcntl(k->fd, F_DUPFD_CLOEXEC, 3);
		ret = fd < 0 ? -errno : 0;
	}
	pthread_mutex_unlock(&k->lock);
	if (fd >= 0)
		ret = disconnect(fd);
	if (ret < 0 && still_serves(k))
		return detach_explain(index, ret, err);
	close_fdp(&fd);
	fd = -1;
	join(k);
	return 0;
}

static int ioctl_change(struct kernel *k, const struct kernel_change *c, struct err *err)
{
	(void)k;
	return err_set(err, ERR_SYSTEM, ENOTSUP,
		       "/dev/nbd%d was attached through ioctl, which cannot replace a connection",
		       c->index);
}

static int ioctl_event_fd(const struct kernel *k)
{
	return ioctl_of(k)->event_fd;
}

static enum kernel_event ioctl_next_event(struct kernel *k, int index)
{
	uint64_t count;

	(void)index; /* there is but one device */
	if (read(ioctl_of(k)->event_fd, &count, sizeof(count)) == sizeof(count))
		return KERNEL_EVENT_ENDED;
	return KERNEL_EVENT_NONE;
}

static void ioctl_free(struct kernel *kernel)
{
	struct ioctl_kernel *k = ioctl_of(kernel);

	if (k->running)
		ioctl_detach(kernel, k->index, NULL);
	/* A thread that could not be stopped still uses the struct: leave both to the exit. */
	if (k->running)
		return;
	close(k->event_fd);
	pthread_mutex_destroy(&k->lock);
	free(k);
}

static const struct kernel_ops ioctl_ops = {
    .fixed = true,
    .name = "ioctl",
    .attach = ioctl_attach,
    .change = ioctl_change,
    .detach = ioctl_detach,
    .event_fd = ioctl_event_fd,
    .next_event = ioctl_next_event,
    .free = ioctl_free,
};

int ioctl_new(struct kernel **ret_kernel, struct err *err)
{
	struct ioctl_kernel *k = calloc(1, sizeof(*k));

	if (!k)
		return err_errno(err, ERR_SYSTEM, ENOMEM, "cannot prepare the ioctl interface");
	*k = (struct ioctl_kernel){.base.ops = &ioctl_ops, .fd = -1};
	k->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (k->event_fd < 0) {
		int error = errno;

		free(k);
		return err_errno(err, ERR_SYSTEM, error, "cannot prepare the ioctl interface");
	}
	pthread_mutex_init(&k->lock, NULL);
	*ret_kernel = &k->base;
	return 0;
}
