/* SPDX-License-Identifier: MIT */
#include "cli/habits.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/name.h"
#include "cli/removed.h"
#include "cli/table.h"
#include "endpoint/uri-parts.h"

/* nbd-client(8), and what else is often typed. */
static const struct {
	const char *option, *instead;
} foreign[] = {
    {"cacertfile", "write --tls-ca FILE"},
    {"certfile", "write --tls-cert FILE"},
    {"disconnect", "write --detach DEVICE"},
    {"enable-tls", "write --tls"},
    {"keyfile", "write --tls-key FILE"},
    {"name", "the export is a word after the server, or --export NAME"},
    {"no-optgo", "leave it out: nbd-attach does without NBD_OPT_GO when a server needs that"},
    {"nofork", "write --foreground"},
    {"nonetlink", "write --backend=ioctl"},
    {"persist", "leave it out: nbd-attach always connects again"},
    {"preinit", "nbd-attach always shakes hands with the server"},
    {"priority", "write --tls-priority STRING"},
    {"readonly", "write --read-only"},
    {"size", "leave it out: a device has the size of its export"},
    {"systemd-mark", "leave it out: in an initramfs nbd-attach marks its process itself"},
    {"timeout", "write --dead-timeout SECONDS for how long I/O waits without a server; --timeout "
		"SECONDS is for a request that a connected server does not answer"},
    {"tlshostname", "write --tls-hostname NAME"},
    {"unmount", "write --detach DEVICE"},
};

/* Options of other programs, which do here what another option does. */
static const struct {
	const char *option, *instead;
} usual[] = {
    {"dry-run", "--show-config prints what would be attached, and attaches nothing"},
    {"ro", "write --read-only"},
};

static const struct {
	const char *word, *instead;
} verbs[] = {
    {"attach", "attaching needs no verb: nbd-attach DEVICE HOST EXPORT"},
    {"check", "write nbd-attach --check DEVICE"},
    {"connect", "connecting needs no verb: nbd-attach DEVICE HOST EXPORT"},
    {"detach", "write nbd-attach --detach DEVICE"},
    {"disconnect", "write nbd-attach --detach DEVICE"},
    {"fail-now", "write nbd-attach --fail-now DEVICE"},
    {"report", "write nbd-attach --report DEVICE"},
    {"help", "write nbd-attach --help"},
    {"info", "write nbd-attach --info HOST EXPORT"},
    {"list", "write nbd-attach --list HOST for the exports of a server, or nbd-attach --status "
	     "for the devices that are attached"},
    {"reconnect", "write nbd-attach --reconnect DEVICE"},
    {"reload", "write nbd-attach --reload DEVICE, for a device that a unit has attached"},
    {"resize", "write nbd-attach --resize DEVICE"},
    {"status", "write nbd-attach --status, or nbd-attach --status DEVICE"},
    {"version", "write nbd-attach --version"},
};

#define NAME_MAX_COMPARED 32
#define FAR		  3 /* changed, missing or surplus letters: no longer a slip of the finger */

/* Levenshtein's distance of two names; FAR or more: they are different words. */
static unsigned distance(const char *a, size_t a_len, const char *b)
{
	unsigned row[NAME_MAX_COMPARED + 1], corner, above;
	size_t b_len = strlen(b);

	if (a_len > NAME_MAX_COMPARED || b_len > NAME_MAX_COMPARED)
		return FAR;
	for (size_t k = 0; k <= b_len; k++)
		row[k] = (unsigned)k;
	for (size_t i = 1; i <= a_len; i++) {
		corner = row[0];
		row[0] = (unsigned)i;
		for (size_t k = 1; k <= b_len; k++) {
			above = row[k];
			row[k] = corner + (a[i - 1] != b[k - 1]);
			if (above + 1 < row[k])
				row[k] = above + 1;
			if (row[k - 1] + 1 < row[k])
				row[k] = row[k - 1] + 1;
			corner = above;
		}
	}
	return row[b_len];
}

