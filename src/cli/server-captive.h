/* SPDX-License-Identifier: MIT */
/*
 * A server that is started for its device: `[ COMMAND ... ]` on the command line or as the target
 * of a configuration file, and --image. Nothing blocks.
 */
#ifndef CLI_SERVER_CAPTIVE_H
#define CLI_SERVER_CAPTIVE_H

#include <stdbool.h>

#include "cli/options.h"

/* True if a command or an image is given. */
bool captive_wanted(const struct options *o);

/* argc words, the first of which must be `[` and the last `]`, into o->captive. */
int captive_from_argv(struct options *o, int argc, char **argv, struct err *err);

/*
 * The same in one line, separated by blanks. A word that begins with a quote ends with it and can
 * contain blanks; in double quotes a backslash escapes the next character.
 */
bool captive_is_line(const char *target);
int captive_from_line(struct options *o, const char *line, struct err *err);

/* o->captive as such a line, for the caller to free. NULL: no memory. */
char *captive_line(const struct options *o);

/* The command of *from, if it has one, for *o as well. 0, or -errno with *err. */
int captive_copy(struct options *o, const struct options *from, struct err *err);

/*
 * Checks the options that belong to it and fills o->endpoint, which has the export's name only: the
 * socket is known when the server's keeper is.
 */
int captive_apply(struct options *o, const char *export_name, struct err *err);

/* -EINVAL if an option is given that needs a server command, and there is none. */
int captive_unwanted(const struct options *o, struct err *err);

/* The words of qemu-nbd for --image, ending with NULL; for captive_words_free(). NULL: no memory.
 */
char **captive_image_words(const struct options *o);

/*
 * What the kernel keeps as the backend: the image's path, or the program's name and a hash of all
 * that makes the server what it is, which shows no argument. The caller frees it. 0, or -errno with
 * *err: no memory, or the working directory was removed.
 */
int captive_identifier(const struct options *o, char **ret_identifier, struct err *err);

/* True for what captive_identifier() makes. */
bool captive_named(const char *identifier);

/* Frees the words and their list; accepts NULL. */
void captive_words_free(char **words);

#endif
