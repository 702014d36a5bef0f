/* SPDX-License-Identifier: MIT */
/*
 * Tells a person at a terminal what the program waits for, once it has waited for two seconds: one
 * line on standard error, which is replaced each second and erased at the end. Nothing is written
 * where standard error is not a terminal, or if only errors are logged. A thread writes it, so that
 * whoever waits may block. One wait at a time.
 */
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

/*
 * `text`: static, such as "connecting". Call it before fork(2) only if the child writes nothing but
 * log lines, which erase the text (base/log.h).
 */
void progress_begin(const char *text);
void progress_change(const char *text);
void progress_end(void); /* does nothing if there was no begin */

#endif
