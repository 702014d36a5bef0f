/* SPDX-License-Identifier: MIT */
#include "verbs/abreast.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int worst; /* of those that ran in this process, until abreast_wait() */

static void note(int status)
{
	worst = status > worst ? status : worst;
}

void abreast_start(int (*fn)(int index, void *arg), int index, void *arg)
{
	pid_t parent = getpid(), pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		_exit(getppid() == parent ? fn(index, arg) : 1);
	}
	if (pid < 0)
		note(fn(index, arg));
}

int abreast_wait(void)
{
	int status, ret;
	pid_t pid;

	while ((pid = wait(&status)) > 0 || errno == EINTR)
		if (pid > 0 && status)
			note(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
	ret = worst;
	worst = 0;
	return ret;
}
