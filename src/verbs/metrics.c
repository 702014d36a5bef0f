/* SPDX-License-Identifier: MIT */
#include "verbs/metrics.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "supervise/fsm.h"

void metrics_add(struct metrics *m, const struct state *s)
{
	struct state *copy = malloc(sizeof(*copy));
	void *more = copy ? realloc(m->state, (m->n + 1) * sizeof(struct state *)) : NULL;

	if (!more) {
		free(copy);
		return;
	}
	*copy = *s;
	m->state = more;
	m->state[m->n++] = copy;
}

void metrics_done(struct metrics *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->state[i]);
	free(m->state);
	*m = (struct metrics){.n = 0};
}

/* The value of a label. The state's texts are printable, so that these two are all. */
static void label(FILE *out, const char *name, const char *value)
{
	fprintf(out, "%s=\"", name);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			fputc('\\', out);
		fputc(*value, out);
	}
	fputc('"', out);
}

static void family(FILE *out, const char *name, const char *type, const char *unit,
		   const char *help)
{
	fprintf(out, "# TYPE nbd_attach_%s %s\n", name, type);
	if (unit)
		fprintf(out, "# UNIT nbd_attach_%s %s\n", name, unit);
	fprintf(out, "# HELP nbd_attach_%s %s\n", name, help);
}

static void print_infos(const struct metrics *m, FILE *out)
{
	family(out, "device_info", "gauge", NULL, "The export that a device is attached to.");
	for (size_t i = 0; i < m->n; i++) {
		const struct state *s = m->state[i];

		fprintf(out, "nbd_attach_device_info{device=\"nbd%d\",", s->index);
		label(out, "name", s->stable_name);
		fputc(',', out);
		label(out, "uri", s->uri);
		fputc(',', out);
		label(out, "server", s->address);
		fputs("} 1\n", out);
	}
}

static void print_state(const struct state *s, const char *name, FILE *out)
{
	fprintf(out, "nbd_attach_state{device=\"nbd%d\",nbd_attach_state=\"%s\"} %d\n", s->index,
		name, strcmp(s->name, name) == 0);
}

static void print_states(const struct metrics *m, FILE *out)
{
	family(out, "state", "gauge", NULL, "The state of a device, as --status shows it.");
	for (size_t i = 0; i < m->n; i++) {
		for (int k = 0; k < FSM_STATES; k++)
			print_state(m->state[i], fsm_state_name((enum fsm_state)k), out);
		print_state(m->state[i], "unsupervised", out);
	}
}

/* Times are in ms here, and in seconds there. */
static double outage_seconds(const struct state *s)
{
	return s->outage_since ? (double)s->last_outage_ms / 1000 : 0;
}

static double value_of(const struct state *s, int which)
{
	switch (which) {
	case 0:
		return (double)s->size;
	case 1:
		return s->connections;
	case 2:
		return s->alive;
	case 3:
		return s->stalled;
	case 4:
		return outage_seconds(s);
	case 5:
		return s->outages;
	case 6:
		return (double)s->downtime_ms / 1000;
	case 7:
		return s->reconnects;
	case 8:
		return s->failovers;
	default:
		return (double)s->tls.peer_expires;
	}
}

static const struct {
	const char *name, *type, *unit, *suffix, *help;
	bool certificate; /* only where there is one */
} figures[] = {
    {"size_bytes", "gauge", "bytes", "", "The size of the device.", false},
    {"connections", "gauge", NULL, "", "The connections that the device has.", false},
    {"connections_alive", "gauge", NULL, "", "Those of them that are alive.", false},
    {"stalled", "gauge", NULL, "", "1 if requests wait for a server that is connected.", false},
    {"outage_seconds", "gauge", "seconds", "", "How long no connection has been alive; 0: one is.",
     false},
    {"outages", "counter", NULL, "_total", "Times without a connection.", false},
    {"downtime_seconds", "counter", "seconds", "_total", "The length of all outages.", false},
    {"reconnects", "counter", NULL, "_total", "Connections that were replaced.", false},
    {"failovers", "counter", NULL, "_total", "Times that another server took over.", false},
    {"certificate_expiry_timestamp_seconds", "gauge", "seconds", "",
     "When the server's certificate expires, in seconds since 1970.", true},
};

void metrics_print(const struct metrics *m, FILE *out)
{
	print_infos(m, out);
	print_states(m, out);
	for (int f = 0; f < (int)ARRAY_SIZE(figures); f++) {
		family(out, figures[f].name, figures[f].type, figures[f].unit, figures[f].help);
		for (size_t i = 0; i < m->n; i++)
			if (!figures[f].certificate || m->state[i]->tls.peer_expires)
				fprintf(out, "nbd_attach_%s%s{device=\"nbd%d\"} %.17g\n",
					figures[f].name, figures[f].suffix, m->state[i]->index,
					value_of(m->state[i], f));
	}
	fputs("# EOF\n", out);
}
