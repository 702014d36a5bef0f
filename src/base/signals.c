/* SPDX-License-Identifier: MIT */
#include "base/signals.h"

#include <signal.h>
#include <stddef.h>

void signals_reset(void)
{
	const struct sigaction action = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		sigaction(i, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}
