/* SPDX-License-Identifier: MIT */
#include "supervise/reconnect/targets.h"

#include <string.h>

#include "base/cleanup.h"

#define FAILURES_MAX   8    /* the bound of `failures`; a wrong server gets it at once */
#define PATIENCE_MS    2000 /* ms in the first round; doubles with each round */
#define PATIENCE_GROWS 8    /* number of rounds in which it doubles */

const char *const failback_words[] = {
    [FAILBACK_NEVER] = "never",
    [FAILBACK_AT_LOSS] = "at-loss",
    NULL,
};

void targets_init(struct targets *t, const struct endpoint *const *endpoints, size_t n,
		  enum failback failback)
{
	*t = (struct targets){.n = n, .failback = failback, .touched = 1};
	for (size_t i = 0; i < n; i++) {
		t->item[i].endpoint = endpoints[i];
		t->item[i].unix_uid = (uid_t)-1;
	}
}

/* Smaller: sooner. */
static unsigned rank(const struct targets *t, size_t i)
{
	if (t->failback == FAILBACK_AT_LOSS && i == 0)
		return 0;
	if (t->serving == (int)i)
		return 1;
	return 2 + t->item[i].failures;
}

static void begin_round(struct targets *t)
{
	for (size_t i = 0; i < t->n; i++) {
		size_t k = i;

		for (; k > 0 && rank(t, t->order[k - 1]) > rank(t, i); k--)
			t->order[k] = t->order[k - 1];
		t->order[k] = i;
	}
	t->at = 0;
	t->aimed = t->order[0];
	t->rounds++;
}

void targets_begin(struct targets *t)
{
	t->rounds = 0;
	begin_round(t);
}

bool targets_next(struct targets *t)
{
	if (++t->at >= t->n) {
		begin_round(t);
		return true;
	}
	t->aimed = t->order[t->at];
	return false;
}

void targets_failed(struct targets *t, bool wrong)
{
	struct target *target = targets_aimed(t);

	if (wrong)
		target->failures = FAILURES_MAX;
	else if (target->failures < FAILURES_MAX)
		target->failures++;
}

static uint32_t bit(size_t number)
{
	return UINT32_C(1) << number;
}

int targets_find(const struct targets *t, const char *uri)
{
	for (size_t i = 0; i < t->n; i++) {
		_cleanup_free_ char *known = endpoint_uri(t->item[i].endpoint);

		if (known && strcmp(known, uri) == 0)
			return (int)i;
	}
	return -1;
}

void targets_take_over(struct targets *t, int serving)
{
	t->serving = serving;
	t->touched = serving < 0 ? bit(t->n) - 1 : bit((size_t)serving);
	t->aimed = serving < 0 ? 0 : (size_t)serving;
}

void targets_hand_over(struct targets *t)
{
	t->serving = (int)t->aimed;
	t->touched |= bit(t->aimed);
}

void targets_healed(struct targets *t)
{
	targets_aimed(t)->failures = 0;
	for (size_t i = 0; i < t->n; i++) {
		news_forget(&t->item[i].refusals);
		news_forget(&t->item[i].failures_said);
	}
}

uint32_t targets_patience(const struct targets *t, uint32_t most_ms)
{
	unsigned doublings = t->rounds ? t->rounds - 1 : 0;
	uint32_t ms = PATIENCE_MS << (doublings < PATIENCE_GROWS ? doublings : PATIENCE_GROWS);

	return ms < most_ms ? ms : most_ms;
}

uint32_t targets_to_fence(const struct targets *t)
{
	return t->touched & ~bit(t->aimed);
}

void targets_fenced(struct targets *t, size_t number)
{
	t->touched &= ~bit(number);
}
