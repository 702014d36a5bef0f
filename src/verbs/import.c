/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "verbs/verbs.h"
#include "cli/conf.h"
#include "cli/nbdtab.h"

#define NBDTAB	    "/etc/nbdtab"
#define SHOWN_MAX   4096
#define DEVICES_MAX 256

struct import {
	const char *file, *dir;
	bool force;
	unsigned line;
	bool incomplete;
	bool any;	       /* the file has a line that is neither empty nor a comment */
	char units[1000];      /* of the files that were written, each after a blank */
	int seen[DEVICES_MAX]; /* the devices of the lines before */
	size_t n_seen;
	/* of the present line */
	char path[PATH_MAX], draft[PATH_MAX];
};

static void warn(struct import *im, const char *sentence)
{
	log_warning("%s:%u: %s", im->file, im->line, sentence);
}

static void note(const char *sentence, void *arg)
{
	warn(arg, sentence);
}

/* A draft in the directory of the result, so that it can take its place in one step. */
static int write_draft(struct import *im, const char *line, const char *text, struct err *err)
{
	char shown[SHOWN_MAX];
	struct text t;
	FILE *f;
	int fd;

	text_init(&t, shown, sizeof(shown));
	text_escape(&t, line, strlen(line), sizeof(shown) / 4);
	unlink(im->draft); /* of a run that was interrupted */
	fd = open(im->draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f)
		return err_errno(err, ERR_FAILED, errno, "cannot write into %s", im->dir);
	fchmod(fd, 0644);
	fprintf(f, "# Made by nbd-attach --import-nbdtab from line %u of %s:\n#   %s\n%s", im->line,
		im->file, shown, text);
	if (ferror(f) | fclose(f))
		return err_errno(err, ERR_FAILED, errno, "cannot write %s", im->draft);
	return 0;
}

/* Leaves out the position in the draft file, which the user never sees. */
static void unlocate(const struct import *im, struct err *err)
{
	const char *p = err->message + strlen(im->draft);
	char rest[ERR_MESSAGE_MAX];

	p += strspn(p, ":0123456789 ");
	snprintf(rest, sizeof(rest), "%s", p);
	snprintf(err->message, sizeof(err->message), "%s", rest);
}

static int check_draft(const struct import *im, struct err *err)
{
	int r = config_check(im->draft, NULL, NULL, err);

	if (r < 0)
		unlocate(im, err);
	return r;
}

static int publish(const struct import *im, struct err *err)
{
	if (im->force) {
		if (rename(im->draft, im->path) < 0)
			return err_errno(err, ERR_FAILED, errno, "cannot write %s", im->path);
		return 0;
	}
	if (link(im->draft, im->path) < 0) {
		if (errno == EEXIST)
			return err_set(err, ERR_FAILED, EEXIST,
				       "%s exists and was not changed: use --force to overwrite it",
				       im->path);
		return err_errno(err, ERR_FAILED, errno, "cannot write %s", im->path);
	}
	return 0;
}

static int import_text(struct import *im, const char *line, int index, const char *text,
		       struct err *err)
{
	int r;

	snprintf(im->path, sizeof(im->path), "%s/nbd%d.conf", im->dir, index);
	snprintf(im->draft, sizeof(im->draft), "%s/.nbd%d.conf.new", im->dir, index);
	r = write_draft(im, line, text, err);
	if (r == 0)
		r = check_draft(im, err);
	if (r == 0)
		r = publish(im, err);
	unlink(im->draft);
	if (r == 0) {
		size_t len = strlen(im->units);

		/* More than fit have to be enabled without this advice. */
		if (sizeof(im->units) - len > strlen(" nbd-attach@nbd255"))
			snprintf(im->units + len, sizeof(im->units) - len, " nbd-attach@nbd%d",
				 index);
		log_notice("%s:%u: written to %s", im->file, im->line, im->path);
	}
	return r;
}

/* For nbd-client the first line of a device counts. */
static int check_first(struct import *im, int index, struct err *err)
{
	for (size_t i = 0; i < im->n_seen; i++)
		if (im->seen[i] == index)
			return err_set(err, ERR_FAILED, EEXIST,
				       "an earlier line is also for nbd%d, and nbd-attach uses the "
				       "earlier one",
				       index);
	if (im->n_seen == DEVICES_MAX)
		return err_set(err, ERR_FAILED, E2BIG, "more than %d devices", DEVICES_MAX);
	im->seen[im->n_seen++] = index;
	return 0;
}

static void import_line(struct import *im, char *line)
{
	_cleanup_free_ char *kept = strdup(line), *text = NULL;
	struct nbdtab tab = {.note = note, .arg = im};
	struct err err = {.message = "out of memory"};
	size_t len;
	FILE *out = open_memstream(&text, &len);
	int r = out && kept ? nbdtab_convert(&tab, line, out, &err) : -ENOMEM;

	if (out && fclose(out) == EOF)
		r = -ENOMEM;
	if (r == 0 && tab.index >= 0)
		r = check_first(im, tab.index, &err);
	if (r == 0 && tab.index >= 0)
		r = import_text(im, kept, tab.index, text, &err);
	if (r < 0)
		log_error("%s:%u: not imported: %s", im->file, im->line, err.message);
	im->any = im->any || r < 0 || tab.index >= 0;
	im->incomplete = im->incomplete || r < 0 || tab.lost;
}

static void say_what_is_next(const struct import *im)
{
	if (!im->any)
		log_notice("%s has no entries", im->file);
	if (im->units[0] && strcmp(im->dir, CONFIG_DIR) == 0)
		log_notice("to attach what was written, now and at every start of the machine: "
			   "detach what nbd-client has attached (nbd-client -d), then systemctl "
			   "enable --now%s",
			   im->units);
}

int cmd_import(const struct options *o)
{
	struct import im = {
	    .file = o->file ? o->file : NBDTAB,
	    .dir = o->output ? o->output : CONFIG_DIR,
	    .force = o->force,
	};
	_cleanup_file_ FILE *f = fopen(im.file, "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	ssize_t n;

	if (!f) {
		log_error("cannot read %s: %s", im.file, strerror(errno));
		return err_exit_status(ERR_USAGE);
	}
	if (mkdir(im.dir, 0755) < 0 && errno != EEXIST) {
		log_error("cannot make %s: %s: use --output for another directory", im.dir,
			  strerror(errno));
		return err_exit_status(ERR_FAILED);
	}
	while ((n = getline(&line, &size, f)) >= 0) {
		im.line++;
		line[strcspn(line, "\n")] = '\0';
		if (strlen(line) + 1 < (size_t)n) {
			im.any = im.incomplete = true;
			warn(&im, "not imported: the line contains a NUL byte");
			continue;
		}
		import_line(&im, line);
	}
	if (ferror(f)) {
		log_error("cannot read %s: %s", im.file, strerror(errno));
		return err_exit_status(ERR_USAGE);
	}
	say_what_is_next(&im);
	return im.incomplete ? err_exit_status(ERR_FAILED) : 0;
}
