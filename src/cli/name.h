/* SPDX-License-Identifier: MIT */
/* The NAME of a configuration, which is that of a device as well. Nothing blocks. */
#ifndef CLI_NAME_H
#define CLI_NAME_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>

#define CONFIG_DIR	"/etc/nbd-attach"
#define CONFIG_DEFAULTS CONFIG_DIR "/defaults.conf"

#define CONFIG_NAME_MAX 64 /* bytes */

/*
 * True for the NAME of a configuration or of a device: letters, digits, dots, dashes and
 * underscores, the first one a letter or digit, CONFIG_NAME_MAX at most; neither `auto` nor
 * anything that starts as a device's name does (`nbd0`).
 */
bool config_is_name(const char *s, size_t len);

/* For scandir(3): the name of a file ends with `.conf`, and it is not hidden. */
int config_is_file(const struct dirent *d);

/* The name in `DIR/NAME.conf`: len bytes at the result. */
const char *config_name_of(const char *path, size_t *ret_len);

/* Where the configuration of that name lies; cut off if `size` bytes are too few. */
void config_path(const char *name, char *path, size_t size);

#endif
