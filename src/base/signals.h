/* SPDX-License-Identifier: MIT */
/*
 * Signals of a command and of its children. Those that end a command are SIGINT, SIGTERM and
 * SIGHUP.
 */
#ifndef BASE_SIGNALS_H
#define BASE_SIGNALS_H

#include <signal.h>

/* Every signal has its default disposition, and none is blocked. Safe after fork(). */
void signals_reset(void);

/* Blocks those that end a command. *ret_mask is the mask as it was. */
void signals_block(sigset_t *ret_mask);

/*
 * Gives those that end a command this handler, or SIG_DFL. One that is ignored stays so: nohup(1),
 * or a shell that has started the command in the background.
 */
void signals_catch(void (*handler)(int number));

#endif
