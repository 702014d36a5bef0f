/* SPDX-License-Identifier: MIT */
/*
 * What a helper that a server has taken over would try. Each attack is a function that says whether
 * it succeeded. It runs in a process of its own: in a helper, after the helper has confined itself,
 * where it must fail; and outside, where it must succeed, or its failure would prove nothing.
 *
 * The board is memory that all processes of a test share: what to attack, and what came of it.
 */
#ifndef SECURITY_ATTACKS_H
#define SECURITY_ATTACKS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define BOARD	     "/run/nbd-security/board"
#define ROUNDS_MAX   16
#define ATTACKS_MAX  96
#define LAYOUTS_MAX  64
#define PROBE_LENGTH 8

/* Whose place the attacker has. Each has its own list. */
enum kind {
	KIND_WORKER,   /* a handshake in plain text */
	KIND_TLS,      /* a handshake with TLS */
	KIND_RELAY,    /* the same, later: it outlives the supervisor */
	KIND_RESOLVER, /* looks names up */
	KIND_KEYS,     /* reads certificates and keys */
	KIND_ZYGOTE,   /* workers are copies of it */
	KIND_SERVER,   /* a captive server with --user: not confined, but another user */
	KIND_USER,     /* somebody on this machine */
	KIND_CONTROL,  /* the caller itself, outside any helper */
	KINDS
};

enum outcome {
	OUTCOME_NONE,
	OUTCOME_DENIED,
	OUTCOME_KILLED, /* by the filter */
	OUTCOME_SUCCEEDED,
	OUTCOME_BROKEN, /* ended in a way that says nothing */
};

/* Of which stack canaries and the like are made, and where things lie. */
struct layout {
	pid_t pid;
	uint8_t kind;
	uintptr_t text, stack, library, canary;
};

struct board {
	/* The test sets these. */
	uint32_t round;
	bool by_user;	   /* the round's caller is not root: only what such a user can do counts */
	char terminal[32]; /* the caller's, by path */
	char secret[64];   /* a file of the caller's that nobody else may read */
	char lock[64], control[64];
	pid_t victim; /* runs as the helpers' user */
	pid_t helper; /* a helper of root's; 0: none */
	struct sockaddr_in tcp;
	uint32_t answer; /* the helper gives this malformed answer; 0: its own */
	bool relays;	 /* relays attack */

	/* Processes set these. */
	pid_t caller;	 /* of nbd-attach itself */
	uintptr_t probe; /* in its memory: 8 bytes */
	uint32_t layouts;
	struct layout layout[LAYOUTS_MAX];
	uint8_t begun[ROUNDS_MAX][KINDS], done[ROUNDS_MAX][KINDS];
	uint8_t outcome[ROUNDS_MAX][KINDS][ATTACKS_MAX];
	int32_t status[ROUNDS_MAX][KINDS][ATTACKS_MAX];
	uint32_t relay_next; /* in the list of relays.c */
	uint8_t relay_outcome[ATTACKS_MAX];
};

extern struct board *board; /* NULL: this is no test */

/* What an attacker has besides: set before it is confined. */
struct attacker {
	pid_t parent;	/* the supervisor, or whoever asked */
	int channel;	/* its socket pair */
	int socket;	/* that leads to the server; 0: none, it tries to make one */
	uint64_t given; /* a bit for each descriptor that it was given */
};

extern struct attacker attacker;

struct attack {
	const char *name;
	bool (*run)(void);
	unsigned from; /* a bit for each enum kind from which it must fail */
	bool user_can; /* an ordinary user could do it, so that a user's helpers must not */
};

extern const struct attack attacks[];
extern const size_t n_attacks;

#endif
