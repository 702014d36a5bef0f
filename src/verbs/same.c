/* SPDX-License-Identifier: MIT */
#include "verbs/same.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/siphash.h"
#include "base/text.h"
#include "cli/options.h"
#include "cli/server-captive.h"
#include "cli/table.h"
#include "kernel/sysfs.h"
#include "runtime/lock.h"
#include "runtime/rundir.h"
#include "runtime/secret.h"
#include "runtime/state.h"
#include "supervise/attachment.h"
#include "supervise/fsm.h"
#include "supervise/requests/control.h"

#define LOOK_MS		 100
#define REQUEST_LIMIT_MS 1000

/* Where options are described. */
struct description {
	FILE *f;
	uint8_t key[SIPHASH_KEY_SIZE];
};

/* The name is part of what is digested, so that two options with the same value look different. */
static void add(const struct description *d, const char *name, const char *value)
{
	_cleanup_free_ char *text = NULL;
	int len = asprintf(&text, "%s%s%s", name, value ? "=" : "", value ? value : "");

	if (len < 0)
		text = NULL;
	else
		fprintf(d->f, "%s%s:%016" PRIx64, ftell(d->f) ? " " : "", name,
			siphash(d->key, text, (size_t)len));
}

static void add_number(const struct description *d, const char *name, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	add(d, name, text);
}

static int add_server(const struct description *d, const struct supervisor_config *cfg)
{
	const struct endpoint *e = cfg->endpoint;
	_cleanup_free_ char *uri = endpoint_whole_uri(e);

	if (!uri)
		return -ENOMEM;
	add(d, "server", uri);
	add(d, "identifier", cfg->identifier);
	add(d, "tls-ca", e->tls_ca);
	add(d, "tls-crl", e->tls_crl);
	add(d, "tls-cert", e->tls_cert);
	add(d, "tls-key", e->tls_key);
	add(d, "tls-priority", e->tls_priority);
	add(d, "user", cfg->captive ? cfg->captive->user : NULL);
	add(d, "source", cfg->source);
	add_number(d, "peer-uid", cfg->peer_uid ? UINT64_C(1) + *cfg->peer_uid : 0);
	return 0;
}

static int add_others(const struct description *d, const struct supervisor_config *cfg)
{
	_cleanup_free_ char *list = NULL;
	size_t len;
	struct description others = *d;
	int ret = 0;

	others.f = open_memstream(&list, &len);
	if (!others.f)
		return -ENOMEM;

	for (size_t i = 0; ret == 0 && i < cfg->n_failover; i++) {
		const struct supervisor_config one = {.endpoint = &cfg->failover[i],
						      .identifier = ""};

		ret = add_server(&others, &one);
	}
	if (fclose(others.f) != 0)
		ret = -ENOMEM;
	if (ret < 0)
		return ret;
	add(d, "failover", list);
	add_number(d, "failback", cfg->failback);
	add(d, "fence", cfg->failover_unfenced ? "none" : cfg->fence);
	return 0;
}

static void add_device(const struct description *d, const struct supervisor_config *cfg)
{
	add(d, "name", cfg->name);
	add_number(d, "read-only", cfg->read_only);
	add_number(d, "block-size", cfg->block_size);
	add_number(d, "connections", cfg->connections);
	add_number(d, "timeout", cfg->timeout);
	add_number(d, "backend", cfg->backend);
	add_number(d, "relay", cfg->relay);
	add_number(d, "watch-size", cfg->watch_size_s);
	add_number(d, "no-reconnect", !cfg->reconnect);
	add_number(d, "dead-timeout", cfg->dead_timeout_s);
	add_number(d, "peer-timeout", cfg->peer_timeout_ms);
	add_number(d, "follow-dns", cfg->follow_dns);
	add_number(d, "accept", cfg->accept);
	add_number(d, "same-content", cfg->same_content);
	add(d, "on-change", cfg->on_change);
	add_number(d, "swap", cfg->swap);
	/* An earlier version did not write these. */
	if (cfg->io_timeout_ms)
		add_number(d, "io-timeout", cfg->io_timeout_ms);
	if (cfg->no_scan)
		add_number(d, "no-scan", 1);
	if (cfg->without & NBD_TX_SEND_TRIM)
		add_number(d, "no-trim", 1);
	if (cfg->without & NBD_TX_SEND_WRITE_ZEROES)
		add_number(d, "no-write-zeroes", 1);
}

char *same_options(const struct supervisor_config *cfg)
{
	struct description d;
	char *text = NULL;
	size_t len;
	int ret;

	if (secret_read(d.key) < 0)
		return strdup("");
	d.f = open_memstream(&text, &len);
	if (!d.f)
		return NULL;
	ret = add_server(&d, cfg);
	if (ret == 0)
		ret = add_others(&d, cfg);
	add_device(&d, cfg);
	if (fclose(d.f) != 0 || ret < 0)
		free(TAKE_PTR(text));
	return text;
}

