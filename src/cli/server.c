/* SPDX-License-Identifier: MIT */
#include "cli/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/server-captive.h"
#include "cli/server-failover.h"
#include "cli/server-tls.h"
#include "endpoint/address.h"
#include "endpoint/uri-parts.h"
#include "endpoint/uri.h"
#include "transport/sockopts.h"

/* A device outlives the directory that its command was typed in. */
int server_path_absolute(char **path, struct err *err)
{
	_cleanup_free_ char *cwd = NULL;
	char *absolute;

	if (!*path || (*path)[0] == '/' || (*path)[0] == '\0')
		return 0;
	cwd = getcwd(NULL, 0);
	if (!cwd)
		return err_errno(err, ERR_FAILED, errno, "cannot find the working directory");
	if (asprintf(&absolute, "%s/%s", strcmp(cwd, "/") == 0 ? "" : cwd, *path) < 0)
		return part_no_memory(err);
	free(*path);
	*path = absolute;
	return 0;
}

static int read_address(const struct options *o, const char *server, const char *export_name,
			struct endpoint *ret_endpoint, struct err *err)
{
	if (!o->unix_path)
		return uri_positional(server, o->port, export_name, ret_endpoint, err);
	if (o->port)
		return part_bad(err, "--port and --unix cannot be combined");
	return uri_unix(o->unix_path, export_name, ret_endpoint, err);
}

int server_check_address(const struct options *o, const char *server, struct err *err)
{
	struct endpoint e;
	int r = read_address(o, server, o->export_name, &e, err);

	if (r == 0)
		endpoint_done(&e);
	return r;
}

/* A link-local address needs its interface, from the address itself or from --source. */
static int check_interface(const struct options *o, const struct endpoint *e, struct err *err)
{
	struct address a;

	if (e->type != ENDPOINT_TCP || !address_from_literal(e->host, e->port, &a) ||
	    !address_lacks_interface(&a))
		return 0;
	if (source_names_interface(o->source))
		return 0;
	return part_bad(err,
			"%s is a link-local address, which needs the network interface: write "
			"%s%%INTERFACE, or in a URI [%s%%25INTERFACE]",
			e->host, e->host, e->host);
}

static int check_interfaces(const struct options *o, struct err *err)
{
	int r = check_interface(o, &o->endpoint, err);

	for (size_t i = 0; r == 0 && i < o->n_failover; i++) {
		r = check_interface(o, &o->failover[i], err);
		if (r < 0)
			err_prefix(err, "--failover: ");
	}
	return r;
}

int server_apply(struct options *o, const char *server, const char *export_name, struct err *err)
{
	int r;

	if (export_name && o->export_name)
		return part_bad(err, "the export is given twice: with --export, and as %s",
				quoted_str(export_name).text);
	if (!export_name)
		export_name = o->export_name;
	if (captive_wanted(o))
		r = captive_apply(o, export_name, err);
	else if ((r = captive_unwanted(o, err)) < 0)
		return r;
	else
		r = read_address(o, server, export_name, &o->endpoint, err);
	if (r == 0 && o->source && o->endpoint.type != ENDPOINT_TCP)
		r = part_bad(err, "--source is for TCP servers");
	if (r == 0)
		r = check_interfaces(o, err);
	if (r == 0 && o->owned && o->endpoint.type == ENDPOINT_VSOCK)
		r = part_bad(err, "--peer-uid is for servers on this machine, by a Unix socket or "
				  "TCP: the kernel does not tell who serves vsock");
	if (r == 0)
		r = failover_share(o, err);
	if (r == 0)
		r = options_tls_apply(&o->tls, &o->endpoint, err);
	return r == 0 ? failover_check(o, err) : r;
}

bool server_is_relative(const struct endpoint *e)
{
	const char *const tls[] = {e->tls_certificates, e->tls_psk_file};

	for (size_t i = 0; i < ARRAY_SIZE(tls); i++)
		if (tls[i] && tls[i][0] != '/')
			return true;
	return e->type == ENDPOINT_UNIX && e->path[0] != '/' && e->path[0] != '\0';
}

int server_paths_absolute(struct endpoint *e, struct err *err)
{
	_cleanup_free_ char *path = NULL;
	char **tls[] = {&e->tls_certificates, &e->tls_psk_file, &e->tls_ca,
			&e->tls_crl,	      &e->tls_cert,	&e->tls_key};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(tls); i++)
		r = server_path_absolute(tls[i], err);
	if (r < 0 || e->type != ENDPOINT_UNIX || e->path[0] == '\0')
		return r;
	path = strdup(e->path);
	if (!path)
		return part_no_memory(err);
	r = server_path_absolute(&path, err);
	if (r < 0)
		return r;
	r = part_socket(e, path, strlen(path), err);
	if (r == -EINVAL)
		err_prefix(err, "made absolute, ");
	return r;
}
