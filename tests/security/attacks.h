/* SPDX-License-Identifier: MIT */
/*
 * What a helper would try if a server had taken it over. Each attack is a function that says
 * whether it succeeded. It runs in its own process: inside a confined helper, where it must fail,
 * and outside, where it must succeed, or its failure would prove nothing.
 *
 * The board is memory that all processes of a test share: the targets and the outcomes.
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

/* The process that the attacker replaces. Each kind has its own list of attacks. */
enum kind {
	KIND_WORKER,   /* a handshake in plain text */
	KIND_TLS,      /* a handshake with TLS */
	KIND_RELAY,    /* a worker that has become a relay: it outlives the supervisor */
	KIND_RESOLVER, /* looks up names */
	KIND_KEYS,     /* reads certificates and keys */
	KIND_ZYGOTE,   /* workers are copies of it */
	KIND_SERVER,   /* a captive server with --user: not confined, but another user */
	KIND_USER,     /* an ordinary user of this machine */
	KIND_CONTROL,  /* the caller itself, outside any helper */
	KINDS
};

enum outcome {
	OUTCOME_NONE,
	OUTCOME_DENIED,
	OUTCOME_KILLED, /* by the seccomp filter */
	OUTCOME_SUCCEEDED,
	OUTCOME_BROKEN, /* ended in a way that proves nothing */
};

/* The stack canary and the addresses of a process, which must differ between processes. */
struct layout {
	pid_t pid;
	uint8_t kind;
	uintptr_t text, stack, library, canary;
};

struct board {
	/* The test sets these. */
	uint32_t round;
	bool by_user; /* the round's user is not root: only attacks that such a user can make count
		       */
	char terminal[32]; /* path of the caller's terminal */
	char secret[64];   /* a file of the caller that no other user may read */
	char lock[64], control[64];
	pid_t victim; /* runs as the helpers' user */
	pid_t helper; /* a helper of root; 0: none */
	struct sockaddr_in tcp;
	uint32_t answer; /* the helper gives this malformed answer; 0: its real one */
	bool relays;	 /* relays attack */

	/* Processes set these. */
	pid_t caller;	 /* of nbd-attach itself */
	uintptr_t probe; /* address of 8 bytes in the caller's memory */
	uint32_t layouts;
	struct layout layout[LAYOUTS_MAX];
	uint8_t begun[ROUNDS_MAX][KINDS], done[ROUNDS_MAX][KINDS];
	uint8_t outcome[ROUNDS_MAX][KINDS][ATTACKS_MAX];
	int32_t status[ROUNDS_MAX][KINDS][ATTACKS_MAX];
	uint32_t relay_next; /* index in the list of relays.c */
	uint8_t relay_outcome[ATTACKS_MAX];
};

extern struct board *board; /* NULL: not in a test */

/* What an attacker also knows; set before it is confined. */
struct attacker {
	pid_t parent;	/* the supervisor or the command */
	int channel;	/* its socket pair */
	int socket;	/* connected to the server; 0: none, the attacker tries to make one */
	uint64_t given; /* a bit for each descriptor that the helper got */
};

extern struct attacker attacker;

struct attack {
	const char *name;
	bool (*run)(void);
	unsigned from; /* a bit for each enum kind from which it must fail */
	bool user_can; /* an ordinary user could do it, but that user's helpers must not */
};

extern const struct attack attacks[];
extern const size_t n_attacks;

#endif
