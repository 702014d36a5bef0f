/* SPDX-License-Identifier: MIT */
/*
 * Paths below a directory that is held lead there whatever the root directory has become. Each test
 * runs in a child: the list is never emptied.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/held.h"
#include "skip.h"

static char dir[] = "/tmp/test-held.XXXXXX";

static const char *below(const char *name)
{
	static char path[2][64];
	static unsigned turn;

	turn = !turn;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", dir, name);
	return path[turn];
}

static bool write_text(const char *path, const char *text)
{
	FILE *f = held_fopen(path, O_WRONLY | O_CREAT | O_TRUNC);

	return f && fputs(text, f) >= 0 && fclose(f) == 0;
}

static bool has_text(const char *path, const char *text)
{
	char found[32] = "";
	FILE *f = held_fopen(path, O_RDONLY);

	if (!f)
		return false;
	(void)!fgets(found, sizeof(found), f);
	fclose(f);
	return strcmp(found, text) == 0;
}

static bool lists(const char *path, const char *name)
{
	DIR *d = held_opendir(path);
	bool found = false;

	for (struct dirent *e; d && (e = readdir(d));)
		found = found || strcmp(e->d_name, name) == 0;
	if (d)
		closedir(d);
	return found;
}

/* The number of the first step that failed; 0: none. */
static int use_all(void)
{
	struct stat st;

	if (!write_text(below("hall/new"), "text"))
		return 1;
	if (held_rename(below("hall/new"), below("hall/file")) < 0)
		return 2;
	if (!has_text(below("hall/file"), "text") || !has_text(below("hall//file"), "text"))
		return 3;
	if (held_stat(below("hall/file"), &st) < 0 || !S_ISREG(st.st_mode))
		return 4;
	if (held_access(below("hall/file")) < 0 || held_access(below("hall/new")) == 0)
		return 5;
	if (!lists(below("hall/"), "file") || !lists(below("hall"), "file"))
		return 6;
	if (held_stat(below("hall"), &st) < 0 || !S_ISDIR(st.st_mode) ||
	    held_access(below("hall")) < 0)
		return 8;
	if (held_unlink(below("hall/file")) < 0 || held_access(below("hall/file")) == 0)
		return 7;
	return 0;
}

static int listen_at(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	return fd < 0 || bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 ? -1 : fd;
}

static bool connects(int listener, const char *path)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	char before[64] = "", after[64] = "", byte = 0;

	return fd >= 0 && getcwd(before, sizeof(before)) && held_connect(fd, path) == 0 &&
	       send(fd, "x", 1, 0) == 1 && recv(listener, &byte, 1, MSG_DONTWAIT) == 1 &&
	       byte == 'x' && getcwd(after, sizeof(after)) && strcmp(before, after) == 0;
}

static int with_empty_root(void)
{
	int listener = listen_at(below("hall/socket"));

	if (held_keep(below("hall")) < 0 || held_keep(below("hall")) < 0)
		return 101;
	if (held_root_is_gone())
		return 105;
	if (chroot(below("empty")) < 0)
		return 102;
	if (!held_root_is_gone())
		return 106;
	if (listener < 0 || chdir("/") < 0 || !connects(listener, below("hall/socket")) ||
	    held_unlink(below("hall/socket")) < 0)
		return 104;
	/* The name only begins with that of the directory. */
	if (write_text(below("hallway"), "text"))
		return 103;
	return use_all();
}

static int without_keeping(void)
{
	return use_all();
}

static int with_another(void)
{
	if (held_keep(below("gone")) < 0 || rmdir(below("gone")) < 0 ||
	    mkdir(below("gone"), 0755) < 0)
		return 101;
	if (!write_text(below("gone/file"), "text") || access(below("gone/file"), F_OK) < 0)
		return 102;
	return unlink(below("gone/file")) < 0 ? 103 : 0;
}

/* One directory has another name, and one was removed: neither means that the root has changed. */
static int with_moved(void)
{
	if (held_root_is_gone() || held_keep(below("gone")) < 0 || rmdir(below("gone")) < 0)
		return 101;
	if (held_root_is_gone())
		return 102;
	if (held_keep(below("hall")) < 0 || held_keep(below("empty")) < 0 ||
	    rename(below("empty"), below("moved")) < 0)
		return 103;
	if (held_root_is_gone())
		return 104;
	return rename(below("moved"), below("empty")) < 0 || mkdir(below("gone"), 0755) < 0 ? 105
											    : 0;
}

static int missing(void)
{
	return held_keep(below("nothing")) == -ENOENT ? 0 : 1;
}

static int in_a_child(int (*test)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(test());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void an_empty_root_does_not_matter(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip_because("it takes root");
	assert_int_equal(in_a_child(with_empty_root), 0);
}

static void other_paths_are_used_as_they_are(void **state)
{
	(void)state;
	assert_int_equal(in_a_child(without_keeping), 0);
}

/* Another process may have removed the directory and made it again. */
static void a_removed_directory_is_not_used(void **state)
{
	(void)state;
	assert_int_equal(in_a_child(with_another), 0);
}

static void a_moved_directory_is_no_change_of_the_root(void **state)
{
	(void)state;
	assert_int_equal(in_a_child(with_moved), 0);
}

static void a_missing_directory_is_refused(void **state)
{
	(void)state;
	assert_int_equal(in_a_child(missing), 0);
}

static int make(void **state)
{
	(void)state;
	return mkdtemp(dir) && mkdir(below("hall"), 0755) == 0 &&
		       mkdir(below("empty"), 0755) == 0 && mkdir(below("gone"), 0755) == 0
		   ? 0
		   : -1;
}

static int clean(void **state)
{
	(void)state;
	rmdir(below("hall"));
	rmdir(below("empty"));
	rmdir(below("gone"));
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_empty_root_does_not_matter),
	    cmocka_unit_test(other_paths_are_used_as_they_are),
	    cmocka_unit_test(a_removed_directory_is_not_used),
	    cmocka_unit_test(a_moved_directory_is_no_change_of_the_root),
	    cmocka_unit_test(a_missing_directory_is_refused),
	};

	return cmocka_run_group_tests(tests, make, clean);
}
