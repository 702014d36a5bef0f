/* SPDX-License-Identifier: MIT */
#include "runtime/state.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "base/json.h"
#include "runtime/rundir.h"

/* One row per key: the file, its parser, the text and the JSON all use this table. */
enum field_type { FIELD_TEXT, FIELD_INT, FIELD_I64, FIELD_U32, FIELD_U64, FIELD_BOOL };

static const struct field {
	const char *key, *json, *label;
	enum field_type type;
	size_t offset, size;
} fields[] = {
#define FIELD(k, j, l, t, member)                                                               \
	{                                                                                       \
		k, j, l, t, offsetof(struct state, member), sizeof(((struct state *)0)->member) \
	}
    FIELD("STATE", "state", "state", FIELD_TEXT, name),
    FIELD("SINCE", "since", NULL, FIELD_I64, since),
    FIELD("PID", "pid", "supervisor", FIELD_INT, pid),
    FIELD("NAME", "name", "name", FIELD_TEXT, stable_name),
    FIELD("CONFIG", "config", "configured", FIELD_TEXT, config),
    FIELD("URI", "uri", "export", FIELD_TEXT, uri),
    FIELD("SERVING", "serving", "served by", FIELD_TEXT, serving),
    FIELD("ADDRESS", "address", "server", FIELD_TEXT, address),
    FIELD("IDENTIFIER", "identifier", "identifier", FIELD_TEXT, identifier),
    FIELD("BACKEND", "backend", "kernel by", FIELD_TEXT, backend),
    FIELD("ATTACHMENT", "attachment", NULL, FIELD_U64, attachment),
    FIELD("SIZE", "size", NULL, FIELD_U64, size),
    FIELD("BLOCK_SIZE", "block-size", "block size", FIELD_U32, block_size),
    FIELD("READ_ONLY", "read-only", "read-only", FIELD_BOOL, read_only),
    FIELD("CONNECTIONS", "connections", NULL, FIELD_U32, connections),
    FIELD("CONNECTIONS_ALIVE", "connections-alive", NULL, FIELD_U32, alive),
    FIELD("FLAGS", "flags", NULL, FIELD_U32, flags),
    FIELD("FLUSH", "flush", NULL, FIELD_BOOL, flush),
    FIELD("DEAD_TIMEOUT", "dead-timeout", NULL, FIELD_I64, dead_timeout),
    FIELD("STALLED", "stalled", NULL, FIELD_BOOL, stalled),
    FIELD("IN_FLIGHT", "in-flight", NULL, FIELD_U32, in_flight),
    FIELD("UNCOUNTED", "uncounted", NULL, FIELD_BOOL, uncounted),
    FIELD("UNSETTLED", "unsettled", NULL, FIELD_BOOL, unsettled),
    FIELD("UNPROVED", "unproved", NULL, FIELD_BOOL, unproved),
    FIELD("RECONNECTS", "reconnects", "reconnects", FIELD_U32, reconnects),
    FIELD("OUTAGES", "outages", NULL, FIELD_U32, outages),
    FIELD("OUTAGE_SINCE", "outage-since", NULL, FIELD_I64, outage_since),
    FIELD("LAST_OUTAGE_MS", "last-outage-ms", NULL, FIELD_U64, last_outage_ms),
    FIELD("LAST_OUTAGE_CAUSE", "last-outage-cause", NULL, FIELD_TEXT, outage_cause),
    FIELD("DOWNTIME_MS", "downtime-ms", NULL, FIELD_U64, downtime_ms),
    FIELD("NEXT_TRY", "next-try", NULL, FIELD_I64, next_try),
    FIELD("ADDRESSES", "addresses", NULL, FIELD_TEXT, addresses),
    FIELD("PEER_UID", "peer-uid", NULL, FIELD_I64, peer_uid),
    FIELD("TLS_VERSION", "tls-version", NULL, FIELD_TEXT, tls.version),
    FIELD("TLS_CIPHER", "tls-cipher", NULL, FIELD_TEXT, tls.cipher),
    FIELD("TLS_PEER", "tls-peer", NULL, FIELD_TEXT, tls.peer),
    FIELD("TLS_PEER_EXPIRES", "tls-peer-expires", NULL, FIELD_I64, tls.peer_expires),
    FIELD("TLS_OWN_EXPIRES", "tls-own-expires", NULL, FIELD_I64, tls.own_expires),
    FIELD("TLS_UNVERIFIED", "tls-unverified", NULL, FIELD_BOOL, tls.unverified),
    FIELD("RELAY", "relay", NULL, FIELD_BOOL, tls.relay),
    FIELD("FAILOVERS", "failovers", "failovers", FIELD_U32, failovers),
    FIELD("FENCE", "fence", "fence", FIELD_TEXT, fence),
    FIELD("CONTENT", "content", NULL, FIELD_TEXT, content),
    FIELD("CAPTIVE", "captive", NULL, FIELD_TEXT, captive),
    FIELD("CAPTIVE_STATE", "captive-state", "captive", FIELD_TEXT, captive_state),
    FIELD("CAPTIVE_PID", "captive-pid", NULL, FIELD_INT, captive_pid),
    FIELD("CAPTIVE_STARTS", "captive-starts", NULL, FIELD_U32, captive_starts),
    FIELD("LAST_ERROR", "last-error", "last error", FIELD_TEXT, error),
#undef FIELD
};

