/* SPDX-License-Identifier: MIT */
/*
 * The messages between two supervisors when one hands its device over to the other, on a
 * connection to the control socket (requests/control.h) after the request `give VERSION`:
 *
 *   OFFER   from the one in charge: which attachment, and the name of each descriptor that comes
 *           with the message (SCM_RIGHTS)
 *   READY   from the other: it has everything that it needs
 *   COMMIT  from the one in charge: from now on the other one is in charge
 *
 * Before COMMIT the one in charge may answer with a sentence instead, as it answers a command. A
 * message is a packet of its own: a header of 16 bytes with its version and its length, then what
 * its type needs. All numbers are big-endian. Pure: memory alone.
 */
#ifndef SUPERVISE_SUCCESSION_MESSAGES_H
#define SUPERVISE_SUCCESSION_MESSAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGES_VERSION  1u
#define MESSAGES_MAX	  4096 /* bytes of a packet */
#define MESSAGES_FDS_MAX  40 /* descriptors: 16 connections, as many that have ended, and others */
#define MESSAGES_NAME_MAX 64 /* bytes with the NUL, of a descriptor's name */

/* Names of descriptors; those of connections are in runtime/linkname.h. */
#define GIVEN_DEVICE	 "lock-device"
#define GIVEN_IDENTIFIER "lock-identifier"
#define GIVEN_NAME	 "lock-name"
#define GIVEN_MARK	 "mark"

enum message_type { MESSAGE_OFFER = 1, MESSAGE_READY = 2, MESSAGE_COMMIT = 3 };

struct offer {
	int index;	     /* of /dev/nbdN */
	uint64_t attachment; /* sysfs_attachment() */
	uint64_t size;	     /* bytes */
	uint16_t flags;	     /* NBD_TX_* as given to the kernel */
	bool suspects;	     /* true: the kernel's timeouts may not be those that were configured */
	size_t n;	     /* descriptors */
	char name[MESSAGES_FDS_MAX][MESSAGES_NAME_MAX];
};

/* False: the packet is an answer in text, or unknown. */
bool messages_is_one(const uint8_t *packet, size_t len);

/* Writes one; `offer` is for MESSAGE_OFFER, and else NULL. The packet has room for MESSAGES_MAX;
 * its length. */
size_t messages_write(enum message_type type, const struct offer *offer, uint8_t *packet);

/*
 * Reads one that came with n_fds descriptors. 0 with *ret_type, and *ret_offer for MESSAGE_OFFER;
 * -EPROTONOSUPPORT for another version, -EBADMSG if it is not exactly such a message.
 */
int messages_read(const uint8_t *packet, size_t len, size_t n_fds, enum message_type *ret_type,
		  struct offer *ret_offer);

#endif
