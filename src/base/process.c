/* SPDX-License-Identifier: MIT */
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/libc.h"
#include "base/oom.h"
#include "base/process-watch.h"

/* Where the helper has its end of the socket pair, after the standard descriptors. */
#define CHILD_FD 3
#define EXE_FD	 4 /* closed by execve(2) */

/* The private argument; --help does not show it, because users cannot use it. */
#define KIND "--helper="

/* Sanitizers report to standard error: keep it in builds that have them. */
#if defined(__SANITIZE_ADDRESS__) || defined(FOR_VALGRIND)
#define KEEP_STDERR 1
#else
#define KEEP_STDERR 0
#endif

/* The first message; the setup follows. */
struct hello {
	pid_t parent;
	char name[PROCESS_NAME_MAX];
};

/*
 * A terminal, or a service manager that stops a unit, sends these signals to whole groups, also
 * when the parent has reasons to continue. So a helper ignores them and ends when its parent does
 * (PDEATHSIG).
 */
static const int group_signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGPIPE};

/* execve(2) keeps what is ignored, and resets what is handled. */
static void ignore_signals(void)
{
	struct sigaction action = {.sa_handler = SIG_IGN};
	sigset_t none;

	for (size_t i = 0; i < ARRAY_SIZE(group_signals); i++)
		sigaction(group_signals[i], &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

int process_seed_open(struct process_seed *ret_seed, struct err *err)
{
	_cleanup_fd_ int exe = open_program(), null = -1;

	if (exe < 0)
		return err_errno(err, ERR_SYSTEM, errno,
				 "cannot open this program's file (/proc/self/exe), from which "
				 "helper processes are started");
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 && errno == ENOENT)
		return err_set(err, ERR_SYSTEM, ENOENT,
			       "there is no /dev/null, which helper processes need: mount devtmpfs "
			       "on /dev, or in a chroot or container the machine's own /dev");
	if (null < 0)
		return err_errno(err, ERR_SYSTEM, errno, "cannot open /dev/null");
	*ret_seed = (struct process_seed){.exe = TAKE_FD(exe), .null = TAKE_FD(null)};
	return 0;
}

void process_seed_close(struct process_seed *seed)
{
	close_fdp(&seed->exe);
	close_fdp(&seed->null);
	*seed = PROCESS_SEED_NONE;
}

/* Everything but the helper's descriptors is closed. Returns 0, or -errno. */
static int place_descriptors(const struct process_seed *seed, int channel)
{
	int moved = fcntl(channel, F_DUPFD_CLOEXEC, EXE_FD + 2);
	int exe = fcntl(seed->exe, F_DUPFD_CLOEXEC, EXE_FD + 2);
	int above;

	if (moved < 0 || exe < 0)
		return -errno;
	for (int i = STDIN_FILENO; i <= STDERR_FILENO - KEEP_STDERR; i++)
		if (dup2(seed->null, i) < 0)
			return -errno;
	above = watch_keep(EXE_FD + 1);
	if (dup2(moved, CHILD_FD) < 0 || dup3(exe, EXE_FD, O_CLOEXEC) < 0)
		return -errno;
	closefrom(above);
	return 0;
}

static void __attribute__((noreturn))
child(const struct process_seed *seed, const struct process_job *job, int channel, pid_t parent)
{
	char program[] = "@nbd-attach", kind[128];
	char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", locale[] = "LC_ALL=C";
	/* A first letter @ tells systemd to leave a process that holds the root file system up. */
	char *const argv[] = {program + (program_invocation_name[0] != '@'), kind, NULL};
	char *const environment[] = {path, locale, NULL};

	snprintf(kind, sizeof(kind), KIND "%s", job->kind);
	setsid();
	ignore_signals();
	/* The kernel may end a helper first when memory is short: another can be started. */
	if (!job->protected)
		oom_be_ordinary(0);
	/* The parent reads the end of its socket as a failure, whatever the reason. */
	if (place_descriptors(seed, channel) < 0 || process_die_with(parent) < 0)
		_exit(1);
	start_program(EXE_FD, argv, environment);
	_exit(127);
}

static int send_hello(int fd, const struct process_job *job)
{
	struct hello hello = {.parent = getpid()};
	struct iovec iov[] = {{&hello, sizeof(hello)}, {(void *)(uintptr_t)job->setup, job->len}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = ARRAY_SIZE(iov)};

	if (job->len > PROCESS_SETUP_MAX)
		return -EMSGSIZE;
	snprintf(hello.name, sizeof(hello.name), "%s", job->name);
	return sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

int process_channel(int *ret_ours, int *ret_theirs)
{
	_cleanup_fd_ int ours = -1, theirs = -1;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	ours = fds[0];
	theirs = fds[1];
	if (fcntl(ours, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
		return -errno;
	*ret_ours = TAKE_FD(ours);
	*ret_theirs = TAKE_FD(theirs);
	return 0;
}

int process_start(struct process *ret_process, const struct process_seed *seed,
		  const struct process_job *job, struct err *err)
{
	_cleanup_fd_ int ours = -1, theirs = -1;
	pid_t pid, parent = getpid();
	int pidfd, ret, saved;
	sigset_t all, old;

	ret = process_channel(&ours, &theirs);
	if (ret == 0)
		ret = send_hello(ours, job);
	if (ret < 0)
		return err_errno(err, ERR_SYSTEM, -ret, "cannot start a helper process");
	watch_prepare();
	/* No handler of the parent's may run in the child. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pid = fork();
	if (pid == 0)
		child(seed, job, theirs, parent);
	saved = errno;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (pid < 0)
		return err_errno(err, ERR_SYSTEM, saved, "cannot start a helper process");

	/* The child is ours until it is reaped, so its number cannot have been reused. */
	pidfd = watch_open(pid);
	if (pidfd < 0) {
		saved = errno;
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return err_errno(err, ERR_SYSTEM, saved, "cannot watch a helper process");
	}
	*ret_process =
	    (struct process){.pid = pid, .pidfd = pidfd, .fd = TAKE_FD(ours), .uid = (uid_t)-1};
	return 0;
}

int process_adopt(struct process *ret_process, pid_t pid, int fd)
{
	_cleanup_fd_ int channel = fd, watch = -1;
	siginfo_t info;

	watch = pid > 0 ? watch_open(pid) : -1;
	if (watch < 0)
		return pid > 0 ? -errno : -ECHILD;
	if (watch_wait(pid, watch, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		return -errno;
	*ret_process = (struct process){
	    .pid = pid, .pidfd = TAKE_FD(watch), .fd = TAKE_FD(channel), .uid = (uid_t)-1};
	return 0;
}

/* A socket pair that the parent made: a user can type the argument, but has no such descriptor. */
static bool channel_valid(void)
{
	struct ucred peer;
	socklen_t peer_len = sizeof(peer), len = sizeof(int);
	int type, domain;

	return getsockopt(CHILD_FD, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	       type == SOCK_SEQPACKET &&
	       getsockopt(CHILD_FD, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
	       domain == AF_UNIX &&
	       getsockopt(CHILD_FD, SOL_SOCKET, SO_PEERCRED, &peer, &peer_len) == 0 &&
	       peer.pid == getppid() && peer.uid == geteuid();
}

bool process_accept(int argc, char *const *argv, struct process_call *ret_call)
{
	struct hello hello;
	struct iovec iov[] = {{&hello, sizeof(hello)}, {ret_call->setup, PROCESS_SETUP_MAX}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = ARRAY_SIZE(iov)};
	ssize_t n;

	if (argc != 2 || strncmp(argv[1], KIND, strlen(KIND)) != 0 || !channel_valid())
		return false;
	/* Forbids tracing and core dumps by the same user as early as possible. */
	prctl(PR_SET_DUMPABLE, 0);
	n = recvmsg(CHILD_FD, &msg, MSG_DONTWAIT);
	if (n < (ssize_t)sizeof(hello) || (msg.msg_flags & MSG_TRUNC) ||
	    hello.parent != getppid() || !memchr(hello.name, '\0', sizeof(hello.name)) ||
	    fcntl(CHILD_FD, F_SETFD, FD_CLOEXEC) < 0)
		return false;
	prctl(PR_SET_NAME, hello.name);
	ret_call->kind = argv[1] + strlen(KIND);
	ret_call->fd = CHILD_FD;
	ret_call->parent = hello.parent;
	ret_call->len = (size_t)n - sizeof(hello);
	return true;
}

int process_die_with(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	/* It may have ended before the call. */
	return getppid() == parent ? 0 : -ESRCH;
}

/*
 * The sender's effective user id gives the right to send a signal as well as its real one, but only
 * the real and the saved ids of a process decide who may signal it (kill(2)). So this process takes
 * the helper's id as its effective one and stays root to everybody else: a helper cannot use the
 * moment to kill it. The kernel clears the effective capabilities meanwhile, and gives back all
 * that are permitted. The system call is used directly because glibc would change every thread.
 */
static int kill_as(const struct process *p)
{
	uid_t ours = geteuid();
	int ret;

	if (syscall(SYS_setresuid, -1, p->uid, -1) < 0)
		return -errno;
	ret = watch_kill(p->pid, p->pidfd) == 0 || errno == ESRCH ? 0 : -errno;
	/* Cannot fail: the saved id is still ours. */
	syscall(SYS_setresuid, -1, ours, -1);
	return ret;
}

ssize_t process_receive(int fd, struct msghdr *msg, int flags)
{
	const size_t room = msg->msg_controllen;
	ssize_t n = recvmsg(fd, msg, flags | MSG_DONTWAIT);

	if (n == 0 && !(msg->msg_flags & MSG_TRUNC)) {
		msg->msg_controllen = room;
		n = recvmsg(fd, msg, flags | MSG_DONTWAIT);
	}
	return n;
}

int process_kill(const struct process *p)
{
	if (p->pid == 0 || watch_kill(p->pid, p->pidfd) == 0 || errno == ESRCH)
		return 0;
	return errno == EPERM && p->uid != (uid_t)-1 ? kill_as(p) : -errno;
}

static bool reap(struct process *p, struct process_end *ret_end, int flags)
{
	siginfo_t info = {0};
	int ret;

	if (p->pid == 0)
		return true;
	do
		ret = watch_wait(p->pid, p->pidfd, &info, WEXITED | flags);
	while (ret < 0 && errno == EINTR);
	if (ret == 0 && info.si_pid == 0)
		return false;
	/*
	 * ECHILD: another part of the program reaped it; how it ended is unknown, and is reported
	 * as killed.
	 */
	if (ret_end)
		*ret_end = (struct process_end){
		    .exited = ret == 0 && info.si_code == CLD_EXITED,
		    .value = ret == 0 ? info.si_status : SIGKILL,
		};
	p->pid = 0;
	return true;
}

bool process_reap(struct process *p, struct process_end *ret_end)
{
	return reap(p, ret_end, WNOHANG);
}

void process_wait(struct process *p)
{
	reap(p, NULL, 0);
}

void process_done(struct process *p)
{
	close_fdp(&p->pidfd);
	close_fdp(&p->fd);
	*p = PROCESS_NONE;
}
