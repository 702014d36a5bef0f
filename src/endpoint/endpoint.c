/* SPDX-License-Identifier: MIT */
#include "endpoint/endpoint.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

void endpoint_init(struct endpoint *e)
{
	*e = (struct endpoint){
	    .type = ENDPOINT_TCP,
	    .port = NBD_DEFAULT_PORT,
	    .vsock_port = NBD_DEFAULT_PORT,
	    .tls_verify_peer = true,
	};
}

void endpoint_done(struct endpoint *e)
{
	free(e->host);
	free(e->path);
	free(e->export_name);
	free(e->tls_hostname);
	free(e->tls_username);
	free(e->tls_certificates);
	free(e->tls_psk_file);
	free(e->tls_ca);
	free(e->tls_crl);
	free(e->tls_cert);
	free(e->tls_key);
	free(e->tls_priority);
	endpoint_init(e);
}

/* RFC 3986 section 2.3, and the slash, which a path and a query may hold as it is. */
static bool unreserved(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("-._~/", c));
}

static void encode(FILE *f, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		fprintf(f, unreserved((unsigned char)bytes[i]) ? "%c" : "%%%02X",
			(unsigned char)bytes[i]);
}

/*
 * One text for one host: names in lower case (RFC 4343), IPv6 in the form of RFC 5952, which is
 * what inet_ntop() writes; the scope of a link-local address as RFC 6874 has it.
 */
static void encode_host(FILE *f, const char *host)
{
	const char *scope = strchr(host, '%');
	char literal[INET6_ADDRSTRLEN];
	struct in6_addr in6;
	_cleanup_free_ char *bare = NULL;

	if (!strchr(host, ':')) {
		for (; *host; host++)
			encode(f, (const char[]){(char)tolower((unsigned char)*host)}, 1);
		return;
	}
	bare = scope ? strndup(host, (size_t)(scope - host)) : strdup(host);
	fputc('[', f);
	if (bare && inet_pton(AF_INET6, bare, &in6) == 1 &&
	    inet_ntop(AF_INET6, &in6, literal, sizeof(literal)))
		fputs(literal, f);
	else
		encode(f, host, scope ? (size_t)(scope - host) : strlen(host));
	if (scope) {
		fputs("%25", f);
		encode(f, scope + 1, strlen(scope + 1));
	}
	fputc(']', f);
}

static void write_param(FILE *f, const char *name, const char *value, char *separator)
{
	if (!value)
		return;
	fprintf(f, "%c%s=", *separator, name);
	encode(f, value, strlen(value));
	*separator = '&';
}

/* Parts that the identifier must not show, or that do not change the export. */
static void write_params(FILE *f, const struct endpoint *e)
{
	char separator = e->type == ENDPOINT_UNIX ? '&' : '?';

	write_param(f, "tls-type", e->tls_type == TLS_TYPE_ANON ? "anon" : NULL, &separator);
	write_param(f, "tls-hostname", e->tls_hostname, &separator);
	write_param(f, "tls-verify-peer", e->tls_verify_peer ? NULL : "0", &separator);
	write_param(f, "tls-certificates", e->tls_certificates, &separator);
	write_param(f, "tls-psk-file", e->tls_psk_file, &separator);
}

static void write_authority(FILE *f, const struct endpoint *e, bool whole)
{
	static const char *const tail[] = {
	    [ENDPOINT_TCP] = "", [ENDPOINT_UNIX] = "+unix", [ENDPOINT_VSOCK] = "+vsock"};

	fprintf(f, "%s%s://", e->tls ? "nbds" : "nbd", tail[e->type]);
	if (whole && e->tls_username) {
		encode(f, e->tls_username, strlen(e->tls_username));
		fputc('@', f);
	}
	switch (e->type) {
	case ENDPOINT_TCP:
		encode_host(f, e->host ? e->host : "");
		if (e->port != NBD_DEFAULT_PORT)
			fprintf(f, ":%u", e->port);
		break;
	case ENDPOINT_UNIX:
		break;
	case ENDPOINT_VSOCK:
		fprintf(f, "%u", e->cid);
		if (e->vsock_port != NBD_DEFAULT_PORT)
			fprintf(f, ":%u", e->vsock_port);
		break;
	}
}

static void write_uri(FILE *f, const struct endpoint *e, bool whole)
{
	const char *export_name = e->export_name ? e->export_name : "";

	write_authority(f, e, whole);
	fputc('/', f);
	encode(f, export_name, strlen(export_name));
	if (e->type == ENDPOINT_UNIX) {
		fputs("?socket=", f);
		encode(f, e->path, e->path_len);
	}
	if (whole && e->tls)
		write_params(f, e);
}

static char *uri_text(const struct endpoint *e, bool whole)
{
	char *uri = NULL;
	size_t len;
	FILE *f = open_memstream(&uri, &len);
	bool failed;

	if (!f)
		return NULL;
	write_uri(f, e, whole);
	failed = ferror(f);
	if (fclose(f) != 0 || failed) {
		free(uri);
		return NULL;
	}
	return uri;
}

char *endpoint_uri(const struct endpoint *e)
{
	return uri_text(e, false);
}

char *endpoint_whole_uri(const struct endpoint *e)
{
	return uri_text(e, true);
}

bool endpoint_needs_relay(const struct endpoint *e)
{
	return e->type == ENDPOINT_VSOCK || (e->tls && e->type != ENDPOINT_TCP);
}

bool endpoint_verifies(const struct endpoint *e)
{
	if (!e->tls)
		return false;
	switch (e->tls_type) {
	case TLS_TYPE_ANON:
		return false;
	case TLS_TYPE_UNSET:
	case TLS_TYPE_X509:
		return e->tls_verify_peer;
	case TLS_TYPE_PSK:
		return true;
	}
	return false;
}

const char *endpoint_warning(const struct endpoint *e)
{
	if (!e->tls || endpoint_verifies(e))
		return NULL;
	return e->tls_type == TLS_TYPE_ANON
		   ? "TLS does not verify the server (tls-type=anon): anyone who gets between this "
		     "machine and the server can read and change everything"
		   : "the server's certificate is not verified (--tls-verify-peer 0): anyone who "
		     "gets between this machine and the server can read and change everything";
}

char *endpoint_describe(const struct endpoint *e, char *buf, size_t size)
{
	bool brackets = e->host && strchr(e->host, ':');
	struct text t;

	text_init(&t, buf, size);
	switch (e->type) {
	case ENDPOINT_TCP:
		text_str(&t, brackets ? "[" : "");
		if (e->host)
			text_escape(&t, e->host, strlen(e->host), 255);
		text_str(&t, brackets ? "]:" : ":");
		text_u64(&t, e->port);
		break;
	case ENDPOINT_UNIX:
		text_str(&t, "unix:");
		if (e->path_len && e->path[0] == '\0') {
			text_str(&t, "@");
			text_escape(&t, e->path + 1, e->path_len - 1, 255);
		} else {
			text_escape(&t, e->path, e->path_len, 255);
		}
		break;
	case ENDPOINT_VSOCK:
		text_str(&t, "vsock:");
		text_u64(&t, e->cid);
		text_str(&t, ":");
		text_u64(&t, e->vsock_port);
		break;
	}
	return buf;
}
