/* SPDX-License-Identifier: MIT */
#include "kernel/claim.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/libc.h"
#include "base/process.h"
#include "kernel/device.h"
#include "kernel/openers.h"
#include "kernel/partition-list.h"
#include "kernel/sysfs.h"

#define PARTITIONS_MAX 256 /* DISK_MAX_PARTS of include/linux/blkdev.h */

struct report {
	int open_error; /* 0 or errno */
	int sync_error;
	bool alone; /* nobody else has it open */
};

/*
 * What the process of a claim needs to know; found before fork(), after which nothing may allocate.
 */
struct nodes {
	struct openers openers;
	bool each_counts; /* each open has a reference of its own: see openers.h */
	char disk[24];
	char part[PARTITIONS_MAX][24];
	size_t n;
};

static void find_nodes(int index, struct nodes *ret)
{
	char names[PARTITIONS_MAX * 24], *rest = names, *name;

	openers_init(&ret->openers, index);
	ret->each_counts = sysfs_kernel_since(6, 1);
	snprintf(ret->disk, sizeof(ret->disk), "%s", device_node(index).text);
	ret->n = 0;
	if (partitions_shown(index, names, sizeof(names)) == 0)
		return;
	while ((name = strsep(&rest, ", ")) && ret->n < PARTITIONS_MAX)
		if (name[0])
			snprintf(ret->part[ret->n++], sizeof(ret->part[0]), "/dev/%s", name);
}

void claim_init(struct claim *c)
{
	*c = (struct claim){.fd = -1, .pidfd = -1};
}

/* Only async-signal-safe calls from here on: the caller may have threads. */

/* Waits until all that was written has been sent and answered. 0 or errno. */
static int settle(int fd)
{
	return sync_file_range(fd, 0, 0,
			       SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
				   SYNC_FILE_RANGE_WAIT_AFTER) < 0
		   ? errno
		   : 0;
}

/*
 * The kernel keeps what was written to a partition apart from what was written to the disk, and
 * neither fsync(2) of the disk nor its last close reaches it.
 */
static int settle_partitions(const struct nodes *nodes)
{
	int fd, error = 0;

	for (size_t i = 0; i < nodes->n && !error; i++) {
		fd = open(nodes->part[i], O_RDONLY | O_CLOEXEC);
		if (fd < 0) /* without a node nobody has written here */
			error = errno == ENOENT || errno == ENXIO || errno == ENODEV ? 0 : errno;
		else
			error = settle(fd);
		if (fd >= 0)
			close(fd);
	}
	return error;
}

__attribute__((noreturn)) static void hold(const struct claim *c, const struct nodes *nodes,
					   int flags, int sock, const int gate[2])
{
	struct report report = {0};
	char byte;
	int fd;

	prctl(PR_SET_NAME, c->look ? CLAIM_LOOKS : CLAIM_HOLDS);
	/* Until split() has ended: its message comes first. */
	close(gate[1]);
	while (read(gate[0], &byte, 1) < 0 && errno == EINTR)
		;

	/*
	 * Duplicates of the device's sockets, of locks and of pipes that others read: this process
	 * must not keep any of them.
	 */
	if (sock != STDIN_FILENO && dup2(sock, STDIN_FILENO) < 0)
		_exit(errno);
	sock = STDIN_FILENO;
	closefrom(sock + 1); /* also before 5.9, which has no close_range(2) */
	fd = open(nodes->disk, flags | O_CLOEXEC);
	if (fd < 0)
		report.open_error = errno;
	else if (!c->look)
		flock(fd, LOCK_EX | LOCK_NB); /* a courtesy: nothing depends on it */
	if (fd >= 0 && (c->wait || !c->look))
		report.sync_error = settle_partitions(nodes);
	if (fd >= 0 && c->wait && !report.sync_error)
		report.sync_error = settle(fd);
	if (fd >= 0 && (flags & O_ACCMODE) != O_RDONLY && fsync(fd) < 0)
		report.sync_error = errno;
	/* udev may have held a lock of its own at first. */
	if (fd >= 0 && !c->look)
		flock(fd, LOCK_EX | LOCK_NB);
	/* Without O_EXCL a mount could still come. */
	report.alone = fd >= 0 && flags & O_EXCL && !report.sync_error && nodes->each_counts &&
		       openers_none(&nodes->openers, 1);
	send(sock, &report, sizeof(report), MSG_NOSIGNAL);
	if (c->look)
		_exit(0);
	/*
	 * The end of the stream means that the claim is released, or that the process which made it
	 * has ended.
	 */
	while (recv(sock, &byte, 1, 0) < 0 && errno == EINTR)
		;
	_exit(0);
}