/* What the kernel was told when the device was attached; a new supervisor cannot change it. */
static bool is_fixed(const char *name, size_t len)
{
	const struct option_def *def = option_by_name(name, len);

	return def && def->fixed;
}

/* Whether one of the words of `list` begins with `word`. */
static bool has_word(const char *list, const char *word)
{
	for (const char *at = strstr(list, word); at; at = strstr(at + 1, word))
		if (at == list || at[-1] == ' ')
			return true;
	return false;
}

/*
 * Adds the names of those options of `mine` that `theirs` does not have; with `any_value` if it has
 * them with no value at all.
 */
static void name_those_without(const char *mine, const char *theirs, bool any_value,
			       bool fixed_only, struct text *t)
{
	for (size_t len; (len = strcspn(mine, " ")) > 0; mine += len + (mine[len] == ' ')) {
		size_t name_len = strcspn(mine, ":");
		_cleanup_free_ char *one = strndup(mine, any_value ? name_len + 1 : len);

		if (!one || has_word(theirs, one))
			continue;
		one[name_len] = '\0';
		if (fixed_only && !is_fixed(one, name_len))
			continue;
		text_str(t, t->len ? ", " : "");
		text_str(t, one);
	}
}

/* The names of the options that are not the same, with commas between them. */
static void name_differences(const char *mine, const char *theirs, bool fixed_only, struct text *t)
{
	name_those_without(mine, theirs, false, fixed_only, t);
	name_those_without(theirs, mine, true, fixed_only, t);
}

int same_given(const struct state *s, char *buf, size_t size)
{
	static const struct endpoint nowhere;
	const struct supervisor_config plain = {
	    .endpoint = &nowhere,
	    .identifier = s->captive[0] && captive_named(s->identifier) ? s->identifier : s->uri,
	    .reconnect = true,
	    .connections = 1,
	    .dead_timeout_s = OPTIONS_DEAD_TIMEOUT,
	    .peer_timeout_ms = OPTIONS_PEER_TIMEOUT,
	};
	const char *option = strchr(s->options, ' '); /* the server comes first */
	_cleanup_free_ char *defaults = NULL;
	struct text t;

	if (!strchr(s->options, ':'))
		return -ENODATA;
	defaults = same_options(&plain);
	if (!defaults || !defaults[0])
		return defaults ? -EACCES : -ENOMEM;
	text_init(&t, buf, size);
	name_those_without(option ? option + 1 : "", defaults, false, false, &t);
	return 0;
}

static bool are_same(const char *mine, const char *theirs)
{
	char names[8];
	struct text t;

	text_init(&t, names, sizeof(names));
	name_differences(mine, theirs, false, &t);
	return t.len == 0;
}

/* The state of a device whose supervisor lives and says which options it has. */
static bool is_supervised(int index, struct state *s)
{
	struct rundir_path lock = rundir_device(index, "lock");
	int holder = lock_live_holder(lock.text);

	/* Without a colon, they are an earlier version's digests, which had no key. */
	return holder && state_read(index, s, NULL) == 0 && s->pid == holder &&
	       strchr(s->options, ':');
}

/* Several devices can read one export with the same options: a name, which is one, tells which. */
static bool is_this_one(const struct supervisor_config *cfg, const struct state *s)
{
	return (!cfg->read_only || cfg->name) && are_same(cfg->options, s->options);
}

/* For `auto`: a device that is the same in everything, or writes to the same export. */
static int find(const struct supervisor_config *cfg, struct state *s)
{
	if (cfg->index != SUPERVISOR_INDEX_AUTO)
		return is_supervised(cfg->index, s) ? cfg->index : -1;
	for (int i = 0; i < ATTACHMENT_AUTO_DEVICES; i++)
		if (is_supervised(i, s) && is_this_one(cfg, s))
			return i;
	/* The export can be attached for writing only once, so this is what will be in the way. */
	for (int i = 0; i < ATTACHMENT_AUTO_DEVICES && !cfg->read_only; i++)
		if (is_supervised(i, s) && !s->read_only &&
		    strcmp(s->identifier, cfg->identifier) == 0)
			return i;
	return -1;
}

static int refuse(int index, const struct supervisor_config *cfg, const struct state *s,
		  struct err *err)
{
	struct rundir_path lock = rundir_device(index, "lock");
	_cleanup_fd_ int fd = -1;
	char what[32], names[256];
	struct text t;

	text_init(&t, names, sizeof(names));
	name_differences(cfg->options, s->options, false, &t);
	snprintf(what, sizeof(what), "/dev/nbd%d", index);
	if (lock_take(lock.text, what, &fd, err) != -EBUSY)
		return -1;
	text_init(&t, err->message + strlen(err->message),
		  sizeof(err->message) - strlen(err->message));
	text_str(&t, "; these options differ: ");
	text_str(&t, names);
	return err_exit_status(ERR_BUSY);
}

