/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "cmd-probe.h"
#include "cmd.h"
#include "report/json.h"
#include "report/state.h"

static const struct {
	uint16_t bit;
	const char *name; /* as proto.md has it, without NBD_FLAG_ */
} flags[] = {
    {NBD_TX_READ_ONLY, "read-only"},
    {NBD_TX_SEND_FLUSH, "flush"},
    {NBD_TX_SEND_FUA, "fua"},
    {NBD_TX_ROTATIONAL, "rotational"},
    {NBD_TX_SEND_TRIM, "trim"},
    {NBD_TX_SEND_WRITE_ZEROES, "write-zeroes"},
    {NBD_TX_SEND_DF, "df"},
    {NBD_TX_CAN_MULTI_CONN, "multi-conn"},
    {NBD_TX_SEND_RESIZE, "resize"},
    {NBD_TX_SEND_CACHE, "cache"},
    {NBD_TX_SEND_FAST_ZERO, "fast-zero"},
    {NBD_TX_BLOCK_STATUS_PAYLOAD, "block-status-payload"},
};

static const char *style_name(enum nbd_style style)
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

static void line(const char *label, const char *text)
{
	printf("%-18s %s\n", label, text);
}

static void foreign_line(const char *label, const char *foreign)
{
	char shown[4 * NBD_STRING_MAX + 1];
	struct text t;

	text_init(&t, shown, sizeof(shown));
	text_escape(&t, foreign, strlen(foreign), NBD_STRING_MAX);
	line(label, shown);
}

static void print_text(const struct nbd_export *e, const char *name, const char *address)
{
	char size[64];

	foreign_line("export", name[0] ? name : "\"\"");
	line("server", address);
	line("protocol", style_name(e->style));
	printf("%-18s %s (%" PRIu64 " bytes)\n", "size", size_text(e->size, size, sizeof(size)),
	       e->size);
	if (e->description[0])
		foreign_line("description", e->description);
	printf("%-18s", "flags");
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (e->flags & flags[i].bit)
			printf(" %s", flags[i].name);
	putchar('\n');
	if (!e->min_block)
		return;
	printf("%-18s %" PRIu32 "\n", "minimum block", e->min_block);
	printf("%-18s %" PRIu32 "\n", "preferred block", e->pref_block);
	printf("%-18s %" PRIu32 "\n", "maximum payload", e->max_block);
}

static void print_json(const struct nbd_export *e, const char *name, const char *address)
{
	struct json j;

	json_init(&j, stdout);
	json_object(&j, NULL);
	json_string(&j, "export", name);
	json_string(&j, "server", address);
	json_string(&j, "protocol", style_name(e->style));
	json_u64(&j, "size", e->size);
	if (e->description[0])
		json_string(&j, "description", e->description);
	json_array(&j, "flags");
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (e->flags & flags[i].bit)
			json_string(&j, NULL, flags[i].name);
	json_end_array(&j);
	if (e->min_block) {
		json_u64(&j, "minimum-block-size", e->min_block);
		json_u64(&j, "preferred-block-size", e->pref_block);
		json_u64(&j, "maximum-payload", e->max_block);
	}
	json_end_object(&j);
	json_finish(&j);
}

int cmd_info(const struct options *o)
{
	struct nbd_export *export = calloc(1, sizeof(*export));
	const char *name;
	char address[256];
	int status;

	if (!export) {
		log_error("out of memory");
		return err_exit_status(ERR_SYSTEM);
	}
	status = probe(o, NEGO_GOAL_INFO, NULL, NULL, export, address, sizeof(address));
	name = export->name[0] ? export->name : o->endpoint.export_name;
	if (status == 0)
		(o->json ? print_json : print_text)(export, name, address);
	free(export);
	return status;
}
