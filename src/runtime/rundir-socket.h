/* SPDX-License-Identifier: MIT */
/* Unix sockets in the run directory: only their owner can connect. */
#ifndef RUNTIME_RUNDIR_SOCKET_H
#define RUNTIME_RUNDIR_SOCKET_H

/*
 * Listens at path, without blocking; replaces a socket that is there. The caller must hold the lock
 * that proves that no process uses that one. type: SOCK_STREAM or SOCK_SEQPACKET. The descriptor,
 * the caller's, or -errno.
 */
int rundir_listen(const char *path, int type, int backlog);

/*
 * Connects to a SOCK_SEQPACKET socket. Sending, receiving and connecting give up after limit_ms: a
 * stopped process makes connect(2) block as soon as other callers wait. The descriptor, the
 * caller's, or -errno; -ENOENT: no process listens there.
 */
int rundir_connect(const char *path, unsigned limit_ms);

#endif
