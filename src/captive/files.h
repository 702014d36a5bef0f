/* SPDX-License-Identifier: MIT */
/*
 * What a captive server's keeper leaves in /run/nbd-attach: `captive-ID.sock`, the socket the
 * server is reached by, `captive-ID.lock`, held as long as the keeper lives, and
 * `captive-ID.status`, which says how the server is; and `captive-ID.wanted`, made for it: without
 * that a keeper that comes late ends at once. Nothing blocks.
 */
#ifndef CAPTIVE_FILES_H
#define CAPTIVE_FILES_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "runtime/rundir.h"

#define CAPTIVE_ID_MAX 16

/* Who is to serve, and how it is talked to. */
struct captive_spec {
	char *const *argv; /* ends with NULL */
	const char *user;  /* NULL: ours */
	bool stdio;	   /* it serves on its standard input and output */
};

struct captive_status {
	int pid;		     /* of the server; 0: none runs */
	unsigned starts;	     /* so far */
	unsigned failures;	     /* in a row: it ended as soon as it had been started */
	enum err_kind kind;	     /* of the error */
	char error[ERR_MESSAGE_MAX]; /* how the last one ended, or why none could start; or "" */
};

/* What tells a server's processes from all others: a variable in their environment, the ID in it.
 */
#define CAPTIVE_MARK "NBD_ATTACH_CAPTIVE"

/*
 * A new ID: the number of this process, which may have had a namesake whose server still runs, and
 * when it is.
 */
void captive_id_make(char id[static CAPTIVE_ID_MAX]);

/* The number in it, of the process that made it. */
pid_t captive_id_maker(const char *id);

/* True for what may be in a file's name here: digits. */
bool captive_id_valid(const char *id);

/* `DIR/captive-ID.SUFFIX` */
struct rundir_path captive_path(const char *id, const char *suffix);

/* Replaces the file; errors are of no interest to anybody. */
void captive_status_write(const char *id, const struct captive_status *status);

/* False: there is no such file. */
bool captive_status_read(const char *id, struct captive_status *ret_status);

/*
 * Marks the keeper as wanted or not. Once the mark is gone and the lock is free, no keeper can
 * start: a keeper takes its lock first and then checks the mark. Errors show as a keeper that ends.
 */
void captive_want(const char *id, bool wanted);
bool captive_wanted_still(const char *id);

/* Removes them all. */
void captive_files_remove(const char *id);

#endif
