/* SPDX-License-Identifier: MIT */
/*
 * The client's side of the NBD handshake (proto.md of NetworkBlockDevice/nbd) as a pure machine:
 * no descriptor, clock, allocation or printf. The caller owns the struct and moves the bytes:
 *
 *	while (nego_status(n) == NEGO_IO)
 *		send what nego_send_buf() lends, nego_send_ack() what was sent; when it lends
 *		nothing, receive at most what nego_recv_buf() has room for, nego_recv_ack() it.
 *
 * The machine never offers room past the message it waits for, so the caller cannot read ahead:
 * what follows stays in the socket for TLS or for the kernel, which inherit the descriptor.
 */
#ifndef NBD_NEGO_H
#define NBD_NEGO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "nbd/export.h"

enum nego_goal {
	NEGO_GOAL_GO,   /* enter the transmission phase: GO, or EXPORT_NAME, or oldstyle */
	NEGO_GOAL_INFO, /* describe one export, then say goodbye */
	NEGO_GOAL_LIST, /* name every export, then say goodbye */
};

enum nego_status {
	NEGO_IO,       /* bytes must move */
	NEGO_STARTTLS, /* the server agreed: run TLS, then nego_tls_started() */
	NEGO_LISTED,   /* nego_list_entry() has one more export; nego_list_next() goes on */
	NEGO_DONE,     /* goal reached; the socket is at the first byte of what follows */
	NEGO_FAILED,   /* nego_err() says why; close the connection */
};

struct nego_config {
	enum nego_goal goal;
	const char *export_name; /* borrowed during nego_init() only; "" is the default export */
	bool tls;                /* STARTTLS before anything else, or fail */
};

/* One option's data at its largest: an export name plus the fixed fields around it, with room. */
#define NEGO_BUFFER_SIZE (2 * NBD_STRING_MAX + 64)

struct nego; /* fields are private; see the end of this file */

/*
 * Starts a handshake. Returns 0, or -EINVAL with a USAGE error if the export name is longer than
 * NBD_STRING_MAX or is not UTF-8.
 */
int nego_init(struct nego *n, const struct nego_config *cfg, struct err *err);

enum nego_status nego_status(const struct nego *n);

/* Bytes to send, valid until the next call; *ret_len is 0 (and the result NULL) if none. */
const uint8_t *nego_send_buf(const struct nego *n, size_t *ret_len);
/* `len` bytes of that buffer have been sent: 0 to its length. */
void nego_send_ack(struct nego *n, size_t len);

/* Room for received bytes; *ret_len is 0 (and the result NULL) unless status is NEGO_IO and
 * nothing is left to send. */
uint8_t *nego_recv_buf(struct nego *n, size_t *ret_len);
/* `len` bytes have been put there: 1 to the room offered. */
void nego_recv_ack(struct nego *n, size_t len);
/* The peer closed the connection: fails with a sentence that names what was awaited. Once the
 * goal is reached and only the goodbye is missing, status becomes NEGO_DONE instead. */
void nego_recv_eof(struct nego *n);

/* TLS is up: status becomes NEGO_IO, and every fact learnt in plaintext is forgotten. */
void nego_tls_started(struct nego *n);

/* The export; valid with NEGO_DONE and goals GO or INFO, owned by n. */
const struct nbd_export *nego_export(const struct nego *n);

/* One listed export: name and description (empty if none), terminated and valid UTF-8, owned by
 * n until nego_list_next(). Valid with NEGO_LISTED. */
void nego_list_entry(const struct nego *n, const char **ret_name, const char **ret_description);
void nego_list_next(struct nego *n);

/* Why status is NEGO_FAILED: kind RETRY (a server that is shutting down or closes early),
 * PERMANENT (refusals and violations). NULL otherwise. */
const struct err *nego_err(const struct nego *n);

/* True if a refused session may still say ABORT: nego_send_buf() lends it even in NEGO_FAILED. */