static const void *at(const struct state *s, const struct field *f)
{
	return (const char *)s + f->offset;
}

static void value_text(const struct state *s, const struct field *f, char *buf, size_t size)
{
	switch (f->type) {
	case FIELD_TEXT:
		snprintf(buf, size, "%s", (const char *)at(s, f));
		break;
	case FIELD_INT:
		snprintf(buf, size, "%d", *(const int *)at(s, f));
		break;
	case FIELD_I64:
		snprintf(buf, size, "%" PRId64, *(const int64_t *)at(s, f));
		break;
	case FIELD_U32:
		snprintf(buf, size, "%" PRIu32, *(const uint32_t *)at(s, f));
		break;
	case FIELD_U64:
		snprintf(buf, size, "%" PRIu64, *(const uint64_t *)at(s, f));
		break;
	case FIELD_BOOL:
		snprintf(buf, size, "%s", *(const bool *)at(s, f) ? "yes" : "no");
		break;
	}
}

#define LINK_WRITTEN                                                                        \
	"LINK%u=local=%s peer=%s inode=%" PRIu64 " rtt-us=%" PRIu32 " retransmits=%" PRIu32 \
	" sent=%" PRIu64 " received=%" PRIu64 "\n"
#define LINK_READ                                                                        \
	"local=%63s peer=%63s inode=%" SCNu64 " rtt-us=%" SCNu32 " retransmits=%" SCNu32 \
	" sent=%" SCNu64 " received=%" SCNu64

static const char *or_dash(const char *text)
{
	return text[0] ? text : "-";
}

static void write_link(const struct state_link *l, unsigned i, FILE *f)
{
	fprintf(f, LINK_WRITTEN, i, or_dash(l->local), or_dash(l->peer), l->inode, l->rtt_us,
		l->retransmits, l->sent, l->received);
}

/* An address as it was written; printable whatever it is. */
static void set_address(char *address, size_t size, const char *value)
{
	struct text t;

	text_init(&t, address, size);
	if (strcmp(value, "-") != 0)
		text_escape(&t, value, strlen(value), size);
}

/* "LINK3" and its value. Malformed values are ignored. */
static void read_link(struct state *s, const char *key, const char *value)
{
	struct state_link l = {.inode = 0};
	char local[sizeof(l.local)], peer[sizeof(l.peer)];
	unsigned i;
	int end = 0;

	if (sscanf(key, "LINK%2u%n", &i, &end) != 1 || key[end] || i >= STATE_LINKS_MAX)
		return;
	if (sscanf(value, LINK_READ, local, peer, &l.inode, &l.rtt_us, &l.retransmits, &l.sent,
		   &l.received) != 7)
		return;
	set_address(l.local, sizeof(l.local), local);
	set_address(l.peer, sizeof(l.peer), peer);
	s->link[i] = l;
}

int state_write(const struct state *s)
{
	struct rundir_path path = rundir_device(s->index, "state");
	struct rundir_path temp = rundir_device(s->index, "state.new");
	char value[STATE_TEXT_MAX];
	FILE *f = fopen(temp.text, "we");
	int ret = 0;

	if (!f)
		return -errno;
	fchmod(fileno(f), 0644);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		value_text(s, &fields[i], value, sizeof(value));
		fprintf(f, "%s=%s\n", fields[i].key, value);
	}
	for (unsigned i = 0; i < s->alive && i < STATE_LINKS_MAX; i++)
		write_link(&s->link[i], i, f);
	if (fflush(f) == EOF || rename(temp.text, path.text) < 0) {
		ret = -errno;
		unlink(temp.text);
	}
	fclose(f);
	return ret;
}

static void set_field(struct state *s, const struct field *f, const char *value)
{
	void *p = (char *)s + f->offset;
	struct text t;

	switch (f->type) {
	case FIELD_TEXT:
		text_init(&t, p, f->size);
		text_escape(&t, value, strlen(value), f->size);
		break;
	case FIELD_INT:
		*(int *)p = atoi(value);
		break;
	case FIELD_I64:
		*(int64_t *)p = strtoll(value, NULL, 10);
		break;
	case FIELD_U32:
		*(uint32_t *)p = (uint32_t)strtoul(value, NULL, 10);
		break;
	case FIELD_U64:
		*(uint64_t *)p = strtoull(value, NULL, 10);
		break;
	case FIELD_BOOL:
		*(bool *)p = strcmp(value, "yes") == 0;
		break;
	}
}

