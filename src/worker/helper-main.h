/* SPDX-License-Identifier: MIT */
/*
 * The program as a helper: the private argument that process_start() gives it chooses which. Each
 * is confined before it hears from a server (sandbox.h); nothing of this file returns to a user's
 * command line.
 */
#ifndef WORKER_HELPER_MAIN_H
#define WORKER_HELPER_MAIN_H

#include "base/process.h"

#define HELPER_WORKER	"worker"   /* worker.h */
#define HELPER_RESOLVER "resolver" /* resolve.h */
#define HELPER_ZYGOTE	"zygote"   /* zygote.h */
#define HELPER_KEYS	"keys"	   /* tls/reader.h */
#define HELPER_LOOK	"look"	   /* look.h */

/* To be called first of all. Returns if the program was not started as a helper. */
void helper_main(int argc, char *const *argv);

/* The second half of it: what was accepted is run. */
void helper_run(const struct process_call *call) __attribute__((noreturn));

#endif
