/* SPDX-License-Identifier: MIT */
#include "verbs/export.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/terminal.h"
#include "base/text.h"
#include "runtime/state.h"

const char *export_style(enum nbd_style style)
{
	switch (style) {
	case NBD_STYLE_OLD:
		return "oldstyle";
	case NBD_STYLE_NEW:
		return "newstyle";
	case NBD_STYLE_FIXED_NEW:
		return "newstyle-fixed";
	}
	return "unknown";
}

static void line(FILE *out, const char *label, const char *text)
{
	fprintf(out, "%-18s %s\n", label, text);
}

/* What the server wrote may hold anything. */
static void foreign_line(FILE *out, const char *label, const char *foreign)
{
	char shown[4 * NBD_STRING_MAX + 1];
	struct text t;

	text_init(&t, shown, sizeof(shown));
	text_escape(&t, foreign, strlen(foreign), NBD_STRING_MAX);
	line(out, label, shown);
}

static void print_sizes(const struct nbd_export *e, FILE *out)
{
	if (!e->min_block)
		return;
	fprintf(out, "%-18s %" PRIu32 "\n", "minimum block", e->min_block);
	if (e->pref_block)
		fprintf(out, "%-18s %" PRIu32 "\n", "preferred block", e->pref_block);
	else
		line(out, "preferred block", "impossible, and therefore ignored");
	if (e->max_block == UINT32_MAX)
		line(out, "maximum payload", "unlimited");
	else
		fprintf(out, "%-18s %" PRIu32 "\n", "maximum payload", e->max_block);
}

static void print_certificate(const char *label, const char *subject, int64_t when, FILE *out)
{
	char text[sizeof(((struct tls_facts *)NULL)->peer) + 96], end[96];

	if (!when)
		return;
	snprintf(text, sizeof(text), "%s%s%s", subject, subject[0] ? ", " : "",
		 expiry_text(when, end, sizeof(end)));
	foreign_line(out, label, text);
}

static void print_tls(const struct export_view *v, FILE *out)
{
	const struct tls_facts *f = v->tls;

	if (!v->endpoint->tls) {
		line(out, "tls", "no");
		return;
	}
	fprintf(out, "%-18s %s, %s%s\n", "tls", f->version, f->cipher,
		endpoint_warning(v->endpoint) ? ", but the server is not verified" : "");
	print_certificate("certificate", f->peer, f->peer_expires, out);
	print_certificate("our certificate", "", f->own_expires, out);
}

void export_print(const struct export_view *v, FILE *out)
{
	_cleanup_free_ char *uri = endpoint_uri(v->endpoint);
	const struct nbd_export *e = v->export;
	char size[64];

	fputs(terminal_begin(out, TERMINAL_BOLD), out);
	foreign_line(out, "export", v->name[0] ? v->name : "\"\"");
	fputs(terminal_end(out, TERMINAL_BOLD), out);
	if (v->description[0])
		foreign_line(out, "description", v->description);
	if (!e)
		return;
	line(out, "server", v->server);
	if (uri && !v->passing)
		foreign_line(out, "uri", uri);
	line(out, "protocol", export_style(e->style));
	print_tls(v, out);
	fprintf(out, "%-18s %s (%" PRIu64 " bytes)\n", "size",
		size_text(e->size, size, sizeof(size)), e->size);
	fprintf(out, "%-18s", "flags");
	for (size_t i = 0; i < nbd_flag_names_count; i++)
		if (e->flags & nbd_flag_names[i].bit)
			fprintf(out, " %s", nbd_flag_names[i].name);
	fputc('\n', out);
	if (!(e->flags & (NBD_TX_SEND_FLUSH | NBD_TX_READ_ONLY)))
		line(out, "no flush", "fsync succeeds without telling the server");
	print_sizes(e, out);
}

/* A string, or null if there is none. */
static void text_json(struct json *j, const char *key, const char *text)
{
	json_string(j, key, text[0] ? text : NULL);
}

/* Seconds since 1970, or null if there is no certificate. */
static void expiry_json(struct json *j, const char *key, int64_t when)
{
	if (when)
		json_i64(j, key, when);
	else
		json_string(j, key, NULL);
}

static void tls_json(const struct tls_facts *f, struct json *j)
{
	text_json(j, "tls-version", f->version);
	text_json(j, "tls-cipher", f->cipher);
	text_json(j, "tls-peer", f->peer);
	expiry_json(j, "tls-peer-expires-unix-seconds", f->peer_expires);
	expiry_json(j, "tls-own-expires-unix-seconds", f->own_expires);
}

void export_json(const struct export_view *v, struct json *j)
{
	_cleanup_free_ char *uri = endpoint_uri(v->endpoint);
	const struct nbd_export *e = v->export;

	json_string(j, "export", v->name);
	if (v->description[0])
		json_string(j, "description", v->description);
	if (!e)
		return;
	json_string(j, "server", v->server);
	if (uri && !v->passing)
		json_string(j, "uri", uri);
	json_string(j, "protocol", export_style(e->style));
	json_bool(j, "tls", v->endpoint->tls);
	json_bool(j, "tls-unverified", endpoint_warning(v->endpoint));
	json_u64(j, "size", e->size);
	json_bool(j, "read-only", e->flags & NBD_TX_READ_ONLY);
	json_array(j, "flags");
	for (size_t i = 0; i < nbd_flag_names_count; i++)
		if (e->flags & nbd_flag_names[i].bit)
			json_string(j, NULL, nbd_flag_names[i].name);
	json_end_array(j);
	if (e->min_block) {
		json_u64(j, "minimum-block-size", e->min_block);
		if (e->pref_block)
			json_u64(j, "preferred-block-size", e->pref_block);
		else
			json_string(j, "preferred-block-size", NULL);
		json_u64(j, "maximum-payload", e->max_block);
	}
	tls_json(v->tls, j);
}