/* Waits for the end of an outage, as for a server at the first attachment. */
static int await(int index, const struct supervisor_config *cfg, struct state *s, struct err *err)
{
	const struct control_request now = {.verb = CONTROL_RECONNECT};
	uint64_t limit = cfg->wait_ms ? cfg->wait_ms : cfg->connect_timeout_ms;
	uint64_t end = limit == SUPERVISOR_FOREVER ? UINT64_MAX : loop_now() + limit;
	int status;

	if (strcmp(s->name, fsm_state_name(FSM_ATTACHED)) != 0)
		control_ask(index, &now, REQUEST_LIMIT_MS, &status, err);
	while (is_supervised(index, s)) {
		if (strcmp(s->name, fsm_state_name(FSM_ATTACHED)) == 0)
			return 0;
		if (loop_now() >= end) {
			err_set(err, ERR_RETRY, ETIMEDOUT,
				"/dev/nbd%d is attached already, in the state %s%s%s", index,
				s->name, s->error[0] ? ": " : "", s->error);
			return err_exit_status(ERR_RETRY);
		}
		usleep(LOOK_MS * 1000);
	}
	return -1;
}

int same_attached(const struct supervisor_config *cfg, struct err *err)
{
	struct state *s = malloc(sizeof(*s));
	int index = s && cfg->options[0] ? find(cfg, s) : -1, status = -1;

	if (index >= 0 && !are_same(cfg->options, s->options))
		status = refuse(index, cfg, s, err);
	else if (index >= 0)
		status = await(index, cfg, s, err);
	if (status == 0 && !sysfs_attached(index))
		status = -1;
	if (status == 0) {
		log_notice("/dev/nbd%d is already attached to %s", index,
			   s->captive[0] ? s->identifier : s->uri);
		if (cfg->index == SUPERVISOR_INDEX_AUTO)
			printf("/dev/nbd%d\n", index);
	}
	free(s);
	return status;
}

/*
 * A state file describes this attached device, which can be taken over, and says which options it
 * has. Only a supervisor in the foreground gets a device from one that lives.
 */
static bool is_described(int index, const struct supervisor_config *cfg, struct state *s)
{
	struct rundir_path lock = rundir_device(index, "lock");

	if (!cfg->foreground && lock_live_holder(lock.text))
		return false;
	return state_read(index, s, NULL) == 0 && strchr(s->options, ':') && s->attachment &&
	       s->attachment == sysfs_attachment(index) &&
	       strcmp(s->identifier, cfg->identifier) == 0;
}

/* The device that will be taken over, or -1: none, or it is not certain which. */
static int find_described(const struct supervisor_config *cfg, struct state *s)
{
	const struct own_wanted wanted = supervisor_wants(cfg);
	int found = -1;

	if (cfg->index != SUPERVISOR_INDEX_AUTO)
		return is_described(cfg->index, cfg, s) ? cfg->index : -1;
	for (int i = 0; i < ATTACHMENT_AUTO_DEVICES; i++) {
		if (!is_described(i, cfg, s) || own_match(i, &wanted, s) == OWN_NOT)
			continue;
		if (found >= 0)
			return -1;
		found = i;
	}
	/* Reads its state file again, because *s has the last one that was read. */
	return found >= 0 && is_described(found, cfg, s) ? found : -1;
}

/* Writes those options of the list that are fixed, or those that are not. */
static void write_some(FILE *f, const char *list, bool fixed)
{
	for (size_t len; (len = strcspn(list, " ")) > 0; list += len + (list[len] == ' '))
		if (is_fixed(list, strcspn(list, ":")) == fixed)
			fprintf(f, "%s%.*s", ftell(f) ? " " : "", (int)len, list);
}

int same_keep_fixed(const struct supervisor_config *cfg, char **ret_options)
{
	struct state *s = malloc(sizeof(*s));
	int index = s && cfg->options[0] ? find_described(cfg, s) : -1, ret = 0;
	char names[256];
	struct text t;
	size_t len;
	FILE *f;

	text_init(&t, names, sizeof(names));
	if (index >= 0)
		name_differences(cfg->options, s->options, true, &t);
	if (index >= 0 && t.len) {
		log_warning("/dev/nbd%d: what was given for %s applies when the device is attached "
			    "again: detach it first",
			    index, names);
		f = open_memstream(ret_options, &len);
		if (f) {
			write_some(f, cfg->options, false);
			write_some(f, s->options, true);
		}
		ret = f && fclose(f) == 0 ? 0 : -ENOMEM;
	}
	free(s);
	return ret;
}