static int send_process(int sock, pid_t pid, int pidfd)
{
	struct iovec iov = {.iov_base = &pid, .iov_len = sizeof(pid)};
	union {
		struct cmsghdr hdr;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.buf,
			     .msg_controllen = sizeof(control.buf)};

	control.hdr.cmsg_level = SOL_SOCKET;
	control.hdr.cmsg_type = SCM_RIGHTS;
	control.hdr.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.hdr), &pidfd, sizeof(pidfd));
	return sendmsg(sock, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* The pidfd, or -1. */
static int receive_process(int sock, pid_t *ret_pid)
{
	pid_t pid;
	struct iovec iov = {.iov_base = &pid, .iov_len = sizeof(pid)};
	union {
		struct cmsghdr hdr;
		char buf[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.buf,
			     .msg_controllen = sizeof(control.buf)};
	int fd;

	if (recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != sizeof(pid) ||
	    !CMSG_FIRSTHDR(&msg) || CMSG_FIRSTHDR(&msg)->cmsg_type != SCM_RIGHTS)
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	*ret_pid = pid;
	return fd;
}

/*
 * The child only starts the holder and ends, so that the holder is init's to reap: it may stay
 * blocked far longer than the caller wants to keep track of it. The pidfd travels before the end,
 * so it is there when the child has been waited for.
 */
__attribute__((noreturn)) static void split(const struct claim *c, const struct nodes *nodes,
					    int flags, int sock)
{
	int gate[2], pidfd, ret;
	pid_t pid;

	if (pipe2(gate, O_CLOEXEC) < 0)
		_exit(errno);
	pid = fork();
	if (pid == 0)
		hold(c, nodes, flags, sock, gate);
	if (pid < 0)
		_exit(errno);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	ret = pidfd < 0 ? -errno : send_process(sock, pid, pidfd);
	if (ret < 0) {
		kill(pid, SIGKILL);
		_exit(-ret);
	}
	_exit(0);
}

static int start(struct claim *c, int flags)
{
	struct nodes nodes;
	_cleanup_fd_ int ours = -1, theirs = -1;
	int pair[2], status = 0;
	pid_t pid;

	find_nodes(c->index, &nodes);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		split(c, &nodes, flags, theirs);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	c->pidfd = receive_process(ours, &c->pid);
	if (c->pidfd < 0)
		return WIFEXITED(status) && WEXITSTATUS(status) ? -WEXITSTATUS(status) : -ECHILD;
	c->fd = TAKE_FD(ours);
	return 0;
}

int claim_start(int index, bool read_only, bool exclusive, struct claim *c, struct err *err)
{
	struct device_name node = device_node(index);
	int ret;

	c->index = index;
	c->look = c->wait = c->alone = false;
	ret = start(c, (read_only ? O_RDONLY : O_RDWR) | (exclusive ? O_EXCL : 0));
	if (ret < 0)
		return err_errno(err, ERR_FAILED, -ret, "cannot start a process to flush %s",
				 node.text);
	return 0;
}

static int look(int index, bool wait, struct claim *c, struct err *err)
{
	struct device_name node = device_node(index);
	int ret;

	c->index = index;
	c->look = true;
	c->wait = wait;
	ret = start(c, O_RDONLY);
	if (ret < 0)
		return err_errno(err, ERR_FAILED, -ret, "cannot start a process to open %s",
				 node.text);
	return 0;
}

int claim_look(int index, struct claim *c, struct err *err)
{
	return look(index, false, c, err);
}

int claim_settle(int index, struct claim *c, struct err *err)
{
	return look(index, true, c, err);
}

int claim_finish(struct claim *c, struct err *err)
{
	struct device_name node = device_node(c->index);
	struct report report;
	struct iovec iov = {&report, sizeof(report)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n = process_receive(c->fd, &msg, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (n != sizeof(report))
		return err_set(err, ERR_FAILED, EIO, "the process that %s %s was killed",
			       c->look ? "opens" : "flushes", node.text);
	if (report.open_error == EBUSY)
		return err_set(
		    err, ERR_BUSY, EBUSY,
		    "%s is in use: mounted, swapped on or part of another device, perhaps "
		    "in another namespace",
		    node.text);
	if (report.open_error)
		return err_errno(err, ERR_FAILED, report.open_error, "cannot open %s", node.text);
	if (report.sync_error)
		return err_errno(err, ERR_FAILED, report.sync_error,
				 "%s could not be flushed, so the last writes may be lost",
				 node.text);
	c->alone = report.alone;
	return 0;
}

void claim_release(struct claim *c)
{
	/*
	 * Closing the socket is enough, unless the process is blocked where only a fatal signal
	 * reaches it. A process that only opens the device ends by itself; a signal while it waits
	 * for the server would make the kernel give up reading the partition table permanently.
	 */
	if (c->pidfd >= 0 && !c->look)
		syscall(SYS_pidfd_send_signal, c->pidfd, SIGKILL, NULL, 0);
	close_fdp(&c->pidfd);
	close_fdp(&c->fd);
	c->pidfd = c->fd = -1;
	c->pid = 0;
}
