/* SPDX-License-Identifier: MIT */
#include "worker/readable.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

#ifndef SYS_landlock_add_rule
#define SYS_landlock_add_rule 445
#endif

#define RULE_PATH_BENEATH 1
#define FS_READ_FILE	  (1ULL << 2)
#define FS_READ_DIR	  (1ULL << 3)

/* Covered by the new root before it is entered: no name service needs what lies there. */
#define NEW_ROOT "/dev"

const char *const readable_directories[] = {
    "/etc",	  "/usr", "/lib",     "/lib64",	    "/lib32",  "/nix/store",
    "/gnu/store", "/opt", "/var/lib", "/var/cache", "/var/db", NULL,
};

/* uapi/linux/landlock.h; packed there as well. */
struct path_beneath {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

static void allow(int ruleset, const char *path)
{
	_cleanup_fd_ int fd = open(path, O_PATH | O_CLOEXEC);
	struct path_beneath rule = {.allowed = FS_READ_FILE | FS_READ_DIR, .fd = fd};
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)))
		return;
	if (!S_ISDIR(st.st_mode))
		rule.allowed = FS_READ_FILE;
	(void)!syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0);
}

/* An entry each: a rule for the whole could not leave one out. */
static void allow_run(int ruleset)
{
	const struct dirent *entry;
	DIR *dir = opendir("/run");
	char path[300];

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || strcmp(entry->d_name, READABLE_NOT) == 0)
			continue;
		snprintf(path, sizeof(path), "/run/%s", entry->d_name);
		allow(ruleset, path);
	}
	if (dir)
		closedir(dir);
}

void readable_allow(int ruleset)
{
	static const char *const links[] = {"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"};

	for (size_t i = 0; readable_directories[i]; i++)
		allow(ruleset, readable_directories[i]);
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		allow(ruleset, links[i]);
	allow_run(ruleset);
}

static bool write_line(const char *path, const char *line)
{
	_cleanup_fd_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, line, strlen(line)) == (ssize_t)strlen(line);
}

/* In it the user is who they were, but may mount. */
static bool user_namespace(void)
{
	char uids[32], gids[32];
	bool ok;

	snprintf(uids, sizeof(uids), "%u %u 1", geteuid(), geteuid());
	snprintf(gids, sizeof(gids), "%u %u 1", getegid(), getegid());
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return false;
	/* Otherwise these files would belong to root. A tracer cannot find anything secret yet. */
	prctl(PR_SET_DUMPABLE, 1);
	ok = write_line("/proc/self/setgroups", "deny") && write_line("/proc/self/uid_map", uids) &&
	     write_line("/proc/self/gid_map", gids);
	prctl(PR_SET_DUMPABLE, 0);
	return ok;
}

static bool empty_file_system(const char *path)
{
	return mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		     "mode=755,size=64k") == 0;
}

/* A directory of the new root that is the same as outside. True if there is none outside. */
static bool show(const char *path)
{
	char inside[64];
	struct stat st;

	if (stat(path, &st) < 0)
		return true;
	snprintf(inside, sizeof(inside), "%s%s", NEW_ROOT, path);
	/* The first level of a path of two. */
	for (char *slash = strchr(inside + strlen(NEW_ROOT) + 1, '/'); slash; slash = NULL) {
		*slash = '\0';
		(void)!mkdir(inside, 0755);
		*slash = '/';
	}
	return mkdir(inside, 0755) == 0 && mount(path, inside, NULL, MS_BIND | MS_REC, NULL) == 0;
}

bool readable_private_root(void)
{
	static const char hidden[] = NEW_ROOT "/run/" READABLE_NOT;
	bool ok = geteuid() == 0 ? unshare(CLONE_NEWNS) == 0 : user_namespace();

	ok = ok && mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) == 0 &&
	     empty_file_system(NEW_ROOT);
	for (size_t i = 0; ok && readable_directories[i]; i++)
		ok = show(readable_directories[i]);
	ok = ok && show("/run") && show("/var/run") &&
	     (access(hidden, F_OK) < 0 || empty_file_system(hidden));
	return ok && chroot(NEW_ROOT) == 0 && chdir("/") == 0;
}
