/* SPDX-License-Identifier: MIT */
/*
 * Connections without a descriptor, of a device that was taken over: handles what the kernel or a
 * probe reports about them.
 */
#include "supervise/watch/links-private.h"

#include <errno.h>

/* ms: the driver notices the end of a connection much sooner. */
#define INSISTS_MS 2000

int links_add_foreign(struct links *l, const struct diag_socket *id)
{
	if (l->n == LINKS_MAX)
		return -ENOSPC;
	l->fd[l->n] = -1;
	l->link[l->n] = (struct link){.foreign = true};
	if (id)
		l->link[l->n].id = *id;
	l->n++;
	return 0;
}

unsigned links_blind(const struct links *l)
{
	unsigned n = 0;

	for (size_t i = 0; i < l->n; i++)
		n += link_is_blind(&l->link[i]);
	return n;
}

void links_expect(struct links *l, unsigned wanted)
{
	if (links_blind(l) && wanted > l->n)
		l->presumed = wanted - (unsigned)l->n;
	l->wanted = wanted > l->n ? wanted : (unsigned)l->n;
}

void links_found_ended(struct links *l, size_t i, enum diag_answer answer)
{
	struct diag_socket id = l->link[i].id;
	const char *why = "the connection has ended";

	links_take_out(l, i);
	switch (answer) {
	case DIAG_SHUT:
		why = "the driver has ended the connection";
		links_inherit_foreign(l, &id);
		break;
	case DIAG_UNKNOWN:
		links_bury(l, -1, ENDED_PRESUMED, ENDED_SETTLE_MS);
		break;
	case DIAG_GONE:
		links_bury(l, -1, ENDED_VANISHED, ENDED_SETTLE_MS);
		break;
	case DIAG_DEAD:
		if (l->inherits_relays && !id.local.ss_family)
			links_bury(l, -1, ENDED_VANISHED, ENDED_SETTLE_MS);
		break;
	case DIAG_ALIVE:
		break;
	}
	l->fn(links_alive(l), why, l->arg);
}

/* A connection that cannot be examined, if there is one. */
static void presume_dead(struct links *l)
{
	for (size_t i = l->n; i-- > 0;) {
		if (!link_is_blind(&l->link[i]))
			continue;
		l->presumed++;
		links_found_ended(l, i, DIAG_UNKNOWN);
		return;
	}
}

void links_kernel_says_dead(struct links *l)
{
	struct tcp_info info;
	int seen = 0; /* dead ones that the loop is about to remove */
	enum diag_answer answer;

	for (size_t i = l->n; i-- > 0;) {
		answer = links_ask(l, i, &info);
		if (!links_has_ended(answer))
			continue;
		if (l->link[i].foreign)
			links_found_ended(l, i, answer);
		else
			seen++;
	}
	if (links_untold(l, 0) + seen > 0)
		links_untold(l, -1);
	else if (l->probing)
		l->held_back++;
	else
		presume_dead(l);
}

/* A connection that lives after all need not settle. */
static void forget_presumed(struct links *l)
{
	for (size_t i = l->n_ended; i-- > 0;)
		if (l->ended[i].how == ENDED_PRESUMED)
			l->ended[i] = l->ended[--l->n_ended];
}

void links_kernel_says_alive(struct links *l)
{
	forget_presumed(l);
	while (l->presumed > 0 && l->n < l->wanted && links_add_foreign(l, NULL) == 0)
		l->presumed--;
	l->presumed = 0;
}

void links_kernel_insists(struct links *l, uint64_t now)
{
	if (l->last_death && now - l->last_death < INSISTS_MS)
		return;
	while (l->n < l->wanted && links_add_foreign(l, NULL) == 0)
		;
}

void links_probe_begins(struct links *l)
{
	l->probing = true;
	l->held_back = 0;
}

/*
 * A probe that finds a dead connection gives it a socket that dies at once, and the kernel reports
 * that, too. The dead connection may be one that is known to be dead, or one whose end was reported
 * meanwhile.
 */
void links_probe_ends(struct links *l, bool dead)
{
	unsigned told = l->held_back;

	l->probing = false;
	if (dead && told > 0)
		told--;
	else if (dead)
		links_untold(l, 1);
	if (dead && told == 0 && l->n >= l->wanted)
		told = 1;
	while (told-- > 0)
		presume_dead(l);
}
