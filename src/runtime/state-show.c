/* SPDX-License-Identifier: MIT */
/* The state of a device for people and for programs. */
#include "runtime/state-private.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "nbd/export.h"

char *size_text(uint64_t bytes, char *buf, size_t len)
{
	static const char *const unit[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	size_t i = 0;

	while (bytes && bytes % 1024 == 0 && i + 1 < ARRAY_SIZE(unit)) {
		bytes /= 1024;
		i++;
	}
	snprintf(buf, len, "%" PRIu64 " %s", bytes, unit[i]);
	return buf;
}

static void print_link(const struct state_link *l, FILE *out)
{
	if (l->local[0])
		fprintf(out,
			"  %-12s %s -> %s, RTT %u.%03u ms, %u retransmitted, %" PRIu64
			" bytes sent, %" PRIu64 " received\n",
			"link", l->local, l->peer, l->rtt_us / 1000, l->rtt_us % 1000,
			l->retransmits, l->sent, l->received);
}

char *expiry_text(int64_t when, char *buf, size_t len)
{
	time_t seconds = (time_t)when;
	char date[64] = "?";
	struct tm tm;

	if (localtime_r(&seconds, &tm))
		strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
	snprintf(buf, len, "until %s%s", date,
		 when < time(NULL)			    ? ", EXPIRED"
		 : when - time(NULL) < STATE_EXPIRY_WARNING ? ", EXPIRES SOON"
							    : "");
	return buf;
}

static void print_expiry(const char *label, const char *subject, int64_t when, FILE *out)
{
	char text[96];

	if (when)
		fprintf(out, "  %-12s %s%s%s\n", label, subject, subject[0] ? ", " : "",
			expiry_text(when, text, sizeof(text)));
}

static void print_tls(const struct state_tls *tls, FILE *out)
{
	if (tls->version[0])
		fprintf(out, "  %-12s %s, %s, by %s%s\n", "TLS", tls->version, tls->cipher,
			tls->relay ? "a relay" : "the kernel",
			tls->unverified ? ", THE SERVER IS NOT VERIFIED" : "");
	else if (tls->relay)
		fprintf(out, "  %-12s without TLS\n", "relay");
	print_expiry("certificate", tls->peer, tls->peer_expires, out);
	print_expiry("ours", "", tls->own_expires, out);
}

static void print_errors(const struct state *s, FILE *out)
{
	time_t seconds = (time_t)s->error_at;
	char date[64] = "?";
	struct tm tm;

	if (s->leaving)
		fprintf(out, "  %-12s server leaving: it says that it is shutting down\n",
			"errors");
	if (s->errors == 0 || s->pid == 0)
		return;
	if (s->errors < 0) {
		fprintf(out, "  %-12s unknown: the kernel's log cannot be read\n", "errors");
		return;
	}
	if (localtime_r(&seconds, &tm))
		strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
	fprintf(out, "  %-12s %" PRId64 "%s, the last %s at %s\n", "errors", s->errors,
		s->errors_missed ? " or more" : "", s->error_name, date);
}

enum terminal_look state_look(const char *name)
{
	static const struct {
		const char *name;
		enum terminal_look look;
	} looks[] = {
	    {"attached,stalled", TERMINAL_WARNING},
	    {"attached", TERMINAL_GOOD},
	    {"lost", TERMINAL_BAD},
	    {"refused", TERMINAL_BAD},
	    {"held", TERMINAL_BAD},
	    {"expired", TERMINAL_BAD},
	    {"degraded", TERMINAL_WARNING},
	    {"healing", TERMINAL_WARNING},
	    {"waiting", TERMINAL_WARNING},
	    {"unsupervised", TERMINAL_WARNING},
	};

	for (size_t i = 0; i < ARRAY_SIZE(looks); i++)
		if (strncmp(name, looks[i].name, strlen(looks[i].name)) == 0)
			return looks[i].look;
	return TERMINAL_PLAIN;
}

void state_print(const struct state *s, FILE *out)
{
	char value[STATE_TEXT_MAX], size[64], since[64] = "";
	time_t seconds = (time_t)s->since;
	struct tm tm;

	if (s->since && localtime_r(&seconds, &tm))
		strftime(since, sizeof(since), " since %Y-%m-%d %H:%M:%S", &tm);
	fprintf(out, "/dev/nbd%d: %s%s%s%s\n", s->index, terminal_begin(out, state_look(s->name)),
		s->name, terminal_end(out, state_look(s->name)), since);
	fprintf(out, "  %-12s %s\n", "size", size_text(s->size, size, sizeof(size)));
	if (s->connections)
		fprintf(out, "  %-12s %u, alive %u\n", "connections", s->connections, s->alive);
	if (s->outage_since)
		fprintf(out, "  %-12s for %" PRIu64 ".%" PRIu64 " s: %s\n", "outage",
			s->last_outage_ms / 1000, s->last_outage_ms / 100 % 10, s->outage_cause);
	else if (s->outages)
		fprintf(out, "  %-12s %u, the last of %" PRIu64 ".%" PRIu64 " s: %s\n", "outages",
			s->outages, s->last_outage_ms / 1000, s->last_outage_ms / 100 % 10,
			s->outage_cause);
	if (s->connections > s->alive && s->next_try)
		fprintf(out, "  %-12s within %" PRId64 " s\n", "next try",
			s->next_try > time(NULL) ? s->next_try - time(NULL) + 1 : 1);
	if (!s->flush && !s->read_only)
		fprintf(out, "  %-12s none: fsync succeeds without telling the server\n", "flush");
	if (s->stalled)
		fprintf(out, "  %-12s %u requests under way, none completed for a while\n",
			"stalled", s->in_flight);
	if (s->uncounted)
		fprintf(out, "  %-12s unknown: queue/iostats is 0, so requests are not counted\n",
			"stalled");
	print_errors(s, out);
	for (unsigned i = 0; i < s->alive && i < STATE_LINKS_MAX; i++)
		print_link(&s->link[i], out);
	print_tls(&s->tls, out);
	for (size_t i = 1; i < state_fields_count; i++) {
		state_value_text(s, &state_fields[i], value, sizeof(value));
		if (state_fields[i].label && value[0] && strcmp(value, "0") != 0)
			fprintf(out, "  %-12s %s\n", state_fields[i].label, value);
	}
}

static void link_json(const struct state_link *l, struct json *j)
{
	json_object(j, NULL);
	json_string(j, "local", l->local[0] ? l->local : NULL);
	json_string(j, "peer", l->peer[0] ? l->peer : NULL);
	if (!l->local[0]) { /* a Unix socket: not known */
		json_end_object(j);
		return;
	}
	json_u64(j, "rtt-us", l->rtt_us);
	json_u64(j, "retransmitted-segments", l->retransmits);
	json_u64(j, "sent-bytes", l->sent);
	json_u64(j, "received-bytes", l->received);
	json_end_object(j);
}

static void field_json(const struct state *s, const struct state_field *f, struct json *j)
{
	const char *text = state_at(s, f);
	int64_t number = 0;

	if (f->supervised && !s->pid) {
		json_string(j, f->json, NULL);
		return;
	}
	switch (f->type) {
	case FIELD_TEXT:
		json_string(j, f->json, text[0] ? text : NULL);
		return;
	case FIELD_BOOL:
		json_bool(j, f->json, *(const bool *)state_at(s, f));
		return;
	case FIELD_U32:
		json_u64(j, f->json, *(const uint32_t *)state_at(s, f));
		return;
	case FIELD_U64:
		if (f->null == NULL_ZERO && *(const uint64_t *)state_at(s, f) == 0)
			json_string(j, f->json, NULL);
		else
			json_u64(j, f->json, *(const uint64_t *)state_at(s, f));
		return;
	case FIELD_INT:
		number = *(const int *)state_at(s, f);
		break;
	case FIELD_I64:
		number = *(const int64_t *)state_at(s, f);
		break;
	}
	if ((f->null == NULL_ZERO && number == 0) || (f->null == NULL_NEGATIVE && number < 0))
		json_string(j, f->json, NULL);
	else
		json_i64(j, f->json, number);
}

/* The words of a text with spaces between them. */
static void words_json(const char *text, const char *key, struct json *j)
{
	char word[256];

	json_array(j, key);
	for (size_t len; text += strspn(text, " "), (len = strcspn(text, " ")) > 0; text += len) {
		snprintf(word, sizeof(word), "%.*s", (int)len, text);
		json_string(j, NULL, word);
	}
	json_end_array(j);
}

static void flags_json(unsigned flags, struct json *j)
{
	json_array(j, "flags");
	for (size_t i = 0; i < nbd_flag_names_count; i++)
		if (flags & nbd_flag_names[i].bit)
			json_string(j, NULL, nbd_flag_names[i].name);
	json_end_array(j);
}

void state_json(const struct state *s, struct json *j)
{
	char device[32];

	snprintf(device, sizeof(device), "/dev/nbd%d", s->index);
	json_object(j, NULL);
	json_string(j, "device", device);
	for (size_t i = 0; i < state_fields_count; i++)
		if (state_fields[i].json)
			field_json(s, &state_fields[i], j);
	words_json(s->addresses, "addresses", j);
	if (s->pid)
		flags_json(s->flags, j);
	else
		json_string(j, "flags", NULL);
	json_array(j, "links");
	for (unsigned i = 0; i < s->alive && i < STATE_LINKS_MAX; i++)
		link_json(&s->link[i], j);
	json_end_array(j);
	json_end_object(j);
}
