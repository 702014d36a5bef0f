/* SPDX-License-Identifier: MIT */
/* The outcome of the attacks in real relays (relays.c). */
#ifndef SECURITY_RELAYS_H
#define SECURITY_RELAYS_H

/* Prints a line for each attack. Returns 1 if one succeeded or was not made. */
int relays_report(void);

#endif
