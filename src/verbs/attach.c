/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/protect.h"
#include "verbs/same.h"
#include "verbs/verbs.h"
#include "cli/server-captive.h"
#include "runtime/rundir.h"
#include "supervise/background.h"
#include "supervise/supervisor.h"

#define IDENTIFIER_MAX 1024 /* as for --identifier */

/*
 * The canonical URI, or, where that is longer than a page of sysfs may be, the name of its lock,
 * which holds a hash of it.
 */
static int default_identifier(const struct options *o, char **ret_identifier, struct err *err)
{
	char *uri = NULL;
	int ret = captive_wanted(o) ? captive_identifier(o, &uri, err) : 0;
	struct rundir_path path;

	if (ret < 0)
		return ret;
	if (!captive_wanted(o))
		uri = endpoint_uri(&o->endpoint);
	if (uri && strlen(uri) > IDENTIFIER_MAX) {
		path = rundir_identifier(uri);
		free(uri);
		uri = strdup(path.text);
	}
	if (!uri)
		return err_set(err, ERR_SYSTEM, ENOMEM, "out of memory");
	*ret_identifier = uri;
	return 0;
}

static int prepare(const struct options *o, char **ret_identifier, struct supervisor_config *ret,
		   struct err *err)
{
	int r = o->identifier ? 0 : default_identifier(o, ret_identifier, err);

	if (r < 0)
		return r;
	if (o->identifier)
		*ret_identifier = strdup(o->identifier);
	if (!*ret_identifier)
		return err_set(err, ERR_SYSTEM, ENOMEM, "out of memory");
	*ret = (struct supervisor_config){
	    .index = o->index,
	    .endpoint = &o->endpoint,
	    .identifier = *ret_identifier,
	    .name = o->name,
	    .config = o->config_name,
	    .source = o->source,
	    .peer_uid = o->owned ? &o->peer_uid : NULL,
	    .read_only = o->read_only,
	    .without = (uint16_t)((o->no_trim ? NBD_TX_SEND_TRIM : 0) |
				  (o->no_write_zeroes ? NBD_TX_SEND_WRITE_ZEROES : 0)),
	    .block_size = o->block_size,
	    .connections = o->connections,
	    .timeout = o->timeout,
	    .connect_timeout_ms = o->connect_timeout_ms,
	    .wait_ms = !o->wait	    ? 0
		       : o->wait_ms ? o->wait_ms
				    : SUPERVISOR_FOREVER,
	    .reconnect = !o->no_reconnect,
	    .dead_timeout_s =
		o->dead_timeout == OPTIONS_FOREVER ? SUPERVISOR_FOREVER : o->dead_timeout,
	    .peer_timeout_ms = o->peer_timeout_ms,
	    .io_timeout_ms = o->io_timeout_ms,
	    .backoff = {.first_ms = BACKOFF_FIRST_MS,
			.base_ms = BACKOFF_BASE_MS,
			.cap_ms = o->retry_delay_ms,
			.fast_ms = BACKOFF_FAST_MS,
			.late_cap_ms = o->retry_delay_late_ms},
	    .watch_size_s = o->watch_size,
	    .follow_dns = o->follow_dns,
	    .accept = o->accept,
	    .failover = o->failover,
	    .n_failover = o->n_failover,
	    .failback = o->failback,
	    .fence = o->fence,
	    .failover_unfenced = o->failover_unfenced,
	    .same_content = o->same_content,
	    .on_change = o->on_change,
	    .swap = o->swap,
	    .relay = o->relay,
	    .no_scan = o->no_scan,
	    .backend = o->backend,
	    .foreground = o->foreground,
	    .report_fd = -1,
	};
	return 0;
}

static int start(struct supervisor_config *cfg, const struct options *o, struct err *err)
{
	/* --exec must not detach what it has not attached. */
	bool may_be_same = !cfg->foreground && !o->plain_status && !o->exec;
	int status = may_be_same ? same_attached(cfg, err) : -1;
	_cleanup_free_ char *in_force = NULL;

	if (status >= 0)
		return status;
	err->message[0] = '\0';
	if (same_keep_fixed(cfg, &in_force) < 0)
		return err_exit_status(ERR_SYSTEM);
	if (in_force)
		cfg->options = in_force;
	if (!cfg->foreground && background_start(o->plain_status, &cfg->report_fd, err) < 0)
		return err_exit_status(err->kind);
	return supervisor_run(cfg);
}

/* What to start, if anything. *image: the words for --image, for captive_words_free(). */
static int choose_server(const struct options *o, char ***image, struct captive_spec *ret_spec,
			 struct err *err)
{
	if (o->image) {
		*image = captive_image_words(o);
		if (!*image)
			return err_set(err, ERR_SYSTEM, ENOMEM, "out of memory");
	}
	*ret_spec = (struct captive_spec){
	    .argv = o->image ? *image : o->captive,
	    .user = o->user,
	    .stdio = o->command,
	};
	return 0;
}

int cmd_attach(const struct options *o)
{
	char **image = NULL;
	struct captive_spec captive;
	_cleanup_free_ char *identifier = NULL, *described = NULL;
	struct supervisor_config cfg = {.report_fd = -1};
	struct err err = {.message = ""};
	int status;

	cmd_tell_left_out(o);
	if (o->root)
		protect_mark();
	if (prepare(o, &identifier, &cfg, &err) < 0 ||
	    choose_server(o, &image, &captive, &err) < 0) {
		status = err_exit_status(err.kind);
	} else {
		cfg.captive = captive_wanted(o) ? &captive : NULL;
		cfg.options = described = same_options(&cfg);
		status = described ? start(&cfg, o, &err) : err_exit_status(ERR_SYSTEM);
	}
	captive_words_free(image);
	if (err.message[0])
		log_error("%s", err.message);
	return status;
}
