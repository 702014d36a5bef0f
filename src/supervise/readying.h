/* SPDX-License-Identifier: MIT */
/* Gets ready for an outage. Only for the core. */
#ifndef SUPERVISE_READYING_H
#define SUPERVISE_READYING_H

struct supervisor;

/* Workers with --swap, in addition to one for each connection: each failed handshake uses one up.
 */
#define READYING_SWAP_SPARES 4

/* Once, before the first use of the others. 0 or -errno. */
int supervisor_prepare_spares(struct supervisor *s);

/* For a device that heals, only once: locks the memory. Takes a few ms. */
void supervisor_protect_memory(struct supervisor *s);

/* The device is attached, and must survive an outage from now on. */
void supervisor_get_ready(struct supervisor *s);

/*
 * Some seconds later: nobody has to wait for them. Until then an outage starts the worker that it
 * needs; with --swap, or under the root file system, supervisor_get_ready() has started them.
 */
void supervisor_fill_spares_soon(struct supervisor *s);

#endif
