/* SPDX-License-Identifier: MIT */
#include "runtime/state-private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/held.h"
#include "base/text.h"
#include "runtime/outage-mark.h"
#include "runtime/rundir.h"

const struct state_field state_fields[] = {
#define ROW(k, j, l, t, member, n, s)                                                            \
	{                                                                                        \
		k, j, l, t, offsetof(struct state, member), sizeof(((struct state *)0)->member), \
		    n, s                                                                         \
	}
#define FIELD(k, j, l, t, member)	     ROW(k, j, l, t, member, NULL_NEVER, false)
#define FIELD_OR_NULL(k, j, l, t, member, n) ROW(k, j, l, t, member, n, false)
#define SUPERVISED(k, j, l, t, member)	     ROW(k, j, l, t, member, NULL_NEVER, true)
    FIELD("STATE", "state", "state", FIELD_TEXT, name),
    FIELD_OR_NULL("SINCE", "since-unix-seconds", NULL, FIELD_I64, since, NULL_ZERO),
    FIELD("HISTORY", NULL, NULL, FIELD_TEXT, history),
    FIELD_OR_NULL("PID", "pid", "supervisor", FIELD_INT, pid, NULL_ZERO),
    FIELD("NAME", "name", "name", FIELD_TEXT, stable_name),
    FIELD("CONFIG", "config", "configured", FIELD_TEXT, config),
    FIELD("OPTIONS", NULL, NULL, FIELD_TEXT, options),
    FIELD("URI", "uri", "export", FIELD_TEXT, uri),
    FIELD("EXPORT_NAME", NULL, NULL, FIELD_TEXT, export_name),
    FIELD("SERVING", "serving", "served by", FIELD_TEXT, serving),
    FIELD("ADDRESS", "address", "server", FIELD_TEXT, address),
    FIELD("IDENTIFIER", "identifier", "identifier", FIELD_TEXT, identifier),
    FIELD("BACKEND", "backend", "kernel by", FIELD_TEXT, backend),
    FIELD_OR_NULL("ATTACHMENT", "attachment", NULL, FIELD_U64, attachment, NULL_ZERO),
    FIELD("SIZE", "size-bytes", NULL, FIELD_U64, size),
    FIELD("BLOCK_SIZE", "block-size-bytes", "block size", FIELD_U32, block_size),
    FIELD("MAX_REQUEST", NULL, NULL, FIELD_U32, max_request),
    FIELD("READ_ONLY", "read-only", "read-only", FIELD_BOOL, read_only),
    SUPERVISED("CONNECTIONS", "connections", NULL, FIELD_U32, connections),
    SUPERVISED("CONNECTIONS_ALIVE", "connections-alive", NULL, FIELD_U32, alive),
    FIELD("FLAGS", NULL, NULL, FIELD_U32, flags),
    FIELD("FLUSH", "flush", NULL, FIELD_BOOL, flush),
    FIELD_OR_NULL("DEAD_TIMEOUT", "dead-timeout-seconds", NULL, FIELD_I64, dead_timeout,
		  NULL_NEGATIVE),
    SUPERVISED("STALLED", "stalled", NULL, FIELD_BOOL, stalled),
    SUPERVISED("IN_FLIGHT", "in-flight", NULL, FIELD_U32, in_flight),
    ROW("ERRORS", "error-replies", NULL, FIELD_I64, errors, NULL_NEGATIVE, true),
    SUPERVISED("ERRORS_MISSED", "error-replies-missed", NULL, FIELD_BOOL, errors_missed),
    SUPERVISED("ERROR_REPLY", "last-error-reply", NULL, FIELD_TEXT, error_name),
    FIELD_OR_NULL("ERROR_REPLY_AT", "last-error-reply-unix-seconds", NULL, FIELD_I64, error_at,
		  NULL_ZERO),
    SUPERVISED("SERVER_LEAVING", "server-leaving", NULL, FIELD_BOOL, leaving),
    FIELD_OR_NULL("FAREWELL_AT", NULL, NULL, FIELD_I64, farewell_at, NULL_ZERO),
    SUPERVISED("UNCOUNTED", "uncounted", NULL, FIELD_BOOL, uncounted),
    SUPERVISED("UNSETTLED", "unsettled", NULL, FIELD_BOOL, unsettled),
    SUPERVISED("UNPROVED", "unproved", NULL, FIELD_BOOL, unproved),
    SUPERVISED("RECONNECTS", "reconnects", "reconnects", FIELD_U32, reconnects),
    SUPERVISED("OUTAGES", "outages", NULL, FIELD_U32, outages),
    FIELD_OR_NULL("OUTAGE_SINCE", "outage-since-unix-seconds", NULL, FIELD_I64, outage_since,
		  NULL_ZERO),
    SUPERVISED("LAST_OUTAGE_MS", "last-outage-ms", NULL, FIELD_U64, last_outage_ms),
    FIELD("LAST_OUTAGE_CAUSE", "last-outage-cause", NULL, FIELD_TEXT, outage_cause),
    SUPERVISED("DOWNTIME_MS", "downtime-ms", NULL, FIELD_U64, downtime_ms),
    FIELD_OR_NULL("NEXT_TRY", "next-try-unix-seconds", NULL, FIELD_I64, next_try, NULL_ZERO),
    FIELD("ADDRESSES", NULL, NULL, FIELD_TEXT, addresses),
    FIELD_OR_NULL("PEER_UID", "peer-uid", NULL, FIELD_I64, peer_uid, NULL_NEGATIVE),
    FIELD("TLS_VERSION", "tls-version", NULL, FIELD_TEXT, tls.version),
    FIELD("TLS_CIPHER", "tls-cipher", NULL, FIELD_TEXT, tls.cipher),
    FIELD("TLS_PEER", "tls-peer", NULL, FIELD_TEXT, tls.peer),
    FIELD_OR_NULL("TLS_PEER_EXPIRES", "tls-peer-expires-unix-seconds", NULL, FIELD_I64,
		  tls.peer_expires, NULL_ZERO),
    FIELD_OR_NULL("TLS_OWN_EXPIRES", "tls-own-expires-unix-seconds", NULL, FIELD_I64,
		  tls.own_expires, NULL_ZERO),
    SUPERVISED("TLS_UNVERIFIED", "tls-unverified", NULL, FIELD_BOOL, tls.unverified),
    SUPERVISED("RELAY", "relay", NULL, FIELD_BOOL, tls.relay),
    SUPERVISED("FAILOVERS", "failovers", "failovers", FIELD_U32, failovers),
    FIELD("FENCE", "fence", "fence", FIELD_TEXT, fence),
    FIELD("CONTENT", "content", NULL, FIELD_TEXT, content),
    FIELD("CAPTIVE", "captive", NULL, FIELD_TEXT, captive),
    FIELD("CAPTIVE_STATE", "captive-state", "captive", FIELD_TEXT, captive_state),
    FIELD_OR_NULL("CAPTIVE_PID", "captive-pid", NULL, FIELD_INT, captive_pid, NULL_ZERO),
    SUPERVISED("CAPTIVE_STARTS", "captive-starts", NULL, FIELD_U32, captive_starts),
    FIELD("LAST_ERROR", "last-error", "last error", FIELD_TEXT, error),
#undef ROW
#undef FIELD
#undef FIELD_OR_NULL
#undef SUPERVISED
};
const size_t state_fields_count = ARRAY_SIZE(state_fields);

