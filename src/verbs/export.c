/* SPDX-License-Identifier: MIT */
#include "verbs/export.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
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

static bool is_plain(FILE *out)
{
	const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");

	return !isatty(fileno(out)) || (no_color && no_color[0]) || !term ||
	       strcmp(term, "dumb") == 0;
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
	fprintf(out, "%-18s %" PRIu32 "\n", "preferred block", e->pref_block);
	if (e->max_block == UINT32_MAX)
		line(out, "maximum payload", "unlimited");
	else
		fprintf(out, "%-18s %" PRIu32 "\n", "maximum payload", e->max_block);
}

void export_print(const struct export_view *v, FILE *out)
{
	_cleanup_free_ char *uri = endpoint_uri(v->endpoint);
	const struct nbd_export *e = v->export;
	bool plain = is_plain(out);
	char size[64];

	fputs(plain ? "" : "\033[1m", out);
	foreign_line(out, "export", v->name[0] ? v->name : "\"\"");
	fputs(plain ? "" : "\033[0m", out);
	if (v->description[0])
		foreign_line(out, "description", v->description);
	if (!e)
		return;
	line(out, "server", v->server);
	if (uri)
		foreign_line(out, "uri", uri);
	line(out, "protocol", export_style(e->style));
	line(out, "tls",
	     !v->endpoint->tls		     ? "no"
	     : endpoint_warning(v->endpoint) ? "yes, but the server is not verified"
					     : "yes");
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
	if (uri)
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
		json_u64(j, "preferred-block-size", e->pref_block);
		json_u64(j, "maximum-payload", e->max_block);
	}
}
