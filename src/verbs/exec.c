/* SPDX-License-Identifier: MIT */
/* --exec: attaches, runs a command that gets the device, and detaches. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/signals.h"
#include "kernel/device.h"
#include "verbs/verbs.h"

#define SHELL "/bin/sh"
#define SIGNAL_ENDED \
	128 /* added to the number of the signal that ended a command, as a shell does */

/* The child, and whether it is the command; the last signal that came. */
static volatile sig_atomic_t running, commanding, signalled;

static struct sigaction pipe_action; /* of SIGPIPE, as it was before this command ignored it */

/* A terminal sends SIGINT to the command as well. */
static void forward(int signal)
{
	signalled = signal;
	if (running > 0 && (!commanding || signal != SIGINT))
		kill(running, signal);
}

/*
 * Forks as fork(2) does. A signal that comes meanwhile is the child's, too, and one that came
 * earlier prevents it: -1 with EINTR. In the child, signals are as they were before this command
 * caught them; SIGPIPE is restored only for the command.
 */
static pid_t start(bool command)
{
	sigset_t mask;
	pid_t child = -1;

	signals_block(&mask);
	if (signalled)
		errno = EINTR;
	else
		child = fork();
	if (child == 0)
		signals_catch(SIG_DFL);
	if (child == 0 && command)
		sigaction(SIGPIPE, &pipe_action, NULL);
	if (child > 0) {
		commanding = command;
		running = child;
	}
	sigprocmask(SIG_SETMASK, &mask, NULL);
	return child;
}

static int wait_for(pid_t child)
{
	siginfo_t info;
	int status;

	/* Another process may get its number as soon as it has been waited for. */
	while (waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) < 0)
		if (errno != EINTR)
			return err_exit_status(ERR_SYSTEM);
	running = 0;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return err_exit_status(ERR_SYSTEM);
	return WIFEXITED(status) ? WEXITSTATUS(status) : SIGNAL_ENDED + WTERMSIG(status);
}

/* The exit status if start() has failed. */
static int not_started(void)
{
	if (signalled)
		return SIGNAL_ENDED + signalled;
	log_error("cannot start a process: %s", strerror(errno));
	return err_exit_status(ERR_SYSTEM);
}

/* The name that attaching to "auto" has printed, or -errno. It is in the pipe already. */
static int read_index(int fd, int *ret_index)
{
	char name[32] = "";
	ssize_t n = read(fd, name, sizeof(name) - 1);

	if (n <= 0)
		return -ENODEV;
	name[strcspn(name, "\n")] = '\0';
	return device_parse(name, "", ret_index, NULL);
}

/*
 * Attaches in a child, from which the supervisor comes. Exit status; 0: *ret_index is the device.
 */
static int attach(const struct options *o, int *ret_index)
{
	_cleanup_fd_ int from = -1, to = -1;
	int pipe_fd[2], status;
	pid_t child;

	if (pipe2(pipe_fd, O_CLOEXEC | O_NONBLOCK) < 0) {
		log_error("cannot make a pipe: %s", strerror(errno));
		return err_exit_status(ERR_SYSTEM);
	}
	from = pipe_fd[0];
	to = pipe_fd[1];
	child = start(false);
	if (child < 0)
		return not_started();
	if (child == 0) {
		dup2(to, STDOUT_FILENO);
		exit(cmd_attach(o));
	}
	status = wait_for(child);
	*ret_index = o->index;
	if (status == 0 && o->index < 0 && read_index(from, ret_index) < 0) {
		log_error("the device is attached, but its name is not known");
		status = err_exit_status(ERR_FAILED);
	}
	return status;
}

static int run_command(const char *command, int index)
{
	char device[32];
	pid_t child;

	snprintf(device, sizeof(device), "/dev/nbd%d", index);
	child = start(true);
	if (child < 0)
		return not_started();
	if (child == 0) {
		setenv("NBD_DEVICE", device, 1);
		execl(SHELL, SHELL, "-c", command, (char *)NULL);
		log_error("cannot run %s: %s", SHELL, strerror(errno));
		_exit(err_exit_status(ERR_SYSTEM));
	}
	return wait_for(child);
}

int cmd_exec(const struct options *o)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	struct options detached = *o; /* owns nothing */
	char name[16];
	int status, index = o->index, left;

	/* From here on a signal ends what runs, and the device is detached all the same. */
	signals_catch(forward);
	/* If nobody reads our messages, SIGPIPE must not end us before the device is detached. */
	sigaction(SIGPIPE, &ignore, &pipe_action);
	status = attach(o, &index);
	if (status)
		return status;
	status = run_command(o->exec, index);
	snprintf(name, sizeof(name), "nbd%d", index);
	detached.verb = VERB_DETACH;
	detached.device = name;
	detached.index = index;
	left = cmd_detach(&detached);
	return status ? status : left;
}
