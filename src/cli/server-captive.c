/* SPDX-License-Identifier: MIT */
#include "cli/server-captive.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/table.h"
#include "cli/words.h"
#include "captive/command.h"
#include "endpoint/uri-parts.h"

#define FORMAT_MAX 32

/* FNV-1a in 64 bits; two with different beginnings make a collision an accident of 2^64. */
#define FNV_PRIME  0x100000001b3u
#define FNV_FIRST  0xcbf29ce484222325u
#define FNV_SECOND 0x6c62272e07bb0142u

bool captive_wanted(const struct options *o)
{
	return o->captive || o->image;
}

void captive_words_free(char **words)
{
	for (size_t i = 0; words && words[i]; i++)
		free(words[i]);
	free(words);
}

/* n words and NULL; NULL: no memory. */
static char **copy_words(size_t n, const char *const *word)
{
	char **copy = calloc(n + 1, sizeof(*copy));

	for (size_t i = 0; copy && i < n; i++) {
		copy[i] = strdup(word[i]);
		if (!copy[i]) {
			captive_words_free(copy);
			copy = NULL;
		}
	}
	return copy;
}

static int keep(struct options *o, size_t n, const char *const *word, struct err *err)
{
	char **copy = copy_words(n, word);

	if (!copy)
		return part_no_memory(err);
	captive_words_free(o->captive);
	o->captive = copy;
	return 0;
}

int captive_copy(struct options *o, const struct options *from, struct err *err)
{
	size_t n = 0;

	if (!from->captive)
		return 0;
	while (from->captive[n])
		n++;
	return keep(o, n, (const char *const *)from->captive, err);
}

static int keep_between(struct options *o, size_t n, const char *const *word, struct err *err)
{
	if (n == 0)
		return part_bad(err, "there is no server command" TRY_HELP);
	if (strcmp(word[0], "[") != 0)
		return part_bad(err, "a server command must be in brackets: -- [ %s ... ]" TRY_HELP,
				quoted_str(word[0]).text);
	if (strcmp(word[n - 1], "]") != 0)
		return part_bad(err, "the server command that begins with [ must end with ] as a "
				     "separate argument" TRY_HELP);
	if (n < 3 || !word[1][0])
		return part_bad(err, "there is no command between [ and ]" TRY_HELP);
	if (!part_printable(word[1], strlen(word[1])))
		return part_bad(err, "%s cannot be the name of a command",
				quoted_str(word[1]).text);
	return keep(o, n - 2, word + 1, err);
}

int captive_from_argv(struct options *o, int argc, char **argv, struct err *err)
{
	return keep_between(o, (size_t)argc, (const char *const *)argv, err);
}

bool captive_is_line(const char *target)
{
	return target[0] == '[' && (target[1] == '\0' || isblank((unsigned char)target[1]));
}

/*
 * Takes the next word of the line: up to a blank, or, if it begins with a quote, up to that quote.
 * In double quotes a backslash escapes the next character. The word is written over the line. NULL:
 * a quote is not closed.
 */
static char *next_word(char **line)
{
	char *p = *line, *to = p, *word = p, quote = *p;

	if (quote != '"' && quote != '\'') {
		p += strcspn(p, " \t");
		to = p;
	} else {
		for (p++; *p && *p != quote; p++) {
			if (quote == '"' && *p == '\\' && p[1])
				p++;
			*to++ = *p;
		}
		if (!*p || (p[1] && !isblank((unsigned char)p[1])))
			return NULL;
		p++;
	}
	*line = p + (*p != '\0');
	*to = '\0';
	return word;
}

int captive_from_line(struct options *o, const char *line, struct err *err)
{
	_cleanup_free_ char *copy = strdup(line);
	const char **word = calloc(strlen(line) + 1, sizeof(*word));
	char *p = copy;
	size_t n = 0;
	int ret = 0;

	if (!copy || !word) {
		free(word);
		return part_no_memory(err);
	}
	while (ret == 0 && (p += strspn(p, " \t"), *p)) {
		word[n] = next_word(&p);
		if (!word[n++])
			ret = part_bad(err, "the quote that begins a word of the command must end "
					    "that word as well");
	}
	if (ret == 0)
		ret = keep_between(o, n, word, err);
	free(word);
	return ret;
}

char *captive_line(const struct options *o)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	fputc('[', f);
	for (size_t i = 0; o->captive[i]; i++) {
		const char *word = o->captive[i];
		bool plain = word[0] && word[0] != '"' && word[0] != '\'' && !strpbrk(word, " \t");

		fputs(plain ? " " : " \"", f);
		for (; *word; word++) {
			/* A sign after a blank would look like a comment. */
			if (!plain && strchr("\"\\#;", *word))
				fputc('\\', f);
			fputc(*word, f);
		}
		fputs(plain ? "" : "\"", f);
	}
	fputs(" ]", f);
	if (fclose(f) != 0)
		free(TAKE_PTR(text));
	return text;
}

int captive_unwanted(const struct options *o, struct err *err)
{
	if (o->command || o->user)
		return part_bad(err, "--%s belongs to a server COMMAND in brackets%s" TRY_HELP,
				o->command ? "command" : "user", o->command ? "" : ", or --image");
	return 0;
}

