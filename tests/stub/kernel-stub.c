/* SPDX-License-Identifier: MIT */
/*
 * Replaces the kernel in build/stub/nbd-attach: every function here replaces one of the program
 * (with the linker's --wrap) and uses the driver, a process of the test, instead of nbd.ko.
 * Everything else is the program as it is shipped.
 */
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/capability.h"
#include "kernel/explain.h"
#include "kernel/kernel.h"
#include "kernel/netlink.h"
#include "kernel/sysfs.h"
#include "supervise/watch/diag.h"

struct stub {
	struct kernel base; /* first */
	int commands, events;
};

static const struct stub *stub_of(const struct kernel *k)
{
	return (const struct stub *)k;
}

static int stub_attach(struct kernel *k, const struct kernel_attach *a, struct err *err)
{
	struct stub_request r = {
	    .op = STUB_ATTACH,
	    .index = a->index,
	    .size = a->size,
	    .block_size = a->block_size,
	    .flags = a->server_flags,
	    .timeout = a->timeout,
	    .dead_timeout = a->dead_timeout,
	    .has_identifier = a->identifier != NULL,
	    .ioctl = strcmp(k->ops->name, "ioctl") == 0,
	};
	int ret = attach_check(a, err);

	if (ret < 0)
		return ret;
	ret = stub_ask(stub_of(k)->commands, &r, a->identifier,
		       a->identifier ? strlen(a->identifier) : 0, a->fds, a->n_fds);
	return ret < 0 ? attach_explain(a, ret, err) : 0;
}

static int stub_change(struct kernel *k, const struct kernel_change *c, struct err *err)
{
	struct stub_request r = {
	    .op = STUB_CHANGE,
	    .index = c->index,
	    .size = c->size,
	    .timeout = c->timeout,
	    .dead_timeout = c->dead_timeout,
	    .set_timeout = c->set_timeout,
	    .set_dead_timeout = c->set_dead_timeout,
	    .has_identifier = c->identifier != NULL,
	};
	int ret = stub_ask(stub_of(k)->commands, &r, c->identifier,
			   c->identifier ? strlen(c->identifier) : 0, &c->fd, c->fd >= 0);

	return change_explain(c, ret, err);
}

static int stub_detach(struct kernel *k, int index, struct err *err)
{
	struct stub_request r = {.op = STUB_DETACH, .index = index};
	int ret = stub_ask(stub_of(k)->commands, &r, NULL, 0, NULL, 0);

	if (ret == 0 || (ret == -EINVAL && !sysfs_attached(index)))
		return 0;
	return detach_explain(index, ret, err);
}

static int stub_event_fd(const struct kernel *k)
{
	return stub_of(k)->events;
}

static enum kernel_event stub_next_event(struct kernel *k, int index)
{
	struct stub_event e;
	ssize_t n;

	while ((n = recv(stub_of(k)->events, &e, sizeof(e), MSG_DONTWAIT)) == sizeof(e)) {
		if (e.index < 0)
			return KERNEL_EVENT_OVERFLOW;
		if (e.index == index)
			return KERNEL_EVENT_LINK_DEAD;
	}
	/* A kernel does not disappear. The test has ended, and its supervisor ends with it. */
	if (n == 0)
		_exit(EXIT_FAILURE);
	return KERNEL_EVENT_NONE;
}

static void stub_free(struct kernel *k)
{
	close(stub_of(k)->commands);
	close(stub_of(k)->events);
	free(k);
}

static const struct kernel_ops netlink_ops = {
    .name = "netlink",
    .attach = stub_attach,
    .change = stub_change,
    .detach = stub_detach,
    .event_fd = stub_event_fd,
    .next_event = stub_next_event,
    .free = stub_free,
};

static int ioctl_change(struct kernel *k, const struct kernel_change *c, struct err *err)
{
	(void)k;
	return err_set(err, ERR_SYSTEM, ENOTSUP, "/dev/nbd%d was attached through ioctl", c->index);
}

