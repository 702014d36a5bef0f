/* SPDX-License-Identifier: MIT */
#include "runtime/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "runtime/rundir.h"

static int read_key(const char *path, uint8_t ret_key[static SIPHASH_KEY_SIZE])
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	uint8_t key[SIPHASH_KEY_SIZE];

	if (fd < 0)
		return -errno;
	if (read(fd, key, sizeof(key)) != sizeof(key))
		return -EIO;
	for (size_t i = 0; i < sizeof(key); i++)
		ret_key[i] = key[i];
	return 0;
}

/* The file gets its name when it is complete; another process may have been faster. */
static int make_key(const char *path)
{
	struct rundir_path own;
	uint8_t key[SIPHASH_KEY_SIZE];
	_cleanup_fd_ int fd = -1;
	int ret = 0;

	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		return -EIO;
	snprintf(own.text, sizeof(own.text), "%s/secret.%d", rundir(), (int)getpid());
	unlink(own.text);
	fd = open(own.text, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (write(fd, key, sizeof(key)) != sizeof(key))
		ret = -EIO;
	else if (link(own.text, path) < 0 && errno != EEXIST)
		ret = -errno;
	unlink(own.text);
	return ret;
}

int secret_read(uint8_t ret_key[static SIPHASH_KEY_SIZE])
{
	struct rundir_path path;
	struct err err;
	int ret;

	snprintf(path.text, sizeof(path.text), "%s/secret", rundir());
	ret = read_key(path.text, ret_key);
	if (ret != -ENOENT)
		return ret;
	if (rundir_make(&err) < 0)
		return -EACCES;
	ret = make_key(path.text);
	return ret < 0 ? ret : read_key(path.text, ret_key);
}
