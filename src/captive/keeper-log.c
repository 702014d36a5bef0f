/* SPDX-License-Identifier: MIT */
#include "captive/keeper-log.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

void keeper_log_init(struct keeper_log *l, keeper_log_fn *fn, void *arg)
{
	*l = (struct keeper_log){.fn = fn, .arg = arg};
}

/*
 * Begins a new period when the old one has passed, and logs how many lines were left out in that.
 */
static void turn(struct keeper_log *l, uint64_t now)
{
	char text[64];

	if (l->since && now - l->since < KEEPER_LOG_PERIOD)
		return;
	if (l->dropped) {
		snprintf(text, sizeof(text), "(%u more lines were left out)", l->dropped);
		l->fn(text, l->arg);
	}
	l->since = now;
	l->lines = 0;
	l->dropped = 0;
}

static void take_line(struct keeper_log *l, uint64_t now)
{
	char line[sizeof(l->last)];
	struct text t;

	while (l->len && (l->line[l->len - 1] == '\r' || l->line[l->len - 1] == ' '))
		l->len--;
	if (l->len == 0)
		return;
	text_init(&t, line, sizeof(line));
	text_escape(&t, l->line, l->len, sizeof(l->line));
	l->len = 0;
	/* "Try `qemu-nbd --help' for more information" follows the line that tells why. */
	if (!l->last[0] || !strstr(line, "--help"))
		memcpy(l->last, line, sizeof(line));
	turn(l, now);
	if (l->lines++ < KEEPER_LOG_LINES)
		l->fn(line, l->arg);
	else
		l->dropped++;
}

void keeper_log_add(struct keeper_log *l, const char *bytes, size_t n, uint64_t now)
{
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] == '\n')
			take_line(l, now);
		else if (l->len < sizeof(l->line))
			l->line[l->len++] = bytes[i];
	}
}

void keeper_log_end(struct keeper_log *l, uint64_t now)
{
	take_line(l, now);
}