/* The device ends with its connection. */
static enum kernel_event ioctl_next_event(struct kernel *k, int index)
{
	return stub_next_event(k, index) == KERNEL_EVENT_NONE ? KERNEL_EVENT_NONE
							      : KERNEL_EVENT_ENDED;
}

static const struct kernel_ops ioctl_ops = {
    .name = "ioctl",
    .fixed = true,
    .attach = stub_attach,
    .change = ioctl_change,
    .detach = stub_detach,
    .event_fd = stub_event_fd,
    .next_event = ioctl_next_event,
    .free = stub_free,
};

static int stub_new(const struct kernel_ops *ops, struct kernel **ret_kernel, struct err *err)
{
	const struct stub_request events = {.op = STUB_EVENTS};
	struct stub *k = calloc(1, sizeof(*k));

	if (!k)
		return err_set(err, ERR_SYSTEM, ENOMEM, "out of memory");
	k->base.ops = ops;
	k->commands = stub_connect();
	k->events = stub_connect();
	if (k->commands < 0 || k->events < 0 ||
	    stub_ask(k->events, &events, NULL, 0, NULL, 0) < 0) {
		stub_free(&k->base);
		return err_set(err, ERR_SYSTEM, EIO, "no driver of the test is there");
	}
	*ret_kernel = &k->base;
	return 0;
}

int __wrap_netlink_new(struct kernel **ret_kernel, bool *ret_missing, struct err *err);
int __wrap_netlink_new(struct kernel **ret_kernel, bool *ret_missing, struct err *err)
{
	if (stub_wanted("no-netlink")) {
		*ret_missing = true;
		return netlink_is_missing(err);
	}
	return stub_new(&netlink_ops, ret_kernel, err);
}

int __wrap_ioctl_new(struct kernel **ret_kernel, struct err *err);
int __wrap_ioctl_new(struct kernel **ret_kernel, struct err *err)
{
	return stub_new(&ioctl_ops, ret_kernel, err);
}

int __wrap_kernel_check(struct err *err);
int __wrap_kernel_check(struct err *err)
{
	(void)err;
	return 0;
}

