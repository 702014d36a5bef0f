/* SPDX-License-Identifier: MIT */
/*
 * The client's side of the NBD handshake (proto.md of NetworkBlockDevice/nbd) as a pure machine:
 * no descriptor, clock, allocation or printf, so nothing here blocks. The caller owns the struct
 * (plain bytes, nothing to free) and moves the bytes:
 *
 *	while (nego_status(n) == NEGO_IO)
 *		send what nego_send_buf() lends, nego_send_ack() what was sent; when it lends
 *		nothing, receive at most what nego_recv_buf() has room for, nego_recv_ack() it.
 *	send what nego_send_buf() still lends (the goodbye), as far as that works at once.
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
	NEGO_GOAL_GO, /* enter the transmission phase: GO, or EXPORT_NAME, or oldstyle */
	/*
	 * Describe one export, then say goodbye. For servers without INFO, and those that answer it
	 * with size 0, the machine uses EXPORT_NAME or GO and then disconnects with NBD_CMD_DISC.
	 */
	NEGO_GOAL_INFO,
	NEGO_GOAL_LIST, /* name every export, then say goodbye */
};

enum nego_status {
	NEGO_IO,       /* bytes must move */
	NEGO_STARTTLS, /* the server agreed: run TLS, then nego_tls_started() */
	NEGO_LISTED,   /* nego_list_entry() has one more export; nego_list_next() goes on */
	NEGO_DONE,     /* goal reached; the socket is at the first byte of what follows */
	NEGO_FAILED,   /* nego_err() has the reason; close the connection */
};

struct nego_config {
	enum nego_goal goal;
	const char *export_name; /* borrowed during nego_init() only; "" is the default export */
	bool tls;		 /* STARTTLS before anything else, or fail */
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

/*
 * Bytes to send, valid until the next call; *ret_len is 0 (and the result NULL) if none.
 *
 * With NEGO_DONE and NEGO_FAILED these are the goodbye that proto.md asks for where a session
 * ends without a violation: NBD_OPT_ABORT, or NBD_CMD_DISC if the server is in the transmission
 * phase already. No answer to it is awaited (proto.md lets a client close at once), so that a
 * server cannot stall a handshake that is over: send it, shut TLS down, close.
 */
const uint8_t *nego_send_buf(const struct nego *n, size_t *ret_len);
/* `len` bytes of that buffer have been sent: 0 to its length. */
void nego_send_ack(struct nego *n, size_t len);

/* Room for received bytes; *ret_len is 0 (and the result NULL) unless status is NEGO_IO and
 * nothing is left to send. */
uint8_t *nego_recv_buf(struct nego *n, size_t *ret_len);
/* `len` bytes have been put there: 1 to the room offered. */
void nego_recv_ack(struct nego *n, size_t len);
/* The peer closed or reset the connection: fails with a sentence that names what was awaited.
 * Without effect unless status is NEGO_IO. */
void nego_recv_eof(struct nego *n);

/* True if the server has refused a request that was then made again in a smaller form, and has not
 * answered that one. If the connection breaks now, nego_recv_eof() reports the refusal. */
bool nego_is_refused(const struct nego *n);

/* TLS is up (status was NEGO_STARTTLS): status becomes NEGO_IO, and every fact learnt in
 * plaintext is forgotten. If TLS fails, close the connection instead. */
void nego_tls_started(struct nego *n);

/* The export, owned by n. NULL unless status is NEGO_DONE and the goal is GO or INFO. */
const struct nbd_export *nego_export(const struct nego *n);

/*
 * For a caller that does not want the export after all (goal GO, status NEGO_DONE): nego_send_buf()
 * now lends NBD_CMD_DISC, the only clean way out of the transmission phase.
 */
void nego_decline(struct nego *n);

/* One listed export: name and description (empty if none), terminated and valid UTF-8, owned by
 * n until nego_list_next(). Valid with NEGO_LISTED. */
void nego_list_entry(const struct nego *n, const char **ret_name, const char **ret_description);
void nego_list_next(struct nego *n);

/* Why status is NEGO_FAILED: kind RETRY (a server that is shutting down or closes early),
 * PERMANENT (refusals and violations). NULL otherwise. Text from the server is in it escaped,
 * quoted and bounded. */
const struct err *nego_err(const struct nego *n);

/* Private from here on; here only so that callers can embed the struct. */
struct nego {
	enum nego_status status;
	enum nego_goal goal;
	bool tls;	    /* cfg.tls */
	bool tls_up;	    /* nego_tls_started() was called */
	bool transmission;  /* the server has entered the transmission phase */
	bool padded;	    /* the reply to EXPORT_NAME ends with 124 zeroes */
	bool frugal;	    /* asks for the block sizes alone */
	bool refused;	    /* err says why; the same request was sent again, with less in it */
	bool has_export;    /* NBD_INFO_EXPORT has come */
	unsigned int state; /* enum nego_state: the message that is awaited */
	uint32_t option;    /* NBD_OPT_* in flight */
	uint32_t reply;	    /* NBD_REP_* whose data is awaited */
	uint32_t want;	    /* length of the awaited message */
	uint32_t have;	    /* bytes of it received */
	uint32_t keep;	    /* its first bytes that stay in buf; the others are dropped */
	uint32_t infos;	    /* NBD_REP_INFO in answer to this option */
	uint32_t listed;    /* NBD_REP_SERVER so far */
	uint64_t total;	    /* bytes received or awaited in this session */
	size_t send_len;    /* buf holds bytes to send, */
	size_t send_off;    /* of which so many are gone */
	size_t name_len;
	char name[NBD_STRING_MAX + 1]; /* cfg.export_name */
	struct nbd_export export;      /* with goal LIST, name and description of one entry */
	struct err err;
	uint8_t buf[NEGO_BUFFER_SIZE]; /* the handshake is lockstep: one buffer serves both ways */
};

#endif
