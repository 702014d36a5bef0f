/* SPDX-License-Identifier: MIT */
#include "supervise/background.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/libc.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/signals.h"
#include "base/terminal.h"

#define PHASE 0x80 /* in a byte that is a state, and not an exit status */
#define STAYS 0x40 /* in a byte that is an exit status: the supervisor goes on */
/* Bytes: a pipe takes more, so that the supervisor never waits for a command that is stopped. */
#define PHASES_MAX 500

/* What the waiting command shows at a terminal, for each state of the supervisor. */
static const char *const phases[FSM_STATES] = {
    [FSM_STARTING] = "connecting",
    [FSM_WAITING] = "waiting for the server",
    [FSM_JOINING] = "connecting",
    [FSM_CONFIGURING] = "handing the device to the kernel",
    [FSM_ADOPTING] = "taking the device over",
    [FSM_ATTACHED] = "attached, waiting for udev to name the device",
};

static volatile sig_atomic_t child_pid;

/* To the supervisor, SIGHUP has another meaning. */
static void forward(int signal)
{
	if (child_pid > 0)
		kill(child_pid, signal == SIGHUP ? SIGTERM : signal);
}

/* A supervisor that went on would attach the device later, and no command would say so. */
static void forward_signals(pid_t child, const sigset_t *mask)
{
	child_pid = child;
	signals_catch(forward);
	sigprocmask(SIG_SETMASK, mask, NULL);
}

/*
 * Ends the process at once. The child has copies of everything, so freeing and flushing would only
 * copy pages.
 */
static void __attribute__((noreturn)) wait_for_report(int fd, pid_t child, bool plain_status)
{
	uint8_t status = 1, phase;
	ssize_t n;

	progress_begin(phases[FSM_STARTING]);
	do {
		n = read(fd, &status, 1);
		phase = n == 1 && status & PHASE ? status & ~PHASE : FSM_STATES;
		if (phase < FSM_STATES && phases[phase])
			progress_change(phases[phase]);
	} while ((n < 0 && errno == EINTR) || (n == 1 && status & PHASE));
	progress_end();
	if (n != 1) {
		log_error("the supervisor ended before the device was ready");
		_exit(1);
	}
	/*
	 * A child that failed ends in a moment. Waits for it, so that its locks are free when we
	 * return.
	 */
	child_pid = 0; /* its process ID may be reused as soon as it has been waited for */
	if (status && !(status & STAYS))
		waitpid(child, NULL, 0);
	status &= ~STAYS;
	_exit(plain_status && status ? 1 : status);
}

/*
 * The supervisor outlives the caller. An inherited descriptor would keep a flock(2) lock of the
 * caller's, and the reader of a pipe would never see its end. Nothing of our own is open yet.
 * Returns the new number of report_fd.
 */
static int close_inherited(int report_fd)
{
	const int place = STDERR_FILENO + 1;

	if (report_fd != place && dup3(report_fd, place, O_CLOEXEC) < 0)
		return report_fd;
	closefrom(place + 1);
	return place;
}

int background_start(bool plain_status, int *ret_report_fd, struct err *err)
{
	int fd[2];
	sigset_t mask;
	pid_t child;

	if (pipe2(fd, O_CLOEXEC) < 0)
		return err_errno(err, ERR_SYSTEM, errno, "cannot make a pipe");
	/* The parent may show there what it waits for. */
	log_set_erase(terminal_is(STDERR_FILENO) && log_says(LOG_NOTICE));
	signals_block(&mask); /* one that comes now is forwarded, too */
	child = fork();
	if (child > 0)
		forward_signals(child, &mask);
	else
		sigprocmask(SIG_SETMASK, &mask, NULL);
	if (child < 0) {
		close(fd[0]);
		close(fd[1]);
		return err_errno(err, ERR_SYSTEM, errno, "cannot start the supervisor");
	}
	if (child > 0) {
		close(fd[1]);
		wait_for_report(fd[0], child, plain_status);
	}
	close(fd[0]);
	setsid();
	*ret_report_fd = close_inherited(fd[1]);
	return 0;
}

void background_phase(int report_fd, enum fsm_state state)
{
	static enum fsm_state last = FSM_STARTING;
	static unsigned sent;
	uint8_t byte = PHASE | (uint8_t)state;

	/* Between two pauses of --wait there are attempts, but the server is waited for. */
	if (report_fd < 0 || state == last || (state == FSM_STARTING && last == FSM_WAITING) ||
	    sent == PHASES_MAX)
		return;
	last = state;
	sent++;
	(void)!write(report_fd, &byte, 1);
}

void background_report(int report_fd, int status, bool stays)
{
	uint8_t byte = (uint8_t)(status | (stays ? STAYS : 0));

	/* The parent may have been killed: then no process waits for the answer. */
	(void)!write(report_fd, &byte, 1);
	close(report_fd);
}

void background_detach(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	log_set_sink(LOG_TO_SYSLOG);
	(void)!chdir("/");
	if (null < 0)
		return;
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	if (null > STDERR_FILENO)
		close(null);
}
