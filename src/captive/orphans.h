/* SPDX-License-Identifier: MIT */
/*
 * Captive servers that are nobody's any more: of a supervisor that was killed before its device was
 * attached, or whose device somebody else has detached since. Blocks, within the bounds of
 * captive_end_alone() for each.
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
