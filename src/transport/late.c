/* SPDX-License-Identifier: MIT */
#include "transport/late.h"

#include <errno.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/text.h"

struct limit {
	char text[32];
};

static struct limit in_seconds(uint64_t ms)
{
	unsigned s = (unsigned)(ms / 1000), rest = (unsigned)(ms % 1000);
	struct limit limit;

	snprintf(limit.text, sizeof(limit.text), rest ? "%u.%03u s" : "%u s", s, rest);
	return limit;
}

void late_lookup(const char *what, uint64_t ms, struct err *err)
{
	err_set(err, ERR_RETRY, ETIMEDOUT,
		"the host name of %s could not be resolved within %s: the name server does "
		"not answer",
		what, in_seconds(ms).text);
}

void late_connection(const char *what, const struct dial *d, uint64_t ms, struct err *err)
{
	char detail[600] = "; ";
	struct text t;

	text_init(&t, detail + 2, sizeof(detail) - 2);
	if (!dial_failures(d, &t))
		detail[0] = '\0';
	err_set(err, ERR_RETRY, ETIMEDOUT,
		"no connection to %s within %s: the host may be down, or a firewall drops "
		"the packets%s",
		what, in_seconds(ms).text, detail);
}

/* One of the files or directories that were named; NULL: none was. */
static const char *tls_path(const struct endpoint *e)
{
	const char *const paths[] = {e->tls_psk_file, e->tls_key, e->tls_certificates,
				     e->tls_cert,     e->tls_ca,  e->tls_crl};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		if (paths[i])
			return paths[i];
	return NULL;
}

void late_keys(const char *what, const struct endpoint *e, uint64_t ms, struct err *err)
{
	const char *path = tls_path(e);

	err_set(err, ERR_RETRY, ETIMEDOUT,
		"the certificates and keys for %s could not be read within %s%s%.300s: the "
		"disk or file system of this machine that has them does not answer",
		what, in_seconds(ms).text, path ? ", such as " : "", path ? path : "");
}

void late_answer(const char *what, uint64_t ms, struct err *err)
{
	err_set(err, ERR_RETRY, ETIMEDOUT,
		"no answer from %s within %s: the server may be stopped, overloaded, or not an NBD "
		"server",
		what, in_seconds(ms).text);
}