int option_set_image(struct options *o, const struct option_def *def, const char *value,
		     struct err *err)
{
	size_t len = strcspn(value, ":");
	bool format = len > 0 && len <= FORMAT_MAX && value[len];

	for (size_t i = 0; i < len; i++)
		format &= isalnum((unsigned char)value[i]) || strchr("-_", value[i]);
	if (!format)
		return part_bad(
		    err,
		    "--%s needs the format before the file, such as raw:FILE or qcow2:FILE, not "
		    "%s: guessing the format is not safe, because the content of a raw image can "
		    "look like another format",
		    def->name, quoted_str(value).text);
	if (!value[len + 1])
		return part_bad(err, "--%s needs the name of a file after %s", def->name, value);
	free(o->format);
	free(o->image);
	o->format = part_copy(value, len);
	o->image = strdup(value + len + 1);
	return o->format && o->image ? 0 : part_no_memory(err);
}

int captive_apply(struct options *o, const char *export_name, struct err *err)
{
	char *name;

	if (o->captive && o->image)
		return part_bad(err, "--image starts its own server: leave out the COMMAND");
	if (o->image && export_name && export_name[0])
		return part_bad(err,
				"--image serves the whole image as the only export of its server: "
				"leave out %s",
				quoted_str(export_name).text);
	if (o->unix_path || o->port || o->source || o->owned)
		return part_bad(err, "--%s cannot be combined with a server command",
				o->unix_path ? "unix"
				: o->port    ? "port"
				: o->source  ? "source"
					     : "peer-uid");
	/* Never without, if it is asked for. */
	if (o->tls.on)
		return part_bad(err, "--tls cannot be combined with a server command: that server "
				     "runs on this machine");
	if (o->swap)
		return part_bad(err,
				"--swap cannot be combined with a server command: a server on this "
				"machine may need memory that is waiting to be swapped out to it");
	if (o->root)
		return part_bad(err,
				"--root cannot be combined with a server command: a server on this "
				"machine needs files, which may be on the device that is lost");
	if (o->command && o->connections > 1)
		return part_bad(err,
				"--command allows one connection only: leave out --connections");
	name = strdup(export_name ? export_name : "");
	if (!name)
		return part_no_memory(err);
	o->endpoint.type = ENDPOINT_UNIX;
	o->endpoint.path = strdup("");
	o->endpoint.export_name = name;
	return o->endpoint.path ? 0 : part_no_memory(err);
}

char **captive_image_words(const struct options *o)
{
	char format[FORMAT_MAX + 16], shared[32];
	/*
	 * Writes through, because acknowledged data in qemu-nbd's own cache would be lost when
	 * qemu-nbd dies.
	 */
	const char *words[10] = {"qemu-nbd", "--persistent", "--cache=writethrough",
				 "--discard=unmap"};
	size_t n = 4;

	snprintf(format, sizeof(format), "--format=%s", o->format);
	snprintf(shared, sizeof(shared), "--shared=%u", o->connections);
	words[n++] = format;
	words[n++] = shared;
	if (o->read_only)
		words[n++] = "--read-only";
	words[n++] = o->image;
	return copy_words(n, words);
}

static uint64_t hash(uint64_t h, const char *s)
{
	/* With the NUL: `a b` and `ab` differ. */
	for (size_t i = 0; i <= strlen(s); i++)
		h = (h ^ (unsigned char)s[i]) * FNV_PRIME;
	return h;
}

static uint64_t hash_all(const struct options *o, const char *directory, uint64_t h)
{
	h = hash(h, directory);
	h = hash(h, o->user ? o->user : "");
	h = hash(h, o->command ? "stdio" : "socket");
	h = hash(h, o->endpoint.export_name);
	for (size_t i = 0; o->captive[i]; i++)
		h = hash(h, o->captive[i]);
	return h;
}

int captive_identifier(const struct options *o, char **ret_identifier, struct err *err)
{
	/* Relative names in the command mean another server elsewhere. */
	_cleanup_free_ char *directory = NULL;
	struct endpoint image = {.type = ENDPOINT_UNIX, .path = o->image};

	if (o->image) {
		_cleanup_free_ char *uri = NULL;

		image.path_len = strlen(o->image);
		uri = endpoint_uri(&image);
		/* As in a URI, a path is one printable word. */
		if (!uri || asprintf(ret_identifier, "image:%s", strchr(uri, '=') + 1) < 0)
			return err_set(err, ERR_SYSTEM, ENOMEM, "out of memory");
		return 0;
	}
	directory = getcwd(NULL, 0);
	if (!directory)
		return err_errno(err, ERR_FAILED, errno, "cannot find the working directory");
	if (asprintf(ret_identifier, "captive:%.64s:%016" PRIx64 "%016" PRIx64,
		     command_name(o->captive), hash_all(o, directory, FNV_FIRST),
		     hash_all(o, directory, FNV_SECOND)) < 0)
		return err_set(err, ERR_SYSTEM, ENOMEM, "out of memory");
	return 0;
}

bool captive_named(const char *identifier)
{
	return strncmp(identifier, "captive:", 8) == 0 || strncmp(identifier, "image:", 6) == 0;
}
