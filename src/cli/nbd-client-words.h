/* SPDX-License-Identifier: MIT */
/* What cli/nbd-client.c and cli/nbd-client-tab.c put nbd-attach's words together with. */
#ifndef CLI_NBD_CLIENT_WORDS_H
#define CLI_NBD_CLIENT_WORDS_H

#include "cli/nbd-client.h"

/* Adds a word of nbd-attach's. 0, or -errno with *err. */
int nbd_client_add(struct nbd_client *c, struct err *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * Reads a number as nbd-client does: decimal, 0x and 0; nothing may follow. `option`, without its
 * dash, is for the sentence. 0, or -EINVAL with *err.
 */
int nbd_client_number(const char *option, const char *text, unsigned long *ret, struct err *err);

/* The values of -block-size, -size and -connections. 0, or -errno with *err. */
int nbd_client_take_block_size(struct nbd_client *c, const char *value, struct err *err);
int nbd_client_take_size(struct nbd_client *c, const char *value, struct err *err);
int nbd_client_take_connections(struct nbd_client *c, const char *value, struct err *err);

/* True if a word is that option; with `=` at its end, that option with any value. */
bool nbd_client_has(const struct nbd_client *c, const char *option);

/*
 * What nbd-client makes of the words about TLS when all are there. It takes the key's file for the
 * certificate, too, if none is named. It compares the server's certificate only with an authority
 * that it was given: without one this adds --tls-verify-peer=0, whose warning says what that means.
 */
int nbd_client_complete_tls(struct nbd_client *c, struct err *err);

/*
 * Adds the dead timeout of a device without -persist, and notes it: nbd-client's I/O fails with
 * its connection, and RAID relies on that. `timeout` is that of -timeout in seconds; 0: not given.
 */
int nbd_client_add_impatience(struct nbd_client *c, unsigned long timeout, struct err *err);

/* What was typed beside the words that *c has already. */
struct nbd_client_typed {
	const char *device;
	unsigned long timeout; /* s, of -timeout; 0: not given */
	bool persist;
};

/*
 * Adds what the file `nbdtab` says of the device, except for the options that *c has already:
 * typed words win. Without a line for it, the words make nbd-attach look for a configuration file
 * of its own. 0, or -errno with *err, also if that line is wrong or the file cannot be read,
 * although it exists. Blocks to read the file.
 */
int nbd_client_add_from_nbdtab(struct nbd_client *c, const char *nbdtab,
			       const struct nbd_client_typed *typed, struct err *err);

#endif
