/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "cli/server-captive.h"
#include "cli/table.h"
#include "verbs/verbs.h"

/* The server as a target; NULL: no memory. With --unix and --image there is an option for it. */
static char *target_of(const struct options *o)
{
	char *text = NULL;
	size_t len;
	FILE *f;

	if (!o->captive)
		return endpoint_uri(&o->endpoint);
	f = open_memstream(&text, &len);
	if (!f)
		return NULL;
	fputs("[", f);
	for (size_t i = 0; o->captive[i]; i++)
		fprintf(f, " %s", o->captive[i]);
	fputs(" ]", f);
	fclose(f);
	return text;
}

/* Left out: options that the target contains, and options that a file cannot have. */
static bool is_left_out(const struct options *o, const struct option_def *def)
{
	static const char *const in_target[] = {"unix", "port", "export"};

	if (!def->in_file)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(in_target); i++)
		if (strcmp(def->name, in_target[i]) == 0)
			return !o->image && !o->captive;
	return false;
}

int cmd_show_config(const struct options *o)
{
	_cleanup_free_ char *target = target_of(o);
	const char *file = "";

	if (!target) {
		log_error("out of memory");
		return err_exit_status(ERR_SYSTEM);
	}
	if (!o->image)
		printf("target = %s\n", target);
	printf("device = %s\n", o->device);
	for (size_t i = 0; i < o->n_settings; i++) {
		const struct options_setting *s = &o->settings[i];
		const char *from = s->file ? s->file : "the command line";

		if (is_left_out(o, s->def))
			continue;
		if (strcmp(file, from) != 0)
			printf("# from %s\n", from);
		file = from;
		printf("%s = %s\n", s->def->name, s->value ? s->value : "yes");
	}
	return 0;
}