void state_value_text(const struct state *s, const struct state_field *f, char *buf, size_t size)
{
	switch (f->type) {
	case FIELD_TEXT:
		snprintf(buf, size, "%s", (const char *)state_at(s, f));
		break;
	case FIELD_INT:
		snprintf(buf, size, "%d", *(const int *)state_at(s, f));
		break;
	case FIELD_I64:
		snprintf(buf, size, "%" PRId64, *(const int64_t *)state_at(s, f));
		break;
	case FIELD_U32:
		snprintf(buf, size, "%" PRIu32, *(const uint32_t *)state_at(s, f));
		break;
	case FIELD_U64:
		snprintf(buf, size, "%" PRIu64, *(const uint64_t *)state_at(s, f));
		break;
	case FIELD_BOOL:
		snprintf(buf, size, "%s", *(const bool *)state_at(s, f) ? "yes" : "no");
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
	FILE *f = held_fopen(temp.text, O_WRONLY | O_CREAT | O_TRUNC);
	int ret = 0;

	if (!f)
		return -errno;
	fchmod(fileno(f), 0644);
	for (size_t i = 0; i < state_fields_count; i++) {
		state_value_text(s, &state_fields[i], value, sizeof(value));
		fprintf(f, "%s=%s\n", state_fields[i].key, value);
	}
	for (unsigned i = 0; i < s->alive && i < STATE_LINKS_MAX; i++)
		write_link(&s->link[i], i, f);
	/* What was lost before the last part of the text shows only in the stream's error. */
	if (fflush(f) == EOF || ferror(f))
		ret = errno ? -errno : -EIO;
	else if (held_rename(temp.text, path.text) < 0)
		ret = -errno;
	if (ret < 0) {
		held_unlink(temp.text);
	}
	fclose(f);
	return ret;
}

static void set_field(struct state *s, const struct state_field *f, const char *value)
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
	ret_state->peer_uid = -1; /* 0 is a real user */
	ret_state->errors = -1;
	ret_state->flush = true; /* an older version did not write what it is */
	while (fgets(line, sizeof(line), f)) {
		char *value = strchr(line, '=');
		bool rest = cut;

		cut = !strchr(line, '\n');
		if (rest || !value)
			continue;
		*value++ = '\0';
		value[strcspn(value, "\n")] = '\0';
		for (size_t i = 0; i < state_fields_count; i++)
			if (strcmp(line, state_fields[i].key) == 0)
				set_field(ret_state, &state_fields[i], value);
		read_link(ret_state, line, value);
	}
}

/* The file may be that of a time before the outage. */
static void correct(struct state *s)
{
	struct outage outage;

	if (!outage_mark_read(s->index, &outage) || outage.attachment == 0 ||
	    outage.attachment != s->attachment)
		return;
	if (outage.now) {
		s->alive = 0;
		s->unsettled = outage.unsettled;
		s->unproved = outage.unproved;
		s->outage_began_ms = outage.since_ms;
		s->outage_held = outage.held;
	}
	if (outage.moved && s->serving[0])
		snprintf(s->serving, sizeof(s->serving), "unknown");
}

int state_read(int index, struct state *ret_state, struct err *err)
{
	struct rundir_path path = rundir_device(index, "state");
	_cleanup_file_ FILE *f = held_fopen(path.text, O_RDONLY);

	if (!f && errno == ENOENT)
		return -ENOENT;
	if (!f)
		return err_errno(err, ERR_SYSTEM, errno, "cannot read %s", path.text);
	state_parse(index, f, ret_state);
	correct(ret_state);
	return 0;
}

void state_remove(int index)
{
	struct rundir_path path = rundir_device(index, "state");

	held_unlink(path.text);
	outage_mark_remove(index);
}

int state_file_index(const char *name)
{
	int index, end = 0;

	return sscanf(name, "nbd%d.state%n", &index, &end) == 1 && end && !name[end] ? index : -1;
}
