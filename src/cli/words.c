/* SPDX-License-Identifier: MIT */
#include "cli/words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/name.h"
#include "cli/server.h"
#include "kernel/device.h"
#include "cli/server-captive.h"
#include "cli/server-failover.h"
#include "cli/verbs.h"
#include "cli/server-tls.h"
#include "endpoint/uri-parts.h"
#include "endpoint/uri.h"

static bool is_device(const char *s)
{
	int index;

	return device_parse(s, "", &index, NULL) == 0;
}

/* The other verbs know an attached device by a path too: verbs/device.h finds it. */
static int parse_path(struct options *o, const char *s, struct err *err)
{
	o->index = SUPERVISOR_INDEX_AUTO;
	o->device = strdup(s);
	if (!o->device)
		return part_no_memory(err);
	return server_path_absolute(&o->device, err);
}

static bool is_path(const char *s)
{
	return strchr(s, '/') && (strncmp(s, "/dev/", 5) != 0 || strchr(s + 5, '/'));
}

/*
 * For other verbs than attach the word may also be a name: verbs/device.h finds its device. What
 * looks like a device must be one.
 */
static int parse_device(struct options *o, const char *s, struct err *err)
{
	bool attach = o->verb == VERB_ATTACH;
	char name[16];
	int r;

	if (strcmp(s, "auto") == 0 && !attach)
		return part_bad(err, "auto is for attaching: %s needs the name of a device",
				verb_name(o->verb));
	if (!attach && is_path(s))
		return parse_path(o, s, err);
	if (attach ? strcmp(s, "auto") == 0 : config_is_name(s, strlen(s))) {
		o->index = SUPERVISOR_INDEX_AUTO;
		o->device = strdup(s);
	} else {
		r = device_parse(s,
				 attach ? ", or auto for a free one"
					: ", the name it was given, or "
					  "where it is mounted",
				 &o->index, err);
		if (r < 0)
			return r;
		snprintf(name, sizeof(name), "nbd%d", o->index);
		o->device = strdup(name);
	}
	return o->device ? 0 : part_no_memory(err);
}

static int parse_more(struct options *o, const struct words *words, size_t from, struct err *err)
{
	char *first = o->device;
	int first_index = o->index, r = 0;

	if (from >= words->n)
		return 0;
	o->more = calloc(words->n - from, sizeof(*o->more));
	if (!o->more)
		return part_no_memory(err);
	for (size_t i = from; r == 0 && i < words->n; i++) {
		o->device = NULL;
		r = parse_device(o, words->word[i], err);
		o->more[o->n_more++] = (struct options_device){o->device, o->index};
	}
	o->device = first;
	o->index = first_index;
	return r;
}

/* The device or the server is missing from words that attach. */
static int explain_missing(const struct options *o, const struct words *words, bool server,
			   struct err *err)
{
	if (words->n == 0 && o->verb == VERB_ATTACH && !server)
		return part_bad(err, "a DEVICE is missing: write nbd0, or auto for a free one");
	if (words->n == 0 && o->verb == VERB_ATTACH)
		return part_bad(err, "a DEVICE and a server are needed" TRY_HELP);
	if (words->n == 0)
		return part_bad(err, "%s needs %s" TRY_HELP, verb_name(o->verb),
				options_verbs[o->verb].takes_file ? "a FILE"
				: server			  ? "a HOST or a URI"
								  : "a DEVICE");
	if (strcmp(words->word[0], "auto") == 0)
		return part_bad(err, "the server of %s, a HOST or a URI, is missing" TRY_HELP,
				words->word[0]);
	return part_bad(err, "%s stands alone, but a DEVICE and a server are needed" TRY_HELP,
			quoted_str(words->word[0]).text);
}

/* nbd-client wants the server first. */
static bool is_swapped(const struct options *o, const struct words *words, size_t device)
{
	return o->verb == VERB_ATTACH && words->n > device && !o->unix_path && !captive_wanted(o) &&
	       !is_device(words->word[0]) && strcmp(words->word[0], "auto") != 0 &&
	       is_device(words->word[device]);
}

int words_apply(struct options *o, const struct words *words, struct err *err)
{
	const struct verb_def *def = &options_verbs[o->verb];
	bool server_word = def->takes_server && !o->unix_path && !captive_wanted(o);
	bool device = def->takes_device && !o->all;
	size_t max =
	    (size_t)def->takes_file + device + server_word + (def->takes_export && !o->all);
	size_t min = (size_t)(def->takes_file && !def->file_optional) +
		     (device && !def->device_optional) + server_word;
	size_t i = 0;
	const char *server, *export_name;
	int r;

	if (is_swapped(o, words, 1))
		return part_bad(err, "the device comes first: nbd-attach %s %s", words->word[1],
				quoted_str(words->word[0]).text);
	if (is_swapped(o, words, 2) && words->word[1][strspn(words->word[1], "0123456789")] == '\0')
		return part_bad(err, "the device comes first: nbd-attach --port=%s %s %s",
				words->word[1], words->word[2], quoted_str(words->word[0]).text);
	if (words->n < min)
		return explain_missing(
		    o, words, o->verb == VERB_ATTACH ? server_word : def->takes_server, err);
	if (server_word && device && words->n == max + 1 &&
	    words->word[2][strspn(words->word[2], "0123456789")] == '\0')
		return part_bad(err, "the port belongs to the host: nbd-attach %s %s:%s %s",
				words->word[0], words->word[1], words->word[2],
				quoted_str(words->word[3]).text);
	if (words->n > max && !(def->several && device && words->n <= OPTIONS_WORDS_MAX))
		return part_bad(err, "%s is one word too many%s" TRY_HELP,
				quoted_str(words->word[max]).text,
				o->all				    ? " after --all"
				: def->takes_server && o->unix_path ? " after --unix"
								    : "");
	if (o->captive && !def->takes_server && o->verb != VERB_KEEP)
		return part_bad(err, "a COMMAND in brackets cannot be combined with %s" TRY_HELP,
				verb_name(o->verb));
	if (def->takes_file && words->n) {
		if (!words->word[0][0])
			return part_bad(err, "the name of the file after %s is empty",
					verb_name(o->verb));
		o->file = strdup(words->word[0]);
		return o->file ? 0 : part_no_memory(err);
	}
	if (device && i < words->n) {
		r = parse_device(o, words->word[i++], err);
		if (r < 0)
			return r;
	}
	if (o->follow && words->n > 1)
		return part_bad(err, "--follow takes one DEVICE, or none for all of them");
	if (o->verb == VERB_STATUS && o->wait && !(o->follow && device && words->n))
		return part_bad(err, "--status waits only with --follow and a DEVICE: leave out "
				     "--wait");
	if (!def->takes_server)
		return parse_more(o, words, i, err);
	server = server_word ? words->word[i++] : NULL;
	export_name = i < words->n ? words->word[i] : NULL;
	o->export_is_number = server && export_name && export_name[0] &&
			      export_name[strspn(export_name, "0123456789")] == '\0';
	r = server_apply(o, server, export_name, err);
	if (r == 0)
		r = server_path_absolute(&o->image, err);
	if (r < 0 || o->verb != VERB_ATTACH)
		return r;
	r = server_paths_absolute(&o->endpoint, err);
	for (size_t k = 0; r == 0 && k < o->n_failover; k++)
		r = server_paths_absolute(&o->failover[k], err);
	return r;
}
