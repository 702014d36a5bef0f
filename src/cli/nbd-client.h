/* SPDX-License-Identifier: MIT */
/*
 * The command line of nbd-client(8), for scripts that call the program by that name. It becomes a
 * command line of nbd-attach, which options_parse() reads: nothing else knows nbd-client's words.
 *
 * The words are those of args.c and nbd-client.c in the nbd project, from version 3.20 to 3.27.
 */
#ifndef CLI_NBD_CLIENT_H
#define CLI_NBD_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

#define NBD_CLIENT_NBDTAB	"/etc/nbdtab"
#define NBD_CLIENT_WORDS	64
#define NBD_CLIENT_DEAD_TIMEOUT 30 /* s, where neither -persist nor -timeout is given */

enum nbd_client_task {
	NBD_CLIENT_ATTACH,
	NBD_CLIENT_DETACH,
	NBD_CLIENT_LIST,
	NBD_CLIENT_CHECK, /* the words are nbd-attach's --check; the process id is printed too */
	NBD_CLIENT_HELP,
	NBD_CLIENT_VERSION,
};

struct nbd_client {
	enum nbd_client_task task;
	bool mark;     /* -systemd-mark */
	uint64_t size; /* bytes, of -size: the export must have it; 0: any */

	/* The command line of nbd-attach: word[0] is the program, word[n] NULL. */
	char *word[NBD_CLIENT_WORDS + 1];
	size_t n;
	char warning[512]; /* of nbdtab's line: options left out; "": nothing */
	char note[256];	   /* to be logged before the device is attached; "": nothing */
};

/* True if the program was called as nbd-client; a leading '@' in the name does not count. */
bool nbd_client_is_named(const char *argv0);

/*
 * Fills *ret, to be freed with nbd_client_done(). `nbdtab` is the file that is read for a
 * device without a host. Returns 0, or -errno with an ERR_USAGE sentence (ERR_FAILED: the line of
 * nbdtab cannot be used, or want of memory); ret->task is then CHECK if a check was asked for, and
 * nothing is to be freed. Calls getopt_long_only(3), so one thread at a time.
 */
int nbd_client_parse(int argc, char **argv, const char *nbdtab, struct nbd_client *ret,
		     struct err *err);
void nbd_client_done(struct nbd_client *c);

void nbd_client_help(FILE *f);

#endif
