/* SPDX-License-Identifier: MIT */
#include "base/signals.h"

#include <stddef.h>

#include "base/cleanup.h"

static const int ending[] = {SIGINT, SIGTERM, SIGHUP};

void signals_reset(void)
{
	const struct sigaction action = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		sigaction(i, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

void signals_block(sigset_t *ret_mask)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(ending); i++)
		sigaddset(&set, ending[i]);
	sigprocmask(SIG_BLOCK, &set, ret_mask);
}

void signals_catch(void (*handler)(int number))
{
	const struct sigaction action = {.sa_handler = handler};
	struct sigaction old;

	for (size_t i = 0; i < ARRAY_SIZE(ending); i++)
		if (sigaction(ending[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(ending[i], &action, NULL);
}
