/* SPDX-License-Identifier: MIT */
/*
 * Sockets outlive the supervisor: the service manager keeps them and gives them to the next one, so
 * that a supervisor that was killed loses no descriptor.
 */
#ifndef SUPERVISE_KEEPING_H
#define SUPERVISE_KEEPING_H

struct supervisor;

/*
 * Before anything else: the sockets that the service manager gives to this process. They are in
 * s->given until the device is taken over.
 */
void supervisor_find_sockets(struct supervisor *s);

/* The device is not attached, so no socket of an earlier supervisor is used: closes them. */
void supervisor_forget_sockets(struct supervisor *s);

/* Makes the service manager keep what the kernel has, or is about to get. */
void supervisor_keep_sockets(struct supervisor *s);

/* The supervisor ends: unless the device stays attached, no socket is kept. */
void supervisor_end_sockets(struct supervisor *s);

#endif