void state_parse(int index, FILE *f, struct state *ret_state)
{
	char line[STATE_TEXT_MAX + 64];
	bool cut = false;

	memset(ret_state, 0, sizeof(*ret_state));
	ret_state->index = index;
	ret_state->peer_uid = -1; /* 0 is somebody */
	ret_state->flush = true;  /* an older version did not write what it is */
	while (fgets(line, sizeof(line), f)) {
		char *value = strchr(line, '=');
		bool rest = cut;

		cut = !strchr(line, '\n');
		if (rest || !value)
			continue;
		*value++ = '\0';
		value[strcspn(value, "\n")] = '\0';
		for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
			if (strcmp(line, fields[i].key) == 0)
				set_field(ret_state, &fields[i], value);
		read_link(ret_state, line, value);
	}
}

int state_read(int index, struct state *ret_state, struct err *err)
{
	struct rundir_path path = rundir_device(index, "state");
	_cleanup_file_ FILE *f = fopen(path.text, "re");

	if (!f && errno == ENOENT)
		return -ENOENT;
	if (!f)
		return err_errno(err, ERR_SYSTEM, errno, "cannot read %s", path.text);
	state_parse(index, f, ret_state);
	return 0;
}

void state_remove(int index)
{
	struct rundir_path path = rundir_device(index, "state");

	unlink(path.text);
}

int state_file_index(const char *name)
{
	int index, end = 0;

	return sscanf(name, "nbd%d.state%n", &index, &end) == 1 && end && !name[end] ? index : -1;
}

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

static void print_expiry(const char *label, const char *subject, int64_t when, FILE *out)
{
	time_t seconds = (time_t)when;
	char date[64] = "?";
	struct tm tm;

	if (!when)
		return;
	if (localtime_r(&seconds, &tm))
		strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
	fprintf(out, "  %-12s %s%suntil %s%s\n", label, subject, subject[0] ? ", " : "", date,
		when < time(NULL)			   ? ", EXPIRED"
		: when - time(NULL) < STATE_EXPIRY_WARNING ? ", EXPIRES SOON"
							   : "");
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

void state_print(const struct state *s, FILE *out)
{
	char value[STATE_TEXT_MAX], size[64], since[64] = "";
	time_t seconds = (time_t)s->since;
	struct tm tm;

	if (s->since && localtime_r(&seconds, &tm))
		strftime(since, sizeof(since), " since %Y-%m-%d %H:%M:%S", &tm);
	fprintf(out, "/dev/nbd%d: %s%s\n", s->index, s->name, since);
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
	for (unsigned i = 0; i < s->alive && i < STATE_LINKS_MAX; i++)
		print_link(&s->link[i], out);
	print_tls(&s->tls, out);
	for (size_t i = 1; i < ARRAY_SIZE(fields); i++) {
		value_text(s, &fields[i], value, sizeof(value));
		if (fields[i].label && value[0] && strcmp(value, "0") != 0)
			fprintf(out, "  %-12s %s\n", fields[i].label, value);
	}
}

static void link_json(const struct state_link *l, struct json *j)
{
	json_object(j, NULL);
	json_string(j, "local", l->local);
	json_string(j, "peer", l->peer);
	json_u64(j, "rtt-us", l->rtt_us);
	json_u64(j, "retransmits", l->retransmits);
	json_u64(j, "sent", l->sent);
	json_u64(j, "received", l->received);
	json_end_object(j);
}

void state_json(const struct state *s, struct json *j)
{
	char device[32];

	snprintf(device, sizeof(device), "/dev/nbd%d", s->index);
	json_object(j, NULL);
	json_string(j, "device", device);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const struct field *f = &fields[i];

		switch (f->type) {
		case FIELD_TEXT:
			json_string(j, f->json, at(s, f));
			break;
		case FIELD_INT:
			json_i64(j, f->json, *(const int *)at(s, f));
			break;
		case FIELD_I64:
			json_i64(j, f->json, *(const int64_t *)at(s, f));
			break;
		case FIELD_U32:
			json_u64(j, f->json, *(const uint32_t *)at(s, f));
			break;
		case FIELD_U64:
			json_u64(j, f->json, *(const uint64_t *)at(s, f));
			break;
		case FIELD_BOOL:
			json_bool(j, f->json, *(const bool *)at(s, f));
			break;
		}
	}
	json_array(j, "links");
	for (unsigned i = 0; i < s->alive && i < STATE_LINKS_MAX; i++)
		link_json(&s->link[i], j);
	json_end_array(j);
	json_end_object(j);
}