/* Each read returns one record, as from /dev/kmsg. Earlier records are not returned. */
int __wrap_kmsg_open(void);
int __wrap_kmsg_open(void)
{
	const struct stub_request r = {.op = STUB_LOG};
	int fd = stub_wanted("no-kmsg") ? -1 : stub_connect();

	if (fd >= 0 && stub_ask(fd, &r, NULL, 0, NULL, 0) == 0 &&
	    fcntl(fd, F_SETFL, O_NONBLOCK) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

const char *__wrap_sysfs_root(void);
const char *__wrap_sysfs_root(void)
{
	static struct stub_path path;

	path = stub_path("sys");
	return path.text;
}

const char *__wrap_udev_root(void);
const char *__wrap_udev_root(void)
{
	static struct stub_path path;

	path = stub_path("udev");
	return path.text;
}

/* The driver imitates 6.12, unless the file `release` names another version. */
bool __wrap_sysfs_kernel_since(unsigned major, unsigned minor);
bool __wrap_sysfs_kernel_since(unsigned major, unsigned minor)
{
	unsigned its_major = 6, its_minor = 12;
	FILE *f = fopen(stub_path("release").text, "re");

	if (f && fscanf(f, "%u.%u", &its_major, &its_minor) != 2)
		its_major = 0;
	if (f)
		fclose(f);
	return its_major > major || (its_major == major && its_minor >= minor);
}

/* No device of this machine is touched. */
void __wrap_device_make_node(int index);
void __wrap_device_make_node(int index)
{
	FILE *f = fopen(stub_path("nodes").text, "ae");

	if (!f)
		return;
	fprintf(f, "nbd%d\n", index);
	fclose(f);
}

/* Messages for syslog go to the test's log. */
void __wrap_background_detach(void);
void __wrap_background_detach(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int log = open(stub_path("log").text, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

	(void)!chdir("/");
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(log < 0 ? null : log, STDERR_FILENO);
	close(null);
	if (log >= 0)
		close(log);
	/* As after the change from an initramfs to the real root: no path leads anywhere. */
	if (stub_wanted("empty-root") && chroot(stub_path("empty-root").text) < 0)
		_exit(EXIT_FAILURE);
}

/*
 * A file `tcp-silent` holds the ms since the servers' hosts last acknowledged anything.
 */
int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	int ret = __real_getsockopt(fd, level, name, value, len);
	struct tcp_info *info = value;
	unsigned ms;
	FILE *f;

	if (ret < 0 || level != IPPROTO_TCP || name != TCP_INFO || !stub_wanted("tcp-silent"))
		return ret;
	f = fopen(stub_path("tcp-silent").text, "re");
	if (f && fscanf(f, "%u", &ms) == 1) {
		info->tcpi_last_ack_recv = info->tcpi_last_data_recv = ms;
		info->tcpi_probes = 3;
		info->tcpi_retransmits = info->tcpi_backoff = 10;
		info->tcpi_rto = 1000 * ms;
	}
	if (f)
		fclose(f);
	return ret;
}

/*
 * With a file `no-destroy` this process may not end connections of which it has no descriptor, as
 * in a sandbox without CAP_NET_ADMIN.
 */
bool __real_diag_destroy(const struct diag_socket *s);
bool __wrap_diag_destroy(const struct diag_socket *s);
bool __wrap_diag_destroy(const struct diag_socket *s)
{
	return !stub_wanted("no-destroy") && __real_diag_destroy(s);
}

/*
 * Device nodes: the claim opens and flushes a node in another process.
 */

#define OPENED_MAX 8
static int opened[OPENED_MAX], n_opened;

static int open_device(int index, int flags)
{
	const struct stub_request r = {
	    .op = STUB_OPEN,
	    .index = index,
	    .exclusive = (flags & O_EXCL) != 0,
	    .writes = (flags & O_ACCMODE) != O_RDONLY,
	};
	int fd, ret;

	if (stub_wanted("no-node")) {
		errno = ENOENT;
		return -1;
	}
	fd = stub_connect();
	ret = fd < 0 ? fd : stub_ask(fd, &r, NULL, 0, NULL, 0);
	if (ret < 0) {
		if (fd >= 0)
			close(fd);
		errno = -ret;
		return -1;
	}
	if (n_opened < OPENED_MAX)
		opened[n_opened++] = fd;
	return fd;
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
	int index, end = 0, mode;
	va_list ap;

	if (sscanf(path, "/dev/nbd%d%n", &index, &end) == 1 && end && !path[end])
		return open_device(index, flags);
	va_start(ap, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, int) : 0;
	va_end(ap);
	return __real_open(path, flags, mode);
}

/* A fortified build calls this for an open(2) with variable flags. */
int __wrap___open_2(const char *path, int flags);
int __wrap___open_2(const char *path, int flags)
{
	return __wrap_open(path, flags, 0);
}

/* With a file `unwritten` the page cache has data that waits for the server. */
int __real_sync_file_range(int fd, off64_t offset, off64_t n, unsigned flags);
int __wrap_sync_file_range(int fd, off64_t offset, off64_t n, unsigned flags);
int __wrap_sync_file_range(int fd, off64_t offset, off64_t n, unsigned flags)
{
	for (int i = 0; i < n_opened; i++) {
		if (opened[i] != fd)
			continue;
		while (stub_wanted("unwritten"))
			usleep(10000);
		return 0;
	}
	return __real_sync_file_range(fd, offset, n, flags);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	const struct stub_request r = {.op = STUB_FLUSH};
	int ret;

	for (int i = 0; i < n_opened; i++) {
		if (opened[i] != fd)
			continue;
		ret = stub_ask(fd, &r, NULL, 0, NULL, 0);
		errno = -ret;
		return ret < 0 ? -1 : 0;
	}
	return __real_fsync(fd);
}
