/* SPDX-License-Identifier: MIT */
/* --exec: attaches, runs a command that gets the device, and detaches. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "kernel/device.h"
#include "verbs/verbs.h"

#define SHELL "/bin/sh"
#define SIGNAL_ENDED \
	128 /* added to the number of the signal that ended a command, as a shell does */

static volatile sig_atomic_t running;

/* A terminal sends SIGINT to the command as well. */
static void forward(int signal)
{
	if (running > 0 && signal != SIGINT)
		kill(running, signal);
}

/* From here on a signal ends what runs, and the device is detached all the same. */
static void catch_signals(void)
{
	const struct sigaction action = {.sa_handler = forward};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

static int wait_for(pid_t child)
{
	int status;

	running = child;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return err_exit_status(ERR_SYSTEM);
	running = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : SIGNAL_ENDED + WTERMSIG(status);
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

/* Attaches in a child, from which the supervisor comes. Exit status; 0: *ret_index is the device.
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
	child = fork();
	if (child < 0) {
		log_error("cannot start a process: %s", strerror(errno));
		return err_exit_status(ERR_SYSTEM);
	}
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
	child = fork();
	if (child < 0) {
		log_error("cannot start a process: %s", strerror(errno));
		return err_exit_status(ERR_SYSTEM);
	}
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
	struct options detached = *o; /* owns nothing */
	char name[16];
	int status, index = o->index, left;

	catch_signals();
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
