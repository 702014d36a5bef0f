/* SPDX-License-Identifier: MIT */
/* What came of the attacks in real relays (relays.c). */
#ifndef SECURITY_RELAYS_H
#define SECURITY_RELAYS_H

/* Prints a line for each; 1 if one succeeded or was not made. */
int relays_report(void);

#endif
