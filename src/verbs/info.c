/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "cli/server-captive.h"
#include "verbs/export.h"
#include "verbs/failure.h"
#include "verbs/passing.h"
#include "verbs/probe.h"
#include "verbs/verbs.h"

/* What --all found. */
struct listing {
	size_t n;
	struct listed {
		char *name, *description;
	} * item;
	bool no_memory;
};

static void add(const char *name, const char *description, void *arg)
{
	struct listing *l = arg;
	struct listed *more = reallocarray(l->item, l->n + 1, sizeof(*more));

	if (!more) {
		l->no_memory = true;
		return;
	}
	l->item = more;
	more[l->n] = (struct listed){strdup(name), strdup(description)};
	if (more[l->n].name && more[l->n].description) {
		l->n++;
		return;
	}
	free(more[l->n].name);
	free(more[l->n].description);
	l->no_memory = true;
}

static void listing_done(struct listing *l)
{
	while (l->n > 0) {
		l->n--;
		free(l->item[l->n].name);
		free(l->item[l->n].description);
	}
	free(l->item);
}

struct sink {
	struct json *json; /* NULL: text */
	struct probe_answer *answer;
	bool any;
	struct err err;
};

/* Asks for one export and prints it, even if the server lists it but does not describe it. */
static int describe(const struct options *o, const struct listed *listed, struct sink *s)
{
	int status = probe(o, NEGO_GOAL_INFO, NULL, NULL, s->answer, &s->err);
	const struct nbd_export *export = &s->answer->export;
	const char *asked = o->endpoint.export_name ? o->endpoint.export_name : "";
	struct export_view v = {
	    .export = status == 0 ? export : NULL,
	    .name = status == 0 && !listed && export->name[0] ? export->name : asked,
	    .endpoint = &o->endpoint,
	    .passing = captive_wanted(o),
	    .server = passing_server(s->answer->address),
	    .tls = &s->answer->tls,
	    .description = "",
	};

	if (status && !listed)
		return status;
	if (status == 0)
		v.description = export->description;
	if (!v.description[0] && listed)
		v.description = listed->description;
	if (s->json) {
		json_object(s->json, NULL);
		if (!listed)
			json_u64(s->json, "version", CMD_JSON_VERSION);
		export_json(&v, s->json);
		json_end_object(s->json);
	} else {
		fputs(s->any ? "\n" : "", stdout);
		export_print(&v, stdout);
	}
	s->any = true;
	return status;
}

/* A server that cannot be reached for one export cannot be reached for the next either. */
static bool goes_on(int status)
{
	return status == 0 || status == err_exit_status(ERR_PERMANENT);
}

static int describe_all(const struct options *o, struct sink *s)
{
	struct listing l = {.n = 0};
	int status = probe(o, NEGO_GOAL_LIST, add, &l, s->answer, &s->err);
	int worst = status;

	if (status == 0 && l.no_memory) {
		log_error("out of memory");
		worst = status = err_exit_status(ERR_SYSTEM);
	}
	if (status == 0 && s->json) {
		json_object(s->json, NULL);
		json_u64(s->json, "version", CMD_JSON_VERSION);
		json_string(s->json, "server", passing_server(s->answer->address));
		json_array(s->json, "exports");
	}
	for (size_t i = 0; status == 0 && i < l.n && goes_on(worst); i++) {
		struct options one = *o;
		int each;

		one.endpoint.export_name = l.item[i].name;
		each = describe(&one, &l.item[i], s);
		worst = each > worst || !goes_on(each) ? each : worst;
	}
	if (status == 0 && s->json) {
		json_end_array(s->json);
		json_end_object(s->json);
	}
	listing_done(&l);
	return worst;
}

static int info(const struct options *o)
{
	struct probe_answer *answer = calloc(1, sizeof(*answer));
	_cleanup_free_ char *text = NULL;
	struct sink s = {.answer = answer};
	size_t len = 0;
	/*
	 * Prints at the end, so that a server that fails half-way does not cause incomplete JSON.
	 */
	FILE *memory = open_memstream(&text, &len);
	struct json j;
	int status;

	if (!answer || !memory) {
		log_error("out of memory");
		if (memory)
			fclose(memory);
		free(answer);
		return err_exit_status(ERR_SYSTEM);
	}
	probe_warn(o);
	json_init(&j, memory);
	s.json = o->json ? &j : NULL;
	status = o->all ? describe_all(o, &s) : describe(o, NULL, &s);
	json_finish(&j);
	fclose(memory);
	if (o->json && text && len > 1)
		fputs(text, stdout);
	else if (o->json)
		failure_json(&s.err, status);
	if (s.any)
		probe_warn_of_expiry(&answer->tls);
	free(answer);
	return status;
}

int cmd_info(const struct options *o)
{
	return passing_run(o, info);
}
