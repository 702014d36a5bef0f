/* SPDX-License-Identifier: MIT */
/*
 * One function a verb. Each takes the parsed command line, prints its output, and returns the exit
 * status (the man page's EXIT STATUS). They block until done.
 */
#ifndef VERBS_VERBS_H
#define VERBS_VERBS_H

#include "cli/options.h"

/* Of everything that --json prints: larger when a member changes its meaning or is removed. */
#define CMD_JSON_VERSION 1

int cmd_attach(const struct options *o);
int cmd_attach_all(const struct options *o);
/* Says, with -v, which defaults of the machine do not fit. */
void cmd_tell_left_out(const struct options *o);
int cmd_show_config(const struct options *o); /* attach with --show-config */
int cmd_exec(const struct options *o);	      /* attach with --exec */
int cmd_detach(const struct options *o);
int cmd_check(const struct options *o);
int cmd_reconnect(const struct options *o);
int cmd_resize(const struct options *o);
int cmd_fail_now(const struct options *o);
int cmd_reload(const struct options *o);
int cmd_report(const struct options *o);
int cmd_status(const struct options *o);
int cmd_follow(const struct options *o); /* --status --follow */
int cmd_check_config(const struct options *o);
int cmd_import(const struct options *o);
int cmd_shutdown(const struct options *o);
int cmd_keep(const struct options *o); /* --keep-captive */
int cmd_list(const struct options *o);
int cmd_info(const struct options *o);

/*
 * For the command line of nbd-client. Prints the id of the process that keeps the device attached;
 * 0 if the device is attached, 1 if it is not, 2 if there is no such device.
 */
int cmd_check_pid(const struct options *o);
/* Asks the server for the export's size: 0 if it is `size` bytes, or the exit status. */
int cmd_check_size(const struct options *o, uint64_t size);

#endif
