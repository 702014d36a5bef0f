/* SPDX-License-Identifier: MIT */
/* The forms of endpoint/uri.h that are not URIs: a host with its companions, and a socket's path.
 */
#include "endpoint/uri.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "endpoint/uri-parts.h"

bool uri_is_meant(const char *text)
{
	return strstr(text, "://") || strncasecmp(text, "nbd+", 4) == 0 ||
	       strncasecmp(text, "nbds+", 5) == 0;
}

static bool has_suffix(const char *s, const char *suffix)
{
	size_t len = strlen(s), n = strlen(suffix);

	return len > n && strcasecmp(s + len - n, suffix) == 0;
}

/* A host may be named like a file, so the file has to be there too. */
static bool is_image_file(const char *name)
{
	static const char *const suffixes[] = {".qcow2", ".qcow", ".img",  ".raw", ".vmdk",
					       ".vdi",	 ".vhd",  ".vhdx", ".iso"};
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
		if (has_suffix(name, suffixes[i]))
			return stat(name, &st) == 0 && !S_ISDIR(st.st_mode);
	return false;
}

/* The value of --image without the option. A host may be called raw, but its port is a number. */
static bool is_image_word(const char *word)
{
	static const char *const formats[] = {"qcow2:", "raw:", "vmdk:", "vdi:", "vhdx:", "vpc:"};

	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		size_t len = strlen(formats[i]);

		if (strncmp(word, formats[i], len) == 0)
			return word[len + strspn(word + len, "0123456789")] != '\0';
	}
	return false;
}

/* Common mistakes in place of a host, each with the correct form. */
static int check_slips(const char *host, struct err *err)
{
	size_t len = strcspn(host, "/");

	if (!*host)
		return part_bad(err, "the host is empty: give a HOST, a URI, or --unix PATH");
	if (host[0] == '/' || host[0] == '~' || strncmp(host, "./", 2) == 0 ||
	    strncmp(host, "../", 3) == 0 || is_image_file(host))
		return part_bad(err,
				"%s is a path, not a server: write --unix PATH for a Unix "
				"socket, --image FORMAT:FILE for a disk image",
				quoted_str(host).text);
	if (is_image_word(host))
		return part_bad(err, "%s is not a host: for a disk image write --image before it",
				quoted_str(host).text);
	if (strncasecmp(host, "unix:", 5) == 0)
		return part_bad(err,
				"%s is not a host: for a Unix socket use --unix PATH or "
				"nbd+unix:///EXPORT?socket=PATH",
				quoted_str(host).text);
	/* "nbd" may be the host. */
	if (strncasecmp(host, "nbd:", 4) == 0 && host[4] != '/' && strchr(host + 4, ':'))
		return part_bad(err,
				"%s is QEMU's way to write it: write nbd://HOST:PORT/EXPORT or "
				"nbd+unix:///EXPORT?socket=PATH",
				quoted_str(host).text);
	if (strncasecmp(host, "vsock:", 6) == 0)
		return part_bad(err, "%s is not a host: write nbd+vsock://CID:PORT/EXPORT",
				quoted_str(host).text);
	if (host[len])
		return part_bad(err,
				"%s is not a host: give the export as a separate argument, or "
				"write a URI such as nbd://HOST/EXPORT",
				quoted_str(host).text);
	return 0;
}

/* [IPv6] or [IPv6]:PORT; *ret_port is what follows the colon, or NULL. */
static int parse_brackets(struct endpoint *e, const char *host, const char **ret_port,
			  struct err *err)
{
	const char *close = strchr(host, ']');

	if (!close || (close[1] && close[1] != ':'))
		return part_bad(err, "%s is not of the form [ADDRESS] or [ADDRESS]:PORT",
				quoted_str(host).text);
	*ret_port = close[1] ? close + 2 : NULL;
	return part_ipv6(e, host + 1, (size_t)(close - host - 1), err);
}

static int parse_host(struct endpoint *e, const char *host, const char **ret_port, struct err *err)
{
	const char *colon = strchr(host, ':');
	struct in6_addr in6;

	*ret_port = NULL;
	if (host[0] == '[')
		return parse_brackets(e, host, ret_port, err);
	if (!colon)
		return part_host(e, host, strlen(host), err);
	if (!strchr(colon + 1, ':')) {
		*ret_port = colon + 1;
		return part_host(e, host, (size_t)(colon - host), err);
	}
	if (!strchr(host, '%') && inet_pton(AF_INET6, host, &in6) != 1)
		return part_bad(err,
				"%s is not a host: write an IPv6 address with a port as "
				"[ADDRESS]:PORT, anything else as a URI",
				quoted_str(host).text);
	return part_ipv6(e, host, strlen(host), err);
}

static int parse_words(struct endpoint *e, const char *host, const char *port,
		       const char *export_name, struct err *err)
{
	const char *own_port = NULL;
	int r = check_slips(host, err);

	if (r == 0)
		r = parse_host(e, host, &own_port, err);
	if (r < 0)
		return r;
	if (own_port && port)
		return part_bad(err,
				"the port is given twice: with --port, and after the host in %s",
				quoted_str(host).text);
	port = own_port ? own_port : port;
	r = port ? part_port(e, port, strlen(port), err) : 0;
	return r == 0 ? part_export(e, export_name ? export_name : "",
				    export_name ? strlen(export_name) : 0, err)
		      : r;
}

int uri_positional(const char *host, const char *port, const char *export_name,
		   struct endpoint *ret_endpoint, struct err *err)
{
	struct endpoint e;
	int r;

	if (uri_is_meant(host)) {
		r = uri_parse(host, &e, err);
		if (r < 0)
			return r;
		if (port)
			r = part_bad(err,
				     "a URI contains the port: --port cannot be combined with it");
		else if (export_name)
			r = part_bad(err, "a URI contains the export: write nbd://HOST/EXPORT, "
					  "without a separate EXPORT");
	} else {
		endpoint_init(&e);
		r = parse_words(&e, host, port, export_name, err);
	}
	if (r < 0) {
		endpoint_done(&e);
		return r;
	}
	*ret_endpoint = e;
	return 0;
}

int uri_unix(const char *path, const char *export_name, struct endpoint *ret_endpoint,
	     struct err *err)
{
	struct endpoint e;
	int r;

	if (path[0] == '@')
		return part_bad(
		    err,
		    "%s: an abstract socket is written nbd+unix:///EXPORT?socket=%%00NAME, "
		    "and a file whose name starts with @ as ./@NAME",
		    quoted_str(path).text);
	if (uri_is_meant(path))
		return part_bad(err, "--unix takes a path: give the URI %s without --unix",
				quoted_str(path).text);
	endpoint_init(&e);
	e.type = ENDPOINT_UNIX;
	r = part_socket(&e, path, strlen(path), err);
	if (r == 0)
		r = part_export(&e, export_name ? export_name : "",
				export_name ? strlen(export_name) : 0, err);
	if (r < 0) {
		endpoint_done(&e);
		return r;
	}
	*ret_endpoint = e;
	return 0;
}
