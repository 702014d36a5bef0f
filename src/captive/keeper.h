/* SPDX-License-Identifier: MIT */
/*
 * The keeper of a captive server: a process of its own, that a supervisor starts and that outlives
 * it. It owns the listening socket, starts the server when a client connects and none runs, reads
 * the server's standard error, notices its end, ends what it leaves behind, and ends it on SIGTERM.
 * The supervisor connects to the socket as to any Unix socket, and a server that was started again
 * takes up the very same socket: no client is ever refused.
 *
 * A server that speaks on its standard input and output gets a connection of its own: each one
 * is another process, and no two run at once.
 */
#ifndef CAPTIVE_KEEPER_H
#define CAPTIVE_KEEPER_H

#include "captive/files.h"

/* Runs until SIGTERM; the exit status. What goes wrong is logged, and in the status file. */
int keeper_run(const char *id, const struct captive_spec *spec);

#endif
