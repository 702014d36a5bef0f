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

/* A figure of a device. Times are in ms in the state, and in seconds here. */
#define FIGURE(name, expression)                  \
	static double name(const struct state *s) \
	{                                         \
		return (double)(expression);      \
	}

FIGURE(size, s->size)
FIGURE(connections, s->connections)
FIGURE(alive, s->alive)
FIGURE(stalled, s->stalled)
FIGURE(leaving, s->leaving)
FIGURE(errors, s->errors)
FIGURE(outage, s->outage_since ? (double)s->last_outage_ms / 1000 : 0)
FIGURE(outages, s->outages)
FIGURE(downtime, (double)s->downtime_ms / 1000)
FIGURE(reconnects, s->reconnects)
FIGURE(failovers, s->failovers)
FIGURE(expiry, s->tls.peer_expires)

/* Where a figure has a meaning. Elsewhere it has no row: 0 would be a statement. */
enum presence { ALWAYS, SUPERVISED, LOGGED, CERTIFIED };

static bool is_present(enum presence presence, const struct state *s)
{
	switch (presence) {
	case ALWAYS:
		return true;
	case SUPERVISED:
		return s->pid != 0;
	case LOGGED:
		return s->pid != 0 && s->errors >= 0;
	case CERTIFIED:
		return s->tls.peer_expires != 0;
	}
	return false;
}

static const struct {
	const char *name, *type, *unit, *suffix, *help;
	double (*value)(const struct state *s);
	enum presence presence;
} figures[] = {
    {"size_bytes", "gauge", "bytes", "", "The size of the device.", size, ALWAYS},
    {"connections", "gauge", NULL, "", "The connections that the device has.", connections,
     SUPERVISED},
    {"connections_alive", "gauge", NULL, "", "Those of them that are alive.", alive, SUPERVISED},
    {"stalled", "gauge", NULL, "", "1 if requests wait for a server that is connected.", stalled,
     SUPERVISED},
    {"server_leaving", "gauge", NULL, "", "1 if the server says that it is shutting down.", leaving,
     LOGGED},
    {"error_replies", "counter", NULL, "_total", "Requests that the server answered with an error.",
     errors, LOGGED},
    {"outage_seconds", "gauge", "seconds", "", "How long no connection has been alive; 0: one is.",
     outage, SUPERVISED},
    {"outages", "counter", NULL, "_total", "Times without a connection.", outages, SUPERVISED},
    {"downtime_seconds", "counter", "seconds", "_total", "The length of all outages.", downtime,
     SUPERVISED},
    {"reconnects", "counter", NULL, "_total", "Connections that were replaced.", reconnects,
     SUPERVISED},
    {"failovers", "counter", NULL, "_total", "Times that another server took over.", failovers,
     SUPERVISED},
    {"certificate_expiry_timestamp_seconds", "gauge", "seconds", "",
     "When the server's certificate expires, in seconds since 1970.", expiry, CERTIFIED},
};

void metrics_print(const struct metrics *m, FILE *out)
{
	print_infos(m, out);
	print_states(m, out);
	for (size_t f = 0; f < ARRAY_SIZE(figures); f++) {
		family(out, figures[f].name, figures[f].type, figures[f].unit, figures[f].help);
		for (size_t i = 0; i < m->n; i++)
			if (is_present(figures[f].presence, m->state[i]))
				fprintf(out, "nbd_attach_%s%s{device=\"nbd%d\"} %.17g\n",
					figures[f].name, figures[f].suffix, m->state[i]->index,
					figures[f].value(m->state[i]));
	}
	fputs("# EOF\n", out);
}
