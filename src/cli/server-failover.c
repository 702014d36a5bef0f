/* SPDX-License-Identifier: MIT */
#include "cli/server-failover.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/ids.h"
#include "nbd/sample.h"
#include "cli/server-captive.h"
#include "cli/table.h"
#include "cli/server-tls.h"
#include "endpoint/uri-parts.h"
#include "endpoint/uri.h"

int option_set_failover(struct options *o, const struct option_def *def, const char *value,
			struct err *err)
{
	struct endpoint e;
	int r;

	if (!uri_is_meant(value))
		return part_bad(err, "--%s takes a URI, such as nbd://HOST/EXPORT, not %s",
				def->name, quoted_str(value).text);
	if (o->n_failover == ARRAY_SIZE(o->failover))
		return part_bad(err, "--%s may be given %zu times", def->name,
				ARRAY_SIZE(o->failover));
	r = uri_parse(value, &e, err);
	if (r < 0) {
		err_prefix(err, "--%s: ", def->name);
		return r;
	}
	o->failover[o->n_failover++] = e;
	return 0;
}

int option_set_failback(struct options *o, const struct option_def *def, const char *value,
			struct err *err)
{
	for (unsigned i = 0; def->choices[i]; i++) {
		if (strcmp(value, def->choices[i]) == 0) {
			o->failback = (enum failback)i;
			o->failback_given = true;
			return 0;
		}
	}
	return part_bad(err, "--%s must be one of %s, not %s", def->name, def->shown,
			quoted_str(value).text);
}

/* A command that is called none can be written as ./none. */
int option_set_fence(struct options *o, const struct option_def *def, const char *value,
		     struct err *err)
{
	/* The shell would call it a success, and the server that is left would not be fenced. */
	if (!value[0])
		return part_bad(err,
				"the value of --%s is empty: --%s none allows another server "
				"without a command",
				def->name, def->name);
	free(TAKE_PTR(o->fence));
	o->failover_unfenced = strcmp(value, "none") == 0;
	if (o->failover_unfenced)
		return 0;
	o->fence = strdup(value);
	return o->fence ? 0 : part_no_memory(err);
}

int option_set_same_content(struct options *o, const struct option_def *def, const char *value,
			    struct err *err)
{
	o->same_content = value && strcmp(value, "ids") == 0 ? IDS_SAMPLE : SAMPLE_DEFAULT;
	if (!value || o->same_content == IDS_SAMPLE || option_set_size(o, def, value, err) == 0)
		return 0;
	return part_bad(err, "--%s must be ids, or a number from %u to %u, not %s", def->name,
			def->min, def->max, quoted_str(value).text);
}

void failover_done(struct options *o)
{
	while (o->n_failover)
		endpoint_done(&o->failover[--o->n_failover]);
	free(TAKE_PTR(o->fence));
}

int failover_share(struct options *o, struct err *err)
{
	for (size_t i = 0; i < o->n_failover; i++) {
		int r = options_tls_share(&o->tls, &o->failover[i], err);

		if (r < 0) {
			err_prefix(err, "--failover: ");
			return r;
		}
	}
	return 0;
}

static int check_alone(const struct options *o, struct err *err)
{
	const char *option = o->fence || o->failover_unfenced ? "fence"
			     : o->failback_given	      ? "failback"
							      : NULL;

	if (option)
		return part_bad(err, "--%s needs another server: add --failover URI", option);
	return 0;
}

/* Two places in the list would be one server. */
static int check_differ(const struct endpoint *one, const struct endpoint *other, struct err *err)
{
	_cleanup_free_ char *a = endpoint_uri(one);
	_cleanup_free_ char *b = endpoint_uri(other);

	if (!a || !b)
		return part_no_memory(err);
	if (strcmp(a, b) == 0)
		return part_bad(err, "the server %s is given twice", quoted_str(a).text);
	return 0;
}

static int check_all_differ(const struct options *o, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < o->n_failover; i++) {
		r = check_differ(&o->endpoint, &o->failover[i], err);
		for (size_t k = 0; r == 0 && k < i; k++)
			r = check_differ(&o->failover[k], &o->failover[i], err);
	}
	return r;
}

int failover_check(const struct options *o, struct err *err)
{
	if (o->n_failover == 0)
		return check_alone(o, err);
	if (captive_wanted(o))
		return part_bad(err, "--failover cannot be combined with a server command or "
				     "--image: nbd-attach starts such a server again when it ends");
	if (o->root && o->fence)
		return part_bad(err,
				"--root and --fence cannot be combined: the command's file may "
				"be on the device that is lost; --fence none allows other "
				"servers");
	if (o->backend == KERNEL_BACKEND_IOCTL)
		return part_bad(err, "--failover needs netlink: with --backend ioctl a device ends "
				     "with its connection");
	for (size_t i = 0; i < o->n_failover; i++) {
		if (o->endpoint.tls && !o->failover[i].tls)
			return part_bad(err, "the first server uses TLS, so every --failover "
					     "server must use it too: give --tls, or nbds:// URIs");
		if (endpoint_verifies(&o->endpoint) && !endpoint_verifies(&o->failover[i]))
			return part_bad(
			    err, "the first server is verified, so every --failover server must be "
				 "verified too: do not use tls-verify-peer=0 or tls-type=anon");
		if (o->source && o->failover[i].type != ENDPOINT_TCP)
			return part_bad(
			    err,
			    "--source is for TCP servers, so every --failover server must use TCP");
		if (o->owned && o->failover[i].type == ENDPOINT_VSOCK)
			return part_bad(err, "--peer-uid is for servers on this machine, so no "
					     "--failover server can use vsock");
	}
	return check_all_differ(o, err);
}
