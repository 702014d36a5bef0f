/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "verbs/export.h"
#include "verbs/failure.h"
#include "verbs/passing.h"
#include "verbs/probe.h"
#include "verbs/verbs.h"
#include "base/json.h"

#define SHOWN_MAX 4096

static void escaped(const char *text, char *buf, size_t size)
{
	struct text t;

	text_init(&t, buf, size);
	text_escape(&t, text, strlen(text), SHOWN_MAX);
}

static void print_text(const char *name, const char *description, void *arg)
{
	char shown[4 * SHOWN_MAX + 1];
	FILE *out = arg;

	escaped(name, shown, sizeof(shown));
	fputs(name[0] ? shown : "\"\" (the default export)", out);
	if (description[0]) {
		escaped(description, shown, sizeof(shown));
		fprintf(out, "\t%s", shown);
	}
	fputc('\n', out);
}

static void print_json(const char *name, const char *description, void *arg)
{
	struct json *j = arg;

	json_object(j, NULL);
	json_string(j, "name", name);
	if (description[0])
		json_string(j, "description", description);
	json_end_object(j);
}

static int list_json(const struct options *o, FILE *out, struct probe_answer *answer,
		     struct err *err)
{
	struct json j;
	int status;

	json_init(&j, out);
	json_object(&j, NULL);
	json_u64(&j, "version", CMD_JSON_VERSION);
	json_array(&j, "exports");
	status = probe(o, NEGO_GOAL_LIST, print_json, &j, answer, err);
	json_end_array(&j);
	if (status == 0) {
		json_string(&j, "server", passing_server(answer->address));
		/* Only a server that knows options can list. */
		json_string(&j, "protocol", export_style(NBD_STYLE_FIXED_NEW));
		json_bool(&j, "tls", o->endpoint.tls);
		json_bool(&j, "tls-unverified", endpoint_warning(&o->endpoint));
	}
	json_end_object(&j);
	json_finish(&j);
	return status;
}

static int list(const struct options *o)
{
	struct probe_answer *answer = calloc(1, sizeof(*answer));
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	/*
	 * Prints at the end. Otherwise a server that fails half-way would cause incomplete JSON,
	 * and a pager that stops reading would use up the server's time.
	 */
	FILE *memory = open_memstream(&text, &len);
	struct err err;
	int status;

	if (!answer || !memory) {
		log_error("out of memory");
		if (memory)
			fclose(memory);
		free(answer);
		return err_exit_status(ERR_SYSTEM);
	}
	probe_warn(o);
	if (o->json)
		status = list_json(o, memory, answer, &err);
	else
		status = probe(o, NEGO_GOAL_LIST, print_text, memory, answer, &err);
	fclose(memory);
	/* The names that came before an error are shown. */
	if (status == 0 || !o->json)
		fputs(text ? text : "", stdout);
	else
		failure_json(&err, status);
	if (status == 0)
		probe_warn_of_expiry(&answer->tls);
	free(answer);
	return status;
}

int cmd_list(const struct options *o)
{
	return passing_run(o, list);
}
