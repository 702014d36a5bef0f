/* SPDX-License-Identifier: MIT */
/*
 * Attacks in a real relay, which has the server's and the kernel's socket. A relay cannot fork
 * copies of itself, so each relay makes one attack instead of its work and ends. The device
 * reconnects, and the next relay makes the next attack. The relay after the last attack works.
 */
#include "relays.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "attacks.h"
#include "worker/relay.h"

struct relay *__real_relay_new(const struct relay_config *cfg);
struct relay *__wrap_relay_new(const struct relay_config *cfg);
void __real_relay_run(struct relay *r);
void __wrap_relay_run(struct relay *r);

enum which { SERVER, KERNEL };

static const struct {
	const char *attack; /* in attacks[] */
	enum which which;   /* the socket that it uses, if it uses one */
} list[] = {
    {"connect a socket elsewhere", SERVER},
    {"aim a socket's signals", SERVER},
    {"aim a socket's signals", KERNEL},
    {"choose a socket's signal", SERVER},
    {"choose a socket's signal", KERNEL},
    {"aim a socket's signals by ioctl", SERVER},
    {"aim a socket's signals by ioctl", KERNEL},
    {"pass a descriptor to the supervisor", KERNEL},
    {"signal a process of the same user", SERVER},
    {"connect by TCP", SERVER},
    {"read a file of the caller's", SERVER},
    {"map code", SERVER},
    {"become traceable", SERVER},
    {"have another descriptor", SERVER},
};

#define N (sizeof(list) / sizeof(list[0]))

static int sockets[2];

static const struct attack *find(const char *name)
{
	for (size_t i = 0; i < n_attacks; i++)
		if (strcmp(attacks[i].name, name) == 0)
			return &attacks[i];
	return NULL;
}

struct relay *__wrap_relay_new(const struct relay_config *cfg)
{
	sockets[SERVER] = cfg->sock;
	sockets[KERNEL] = cfg->kernel;
	return __real_relay_new(cfg);
}

void __wrap_relay_run(struct relay *r)
{
	uint32_t i = board && board->relays
			 ? __atomic_fetch_add(&board->relay_next, 1, __ATOMIC_SEQ_CST)
			 : N;
	const struct attack *a = i < N ? find(list[i].attack) : NULL;

	if (!a) {
		__real_relay_run(r);
		return;
	}
	board->relay_outcome[i] = OUTCOME_KILLED; /* unless the attack returns */
	attacker.channel = sockets[list[i].which];
	attacker.socket = sockets[SERVER];
	attacker.given = 0xf | 1ULL << sockets[SERVER] | 1ULL << sockets[KERNEL];
	board->relay_outcome[i] = (uint8_t)(a->run() ? OUTCOME_SUCCEEDED : OUTCOME_DENIED);
	_exit(0);
}

int relays_report(void)
{
	static const char *const words[] = {"not tried", "denied", "killed", "SUCCEEDED"};
	int bad = 0;

	for (size_t i = 0; i < N; i++) {
		uint8_t o = board->relay_outcome[i];

		printf("%s: %s\n", list[i].attack, o < 4 ? words[o] : "?");
		bad |= !find(list[i].attack) || (o != OUTCOME_DENIED && o != OUTCOME_KILLED);
	}
	return bad;
}
