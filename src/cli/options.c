/* SPDX-License-Identifier: MIT */
#include "cli/options.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cli/server-captive.h"
#include "cli/server-failover.h"
#include "cli/server-tls.h"
#include "cli/table.h"
#include "endpoint/uri-parts.h"

void options_init(struct options *o)
{
	*o = (struct options){
	    .verb = VERB_ATTACH,
	    .index = SUPERVISOR_INDEX_AUTO,
	    .connect_timeout_ms = OPTIONS_CONNECT_TIMEOUT,
	    .connections = 1,
	    .dead_timeout = OPTIONS_DEAD_TIMEOUT,
	    .grace = OPTIONS_GRACE,
	    .peer_timeout_ms = OPTIONS_PEER_TIMEOUT,
	    .retry_delay_ms = OPTIONS_RETRY_DELAY,
	    .retry_delay_late_ms = OPTIONS_RETRY_DELAY_LATE,
	    .backend = KERNEL_BACKEND_AUTO,
	    .log_level = LOG_NOTICE,
	};
	endpoint_init(&o->endpoint);
}

static void settings_done(struct options_setting *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(s[i].value);
		free(s[i].file);
		free(s[i].why);
	}
	free(s);
}

void options_done(struct options *o)
{
	free(o->device);
	for (size_t i = 0; i < o->n_more; i++)
		free(o->more[i].device);
	free(o->more);
	settings_done(o->settings, o->n_settings);
	settings_done(o->left_out, o->n_left_out);
	free(o->source);
	free(o->identifier);
	free(o->on_change);
	free(o->exec);
	failover_done(o);
	free(o->export_name);
	free(o->port);
	free(o->unix_path);
	free(o->name);
	free(o->config_file);
	free(o->config_name);
	free(o->file);
	free(o->output);
	options_tls_done(&o->tls);
	free(o->image);
	free(o->format);
	free(o->user);
	captive_words_free(o->captive);
	endpoint_done(&o->endpoint);
	options_init(o);
}

static bool copy_text(char **ret, const char *text)
{
	*ret = text ? strdup(text) : NULL;
	return !text || *ret;
}

static int append(struct options_setting **list, size_t *n, const struct options_setting *s,
		  struct err *err)
{
	struct options_setting *more = realloc(*list, (*n + 1) * sizeof(*more)), *last;

	if (!more)
		return part_no_memory(err);
	*list = more;
	last = &more[(*n)++];
	*last = (struct options_setting){.def = s->def, .line = s->line};
	if (!copy_text(&last->value, s->value) || !copy_text(&last->file, s->file) ||
	    !copy_text(&last->why, s->why))
		return part_no_memory(err);
	return 0;
}

int options_note(struct options *o, const struct option_def *def, const char *value,
		 const char *file, unsigned line, struct err *err)
{
	const struct options_setting s = {
	    .def = def, .value = (char *)value, .file = (char *)file, .line = line};

	return append(&o->settings, &o->n_settings, &s, err);
}

int options_leave_out(struct options *o, const struct option_def *def, const char *file,
		      unsigned line, const char *why, struct err *err)
{
	const struct options_setting s = {
	    .def = def, .file = (char *)file, .line = line, .why = (char *)why};

	return append(&o->left_out, &o->n_left_out, &s, err);
}

/* True if the sentence has the option as a whole word. */
static bool is_named(const char *sentence, const char *name)
{
	char word[64];
	size_t len = (size_t)snprintf(word, sizeof(word), "--%s", name);

	for (const char *p = sentence; (p = strstr(p, word)); p += len)
		if (!isalnum((unsigned char)p[len]) && p[len] != '-')
			return true;
	return false;
}

void options_explain_origin(const struct options *o, struct err *err)
{
	char sentence[ERR_MESSAGE_MAX];
	struct text t;

	if (!err)
		return;
	snprintf(sentence, sizeof(sentence), "%s", err->message);
	text_init(&t, err->message, sizeof(err->message));
	text_str(&t, sentence);
	for (size_t i = 0; i < o->n_settings; i++) {
		const struct options_setting *s = &o->settings[i];

		if (!s->file || !is_named(sentence, s->def->name))
			continue;
		text_str(&t, "; --");
		text_str(&t, s->def->name);
		text_str(&t, " is from ");
		text_str(&t, s->file);
		text_str(&t, ":");
		text_u64(&t, s->line);
	}
}

int options_each_device(const struct options *o, int (*fn)(const struct options *o, void *arg),
			void *arg)
{
	struct options one = *o; /* owns nothing */
	int worst = fn(&one, arg);

	for (size_t i = 0; i < o->n_more; i++) {
		int status;

		one.device = o->more[i].device;
		one.index = o->more[i].index;
		status = fn(&one, arg);
		worst = status > worst ? status : worst;
	}
	return worst;
}
