/* SPDX-License-Identifier: MIT */
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/process-watch.h"

/* Where the child keeps its end of the socket pair, behind the standard descriptors. */
#define CHILD_FD 3

/* Sanitizers report to standard error: keep it in builds that have them. */
#if defined(__SANITIZE_ADDRESS__) || defined(FOR_VALGRIND)
#define KEEP_STDERR 1
#else
#define KEEP_STDERR 0
#endif

/* Sent to whole groups: by a terminal, or by a service manager that stops a unit while the
 * parent has reasons to go on. The parent decides, and its end is the helper's (PDEATHSIG).
 * These are also all that this program ever handles, so there are no other handlers to reset. */
static const int group_signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGPIPE};

static void ignore_signals(void)
{
	struct sigaction action = {.sa_handler = SIG_IGN};
	sigset_t none;

	for (size_t i = 0; i < ARRAY_SIZE(group_signals); i++)
		sigaction(group_signals[i], &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Returns the descriptor's new place, or -errno. */
static int keep_only(int fd)
{
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, CHILD_FD + 2);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int above;

	if (moved < 0 || null < 0)
		return -errno;
	for (int i = STDIN_FILENO; i <= STDERR_FILENO - KEEP_STDERR; i++)
		if (dup2(null, i) < 0)
			return -errno;
	above = watch_keep(CHILD_FD + 1);
	if (dup3(moved, CHILD_FD, O_CLOEXEC) < 0)
		return -errno;
	closefrom(above);
	return CHILD_FD;
}

static void __attribute__((noreturn))
child(int fd, pid_t parent, const char *name, process_fn *run, const void *arg)
{
	ignore_signals();
	prctl(PR_SET_NAME, name);
	fd = keep_only(fd);
	/* The parent reads the end of its socket as a failure, whatever the reason. */
	if (fd < 0 || process_die_with(parent) < 0)
		_exit(1);
	run(fd, parent, arg);
	_exit(0);
}

int process_start(struct process *ret_process, const char *name, process_fn *run, const void *arg,
		  struct err *err)
{
	_cleanup_fd_ int ours = -1, theirs = -1;
	pid_t pid, parent = getpid();
	int fds[2], pidfd, saved;
	sigset_t all, old;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return err_errno(err, ERR_SYSTEM, errno, "cannot start a helper process");
	ours = fds[0];
	theirs = fds[1];
	if (fcntl(ours, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
		return err_errno(err, ERR_SYSTEM, errno, "cannot start a helper process");

	watch_prepare();
	/* No handler of the parent's may run in the child. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pid = fork();
	if (pid == 0)
		child(theirs, parent, name, run, arg);
	saved = errno;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (pid < 0)
		return err_errno(err, ERR_SYSTEM, saved, "cannot start a helper process");

	/* Ours until it is reaped, so the number cannot have been used again. */
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
	/* ECHILD: somebody reaped it for us; how it ended is unknown, and counts as violent. */
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
