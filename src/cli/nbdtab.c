/* SPDX-License-Identifier: MIT */
#include "cli/nbdtab.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "kernel/device.h"
#include "cli/table.h"
#include "endpoint/uri-parts.h"

#define FIELDS	3 /* the options are the fourth, and may be missing */
#define BLANKS	" \t\r"
#define OPTIONS 32

#define refuse(err, ...) err_set(err, ERR_FAILED, EINVAL, __VA_ARGS__)

enum kind { KIND_VALUE, KIND_FLAG, KIND_NEEDLESS, KIND_REFUSED, KIND_UNIX, KIND_TIMEOUT };

/* nbdtab(5) and nbd-client.c of nbd 3.24 and later. */
static const struct known {
	const char *key;
	enum kind kind;
	bool tls;	  /* asks for TLS by being there */
	const char *name; /* of our option; or why it is needless or refused */
} known[] = {
    {"bs", KIND_VALUE, false, "block-size"},
    {"conns", KIND_VALUE, false, "connections"},
    {"port", KIND_VALUE, false, "port"},
    {"timeout", KIND_TIMEOUT, false, "dead-timeout"},
    {"dead-timeout", KIND_VALUE, false, "dead-timeout"},
    {"swap", KIND_FLAG, false, "swap"},
    {"unix", KIND_UNIX, false, "unix"},
    {"tls", KIND_FLAG, true, "tls"},
    {"cacertfile", KIND_VALUE, true, "tls-ca"},
    {"certfile", KIND_VALUE, true, "tls-cert"},
    {"keyfile", KIND_VALUE, true, "tls-key"},
    {"tlshostname", KIND_VALUE, true, "tls-hostname"},
    {"priority", KIND_VALUE, false, "tls-priority"},
    {"persist", KIND_NEEDLESS, false, "nbd-attach always connects again"},
    {"no_optgo", KIND_NEEDLESS, false, "nbd-attach does this by itself if the server needs it"},
    {"sdp", KIND_REFUSED, false, "Linux has no Socket Direct Protocol any more"},
    {"preinit", KIND_REFUSED, false, "nbd-attach does a handshake on every connection"},
};

struct option_word {
	const char *key, *value; /* value: NULL without `=` */
	const struct known *known;
};

struct line {
	struct nbdtab *tab;
	FILE *out;
	const char *field[FIELDS]; /* device, host, export */
	struct option_word option[OPTIONS];
	size_t n;
};

static const struct known *find(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(known[i].key, key) == 0)
			return &known[i];
	return NULL;
}

static const struct option_word *given(const struct line *l, const char *key)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->option[i].key, key) == 0)
			return &l->option[i];
	return NULL;
}

/* The fields, and the options as one word. A `#` begins a comment only where a word could. */
static int split(struct line *l, char *text, char **ret_options, struct err *err)
{
	char *save = NULL, *word = strtok_r(text, BLANKS, &save);
	size_t n = 0;

	*ret_options = NULL;
	for (; word && word[0] != '#'; word = strtok_r(NULL, BLANKS, &save), n++) {
		if (n < FIELDS)
			l->field[n] = word;
		else if (n == FIELDS)
			*ret_options = word;
		else
			return refuse(err, "%s is one word too many", quoted_str(word).text);
		if (n < FIELDS && strpbrk(word, ",="))
			return refuse(err, "%s contains a comma or an equals sign",
				      quoted_str(word).text);
	}
	if (n && n < FIELDS)
		return refuse(err, "the line must name a device, a host and an export");
	return 0;
}

static bool takes_value(const struct known *k)
{
	return k->kind == KIND_VALUE || k->kind == KIND_TIMEOUT;
}

