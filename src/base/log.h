/* SPDX-License-Identifier: MIT */
/*
 * One line per message, to stderr or to the system's log (syslog(3)'s /dev/log). Never blocks: a
 * line that cannot be written at once is lost, because the process that reads the log may itself
 * wait for our device. If stderr is the journal's, lines carry the sd-daemon(3) priority
 * prefix; elsewhere "warning: " stands before warnings. Foreign text must arrive escaped
 * (base/text.h).
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <syslog.h>

enum log_sink { LOG_TO_STDERR, LOG_TO_SYSLOG };

/*
 * `name` (borrowed for the life of the process) leads every line; messages above `level` are
 * dropped.
 */
void log_init(const char *name, enum log_sink sink, int level);
void log_set_sink(enum log_sink sink);

/*
 * From now on a message for the system's log goes to the kernel's if that one cannot be reached: in
 * an initramfs there is none yet, and after the change to the real root its path leads nowhere.
 */
void log_to_kernel_log(void);

/*
 * From now on each line that goes to systemd's journal has the fields NBD_DEVICE and NBD_STATE, the
 * first of which is /dev/nbdN. `state` is borrowed for the life of the process.
 */
void log_set_fields(int index, const char *state);

/* priority: LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG of syslog(3). */
void log_line(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* True if messages of this priority are not dropped. */
bool log_says(int priority);

/*
 * A terminal may show what the program waits for (base/progress.h): with `erase`, each line on
 * standard error erases that first. log_erase() does only that.
 */
void log_set_erase(bool erase);
void log_erase(void);

#define log_error(...)	 log_line(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_notice(...)	 log_line(LOG_NOTICE, __VA_ARGS__)
#define log_info(...)	 log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...)	 log_line(LOG_DEBUG, __VA_ARGS__)

#endif
