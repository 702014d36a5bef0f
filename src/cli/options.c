/* SPDX-License-Identifier: MIT */
#include "cli/options.h"

#include <string.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "cli/server-captive.h"
#include "cli/server-failover.h"
#include "cli/server-tls.h"
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

void options_done(struct options *o)
{
	free(o->device);
	for (size_t i = 0; i < o->n_more; i++)
		free(o->more[i].device);
	free(o->more);
	for (size_t i = 0; i < o->n_settings; i++) {
		free(o->settings[i].value);
		free(o->settings[i].file);
	}
	free(o->settings);
	free(o->source);
	free(o->identifier);
	free(o->on_change);
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

int options_note(struct options *o, const struct option_def *def, const char *value,
		 const char *file, struct err *err)
{
	struct options_setting s = {.def = def};
	void *more = realloc(o->settings, (o->n_settings + 1) * sizeof(*o->settings));

	if (!more)
		return part_no_memory(err);
	o->settings = more;
	s.value = value ? strdup(value) : NULL;
	s.file = file ? strdup(file) : NULL;
	o->settings[o->n_settings++] = s;
	return (value && !s.value) || (file && !s.file) ? part_no_memory(err) : 0;
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
