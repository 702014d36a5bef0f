/* SPDX-License-Identifier: MIT */
/*
 * Captive servers without an owner: their supervisor was killed before its device was attached, or
 * another program has detached its device since. Blocks, within the bounds of captive_end_alone()
 * for each.
 */
#ifndef CAPTIVE_ORPHANS_H
#define CAPTIVE_ORPHANS_H

/*
 * Ends every keeper in our directory whose ID no device's state file has, of those that are
 * attached or have a supervisor, unless the process that the ID was made by is alive. Needs the
 * directory.
 */
void captive_end_orphans(void);

#endif
