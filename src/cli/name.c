/* SPDX-License-Identifier: MIT */
#include "cli/name.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

bool config_is_name(const char *s, size_t len)
{
	if (len < 1 || len > CONFIG_NAME_MAX || !isascii(s[0]) || !isalnum((unsigned char)s[0]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isascii(s[i]) || (!isalnum((unsigned char)s[i]) && !strchr("._-", s[i])))
			return false;
	if (len == 4 && memcmp(s, "auto", 4) == 0)
		return false;
	return !(len > 3 && memcmp(s, "nbd", 3) == 0 && isdigit((unsigned char)s[3]));
}

const char *config_name_of(const char *path, size_t *ret_len)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	size_t len = strlen(name);

	if (len > 5 && strcmp(name + len - 5, ".conf") == 0)
		len -= 5;
	*ret_len = len;
	return name;
}

int config_is_file(const struct dirent *d)
{
	size_t len = strlen(d->d_name);

	return d->d_name[0] != '.' && len > 5 && strcmp(d->d_name + len - 5, ".conf") == 0;
}

void config_path(const char *name, char *path, size_t size)
{
	snprintf(path, size, CONFIG_DIR "/%s.conf", name);
}
