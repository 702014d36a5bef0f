/* SPDX-License-Identifier: MIT */
/*
 * Puts the attackers into nbd-attach: this file and attacks.c are linked with the program's own
 * objects (security.mk), with sandbox_enter() wrapped. They are never in the shipped program. When
 * a helper is about to confine itself, it forks a copy of itself for each attack. The copy confines
 * itself in the same way and then attacks. Without a board nothing happens.
 *
 * `nbd-attach attack VERB ...` are commands for attacks.sh; see there.
 */
#include "attacks.h"

#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "answers.h"
#include "verbs.h"
#include "worker/sandbox.h"

#define SUCCEEDED 42
#define DENIED	  43
#define SETUP	  44

#define CHANNEL	       3 /* see base/process.c */
#define OUT_OF_THE_WAY 20

int __real_sandbox_enter(const struct sandbox *s, enum sandbox_profile profile, pid_t parent,
			 struct err *err);
int __wrap_sandbox_enter(const struct sandbox *s, enum sandbox_profile profile, pid_t parent,
			 struct err *err);

static char probe[PROBE_LENGTH];

static bool noted; /* forked copies inherit it: they have the same memory layout */

static void note_layout(uint8_t kind)
{
	uint32_t i = __atomic_fetch_add(&board->layouts, 1, __ATOMIC_RELAXED);
	struct layout l = {.pid = getpid(), .kind = kind};

	noted = true;
	if (i >= LAYOUTS_MAX)
		return;
	l.text = (uintptr_t)note_layout;
	l.stack = (uintptr_t)&l;
	l.library = (uintptr_t)gnu_get_libc_version();
#if defined(__x86_64__)
	__asm__("mov %%fs:0x28, %0" : "=r"(l.canary));
#endif
	board->layout[i] = l;
}

/* Evaluates an attacker's wait status. Programs that an attacker executes exit with 0. */
static enum outcome judge(int status)
{
	/* By the seccomp filter, or because a file would have grown. */
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGSYS || WTERMSIG(status) == SIGXFSZ ? OUTCOME_KILLED
										 : OUTCOME_BROKEN;
	switch (WEXITSTATUS(status)) {
	case 0:
	case SUCCEEDED:
		return OUTCOME_SUCCEEDED;
	case DENIED:
		return OUTCOME_DENIED;
	default:
		return OUTCOME_BROKEN;
	}
}

struct place {
	enum kind kind;
	const struct sandbox *sandbox; /* NULL: not confined */
	enum sandbox_profile profile;
};

static void __attribute__((noreturn)) attack(const struct place *place, const struct attack *a)
{
	struct err err;

	/* A blocked attack has not succeeded, but it was not denied, either. */
	alarm(20);
	if (place->sandbox &&
	    __real_sandbox_enter(place->sandbox, place->profile, getppid(), &err) < 0) {
		fprintf(stderr, "%s\n", err.message);
		_exit(SETUP);
	}
	/* As in worker.c when a worker becomes a relay. */
	if (place->kind == KIND_RELAY && prctl(PR_SET_PDEATHSIG, 0) < 0)
		_exit(SETUP);
	_exit(a->run() ? SUCCEEDED : DENIED);
}

static void run_one(const struct place *place, size_t i)
{
	uint32_t round = board->round;
	int fds[2], here, there, status = -1;
	pid_t pid;

	/* Replaces the real channel, which would receive what pass_descriptor() sends. */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return;
	here = fcntl(fds[0], F_DUPFD_CLOEXEC, OUT_OF_THE_WAY);
	there = fcntl(fds[1], F_DUPFD_CLOEXEC, OUT_OF_THE_WAY);
	close(fds[0]);
	close(fds[1]);
	pid = fork();
	if (pid == 0) {
		dup2(here, CHANNEL);
		close(here);
		close(there);
		attacker.channel = CHANNEL;
		attack(place, &attacks[i]);
	}
	waitpid(pid, &status, 0);
	close(here);
	close(there);
	board->status[round][place->kind][i] = status;
	board->outcome[round][place->kind][i] = (uint8_t)judge(status);
}

/* Runs the attacks that must fail for this kind, or all of them as a control. */
static void run_all(const struct place *place)
{
	unsigned bit = 1U << place->kind;

	for (size_t i = 0; i < n_attacks; i++)
		if ((attacks[i].from & bit || place->kind == KIND_CONTROL) &&
		    (attacks[i].user_can || !board->by_user))
			run_one(place, i);
	board->done[board->round][place->kind] = 1;
}

void attack_unconfined(enum kind kind)
{
	const struct place place = {.kind = kind};

	run_all(&place);
}

/* In another process that the helper does not wait for. */
static void start_attackers(const struct place *place)
{
	if (__atomic_exchange_n(&board->begun[board->round][place->kind], 1, __ATOMIC_SEQ_CST))
		return;
	attacker.parent = getppid();
	board->caller = getppid();
	attacker.given = place->kind == KIND_KEYS ? 0xfff : 0xf;
	if (fork() == 0) {
		run_all(place);
		_exit(0);
	}
}

int __wrap_sandbox_enter(const struct sandbox *s, enum sandbox_profile profile, pid_t parent,
			 struct err *err)
{
	static const struct {
		enum sandbox_profile profile;
		enum kind kind;
	} kinds[] = {
	    {SANDBOX_HANDSHAKE, KIND_WORKER}, {SANDBOX_TLS, KIND_TLS},
	    {SANDBOX_TLS, KIND_RELAY},	      {SANDBOX_RESOLVE, KIND_RESOLVER},
	    {SANDBOX_KEYS, KIND_KEYS},	      {SANDBOX_ZYGOTE, KIND_ZYGOTE},
	};

	for (size_t i = 0; board && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const struct place place = {kinds[i].kind, s, profile};

		if (kinds[i].profile != profile)
			continue;
		if (!noted)
			note_layout((uint8_t)kinds[i].kind);
		if (board->round < ROUNDS_MAX)
			start_attackers(&place);
	}
	if (board && board->answer)
		answer_badly(CHANNEL, profile, board->answer);
	return __real_sandbox_enter(s, profile, parent, err);
}

static void find_board(void)
{
	int fd = open(BOARD, O_RDWR | O_CLOEXEC);
	void *map;

	if (fd < 0)
		return;
	map = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (map != MAP_FAILED)
		board = map;
}

static void __attribute__((constructor)) begin(int argc, char **argv)
{
	bool helper = argc == 2 && strncmp(argv[1], "--helper=", 9) == 0;

	find_board();
	if (board && argc > 2 && strcmp(argv[1], "attack") == 0) {
		board->probe = (uintptr_t)probe;
		exit(attack_verb(argc - 2, argv + 2));
	}
	if (!board || helper)
		return;
	board->probe = (uintptr_t)probe;
	note_layout(KIND_CONTROL);
}