const char *habits_nearest(const char *name, size_t len, bool in_file)
{
	static const char *const keys[] = {"target", "device"};
	unsigned best = len > 4 ? FAR : 2; /* half of a short word is not near */
	const char *nearest = NULL;

	for (size_t i = 0; i < options_count + (in_file ? ARRAY_SIZE(keys) : 0); i++) {
		const struct option_def *def = i < options_count ? &options_table[i] : NULL;
		const char *other = def ? def->name : keys[i - options_count];
		unsigned d = distance(name, len, other);

		if (def && (def->hidden || (in_file && !def->in_file)))
			continue;
		if (d < best) {
			best = d;
			nearest = other;
		}
	}
	return nearest;
}

int habits_option(const char *word, struct err *err)
{
	size_t dashes = strspn(word, "-");
	const char *name = word + dashes;
	size_t len = strcspn(name, "=");
	const struct option_def *def;

	if (dashes == 2 && removed_option(name, len, err) < 0)
		return -EINVAL;
	/* --timeout is ours. */
	for (size_t i = 0; i < ARRAY_SIZE(foreign) && (dashes == 1 || dashes == 2); i++)
		if (strlen(foreign[i].option) == len &&
		    strncmp(foreign[i].option, name, len) == 0 &&
		    (dashes == 1 || !option_by_name(name, len)))
			return part_bad(err, "%s is an option of nbd-client's: %s",
					quoted(word, dashes + len).text, foreign[i].instead);
	for (size_t i = 0; i < ARRAY_SIZE(usual) && dashes == 2; i++)
		if (strlen(usual[i].option) == len && strncmp(usual[i].option, name, len) == 0)
			return part_bad(err, "there is no option %s: %s",
					quoted(word, dashes + len).text, usual[i].instead);
	def = dashes == 1 && len > 1 ? option_by_name(name, len) : NULL;
	if (def && !def->hidden)
		return part_bad(err, "%s needs two dashes: --%s%s%s",
				quoted(word, dashes + len).text, def->name, def->shown ? " " : "",
				def->shown ? def->shown : "");
	return 0;
}

/* The file of a configuration instead of its name: data.conf, /etc/nbd-attach/data.conf. */
static int explain_file(const char *word, struct err *err)
{
	size_t len;
	const char *name = config_name_of(word, &len);
	const char *dot = strrchr(word, '.');
	_cleanup_free_ char *copy = part_copy(name, len);

	struct stat st;
	char path[256];

	config_path(word, path, sizeof(path));
	if (copy && (!dot || strcmp(dot, ".conf") != 0) && access(path, F_OK) < 0 &&
	    stat(word, &st) == 0 && S_ISREG(st.st_mode))
		return part_bad(
		    err, "%s is a file, not a device: write nbd-attach auto --image FORMAT:%s",
		    quoted_str(word).text, word);
	if (!copy || !dot || strcmp(dot, ".conf") != 0 || access(path, F_OK) == 0)
		return 0;
	if (!strchr(word, '/') || strncmp(word, CONFIG_DIR "/", strlen(CONFIG_DIR) + 1) == 0)
		return part_bad(
		    err,
		    "%s is not a device: write nbd-attach %s for the configuration " CONFIG_DIR
		    "/%s.conf",
		    quoted_str(word).text, copy, copy);
	return part_bad(err, "%s is not a device: write nbd-attach --config %s",
			quoted_str(word).text, word);
}

int habits_words(const struct words *words, struct err *err)
{
	const char *word = words->n ? words->word[0] : "";
	char path[256];

	if (words->n == 1 && explain_file(word, err) < 0)
		return -EINVAL;

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(verbs[i].word, word) != 0)
			continue;
		/* A configuration may be called like a verb. */
		config_path(word, path, sizeof(path));
		if (words->n == 1 && access(path, F_OK) == 0)
			return 0;
		return part_bad(err, "%s is not a device: %s", quoted_str(word).text,
				verbs[i].instead);
	}
	return 0;
}