static int split_options(struct line *l, char *text, struct err *err)
{
	char *save = NULL;

	for (char *word = strtok_r(text, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		struct option_word *o = &l->option[l->n];
		char *sign = strchr(word, '=');

		if (l->n++ == OPTIONS)
			return refuse(err, "more than %d options", OPTIONS);
		if (sign)
			*sign++ = '\0';
		*o = (struct option_word){.key = word, .value = sign};
		if (given(l, word) != o)
			return refuse(err, "%s is given twice", quoted_str(word).text);
		o->known = find(word);
		if (o->known && takes_value(o->known) != (sign && sign[0]))
			return refuse(err, "%s %s", word,
				      takes_value(o->known) ? "has no value" : "takes no value");
	}
	return 0;
}

static bool is_ours(const char *name)
{
	const struct option_def *def = option_by_name(name, strlen(name));

	return def && def->in_file;
}

/* nbd-client's own rule, and misspelt options that may have been meant to ask for TLS. */
static bool asks_for_tls(const struct option_word *o)
{
	static const char *const hints[] = {"tls", "TLS", "cert", "key", "psk"};

	if (o->known)
		return o->known->tls;
	for (size_t i = 0; i < ARRAY_SIZE(hints); i++)
		if (o->key[0] != '_' && strstr(o->key, hints[i]))
			return true;
	return false;
}

static void note(struct line *l, const struct option_word *o, const char *what)
{
	char sentence[512];

	snprintf(sentence, sizeof(sentence), "%s: %s", quoted_str(o->key).text, what);
	fprintf(l->out, "# %s\n", sentence);
	l->tab->note(sentence, l->tab->arg);
}

/*
 * As -timeout under the name nbd-client: never our --timeout, because a device that is connected
 * again sends a request that was cut off again, and its first copy could then overwrite newer data.
 */
static int write_timeout(struct line *l, const struct option_word *o, struct err *err)
{
	if (strspn(o->value, "0123456789") != strlen(o->value))
		return refuse(err, "timeout: %s is not a number of seconds",
			      quoted_str(o->value).text);
	if (given(l, "dead-timeout")) {
		note(l, o, "left out; dead-timeout says how long I/O waits for a lost server");
	} else if (given(l, "persist") || strspn(o->value, "0") == strlen(o->value)) {
		note(l, o,
		     "left out; I/O waits for a lost server until the dead timeout has passed, and "
		     "no request is cut off because its server is slow");
	} else {
		fprintf(l->out, "dead-timeout = %s\n", o->value);
		l->tab->impatient = true;
		note(l, o,
		     "is the dead-timeout here: I/O fails when the server has been gone for this "
		     "time, and no request is cut off because its server is slow");
	}
	return 0;
}

static int write_option(struct line *l, const struct option_word *o, struct err *err)
{
	const struct known *k = o->known;

	if (!k && asks_for_tls(o))
		return refuse(err, "%s is not known, and may ask for TLS", quoted_str(o->key).text);
	if (!k && o->key[0] == '_') {
		note(l, o, "left out; such options are meant for other programs than nbd-client");
		return 0;
	}
	if (!k) {
		l->tab->lost++;
		note(l, o, "left out; neither nbd-client nor nbd-attach knows it");
		return 0;
	}
	switch (k->kind) {
	case KIND_REFUSED:
		return refuse(err, "%s: %s", k->key, k->name);
	case KIND_NEEDLESS:
		note(l, o, k->name);
		return 0;
	case KIND_UNIX:
		return 0; /* written with the server */
	case KIND_TIMEOUT:
		return write_timeout(l, o, err);
	case KIND_FLAG:
	case KIND_VALUE:
		break;
	}
	if (strcmp(k->key, "port") == 0 && given(l, "unix")) {
		note(l, o, "left out; a Unix socket has no port");
		return 0;
	}
	if (!is_ours(k->name))
		return refuse(err, "%s has no counterpart in nbd-attach", k->key);
	fprintf(l->out, "%s = %s\n", k->name, o->value ? o->value : "yes");
	return 0;
}

static int write_tls(struct line *l, struct err *err)
{
	const struct option_word *key = given(l, "keyfile");
	bool tls = false;

	for (size_t i = 0; i < l->n; i++)
		tls = tls || asks_for_tls(&l->option[i]);
	if (!tls)
		return 0;
	if (!is_ours("tls"))
		return refuse(err, "it asks for TLS, which this version of nbd-attach cannot do; "
				   "without TLS it is not attached");
	if (!given(l, "tls"))
		fputs("tls = yes\n", l->out);
	/* nbd-client then takes the key's file for the certificate's, too. */
	l->tab->key_is_cert = key && !given(l, "certfile");
	if (l->tab->key_is_cert)
		fprintf(l->out, "tls-cert = %s\n", key->value);
	return 0;
}

int nbdtab_convert(struct nbdtab *tab, char *text, FILE *out, struct err *err)
{
	struct line l = {.tab = tab, .out = out};
	char *options;
	int r = split(&l, text, &options, err);

	tab->index = -1;
	tab->lost = 0;
	tab->impatient = tab->key_is_cert = false;
	if (r < 0 && l.field[0])
		device_parse(l.field[0], "", &tab->index, NULL);
	if (r < 0 || !l.field[0])
		return r;
	r = device_parse(l.field[0], " or the like", &tab->index, err);
	if (r < 0) {
		err->kind = ERR_FAILED;
		return r;
	}
	if (options)
		r = split_options(&l, options, err);
	tab->persist = r == 0 && given(&l, "persist");
	if (r == 0) {
		fprintf(out, "%s = %s\nexport = %s\n", given(&l, "unix") ? "unix" : "target",
			l.field[1], l.field[2]);
		r = write_tls(&l, err);
	}
	for (size_t i = 0; r == 0 && i < l.n; i++)
		r = write_option(&l, &l.option[i], err);
	return r;
}
