/* SPDX-License-Identifier: MIT */
/* Gets ready for an outage. Only for the core. */
#ifndef SUPERVISE_READYING_H
#define SUPERVISE_READYING_H

struct supervisor;

/* With --swap, in addition to a worker for each connection: each failed handshake uses one up. */
#define READYING_SWAP_SPARES 4

/* For a device that heals, only once: locks the memory. Takes a few ms. */
void supervisor_protect_memory(struct supervisor *s);

/*
 * The device is attached, and must survive an outage from now on. The spare worker is started when
 * the device is looked at for the first time, some seconds later (spares_tend()), and until then
 * when an outage begins; those of --swap, and of the root file system, at once.
 */
void supervisor_get_ready(struct supervisor *s);

#endif
