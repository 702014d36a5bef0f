/* SPDX-License-Identifier: MIT */
#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "base/held.h"
#include "base/protect.h"

int child_check(struct err *err)
{
	if (!held_root_is_gone())
		return 0;
	return err_set(err, ERR_RETRY, EAGAIN,
		       "no command can be run: the initramfs in which nbd-attach was started is "
		       "gone");
}

_Noreturn void child_shell(const char *command)
{
	sigset_t none;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	protect_undo();
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
	}
	setsid();
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}
