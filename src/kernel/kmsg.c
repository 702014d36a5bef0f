/* SPDX-License-Identifier: MIT */
#include "kernel/kmsg.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"

/* Documentation/admin-guide/devices.txt */
#define MEM_MAJOR  1
#define KMSG_MINOR 11

#define RECORD_MAX 8192 /* CONSOLE_EXT_LOG_MAX of printk: a longer read never happens */

/* A service that may not open it can be given it as its standard input. */
static int inherited(void)
{
	struct stat st;

	if (fstat(STDIN_FILENO, &st) < 0 || !S_ISCHR(st.st_mode) ||
	    st.st_rdev != makedev(MEM_MAJOR, KMSG_MINOR))
		return -1;
	if (fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK) < 0)
		return -1;
	return fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
}

int kmsg_open(void)
{
	_cleanup_fd_ int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		fd = inherited();

	if (fd < 0 || lseek(fd, 0, SEEK_END) < 0)
		return -1;
	return TAKE_FD(fd);
}

/*
 * Documentation/ABI/testing/dev-kmsg: `PRIORITY,SEQUENCE,TIME,FLAGS[,...];TEXT`. Lines that other
 * programs write there have a facility, so that their priority is 8 or more.
 */
bool kmsg_is_reconnect(const char *record, int index)
{
	const char *text = strchr(record, ';');
	char wanted[64];
	int len;

	if (!text || record[0] < '0' || record[0] > '7' || record[1] != ',')
		return false;
	/* dev_info() of the gendisk: "block nbd0: ". */
	len = snprintf(wanted, sizeof(wanted), "block nbd%d: reconnected socket", index);
	return strncmp(text + 1, wanted, (size_t)len) == 0;
}

bool kmsg_reconnected(int fd, int index)
{
	char record[RECORD_MAX];
	bool found = false;
	ssize_t n;

	if (fd < 0)
		return false;
	for (;;) {
		n = read(fd, record, sizeof(record) - 1);
		if (n > 0) {
			record[n] = '\0';
			found |= kmsg_is_reconnect(record, index);
		} else if (n == 0 || (errno != EINTR && errno != EPIPE)) {
			return found; /* EPIPE: records were overwritten, go on with the next */
		}
	}
}
