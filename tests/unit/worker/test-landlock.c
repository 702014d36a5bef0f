/* SPDX-License-Identifier: MIT */
/*
 * The walls that no filter of system calls can replace: Landlock, and for a resolver on a kernel
 * without it, a root directory of its own. Each is tried alone, in a process of the test.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "worker/landlock.h"
#include "worker/readable.h"
#include "skip.h"

/* uapi/linux/landlock.h */
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#endif
#define CREATE_VERSION 1u
#define ABI_TCP	       4
#define ABI_SIGNALS    6

#define SERVICE "/run/nscd"
#define USERS	"/run/user"
#define CANNOT	99 /* exit status: the process may not make mounts */

static long abi(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);
}

/* The exit status of a process that does this. */
static int in_a_process(int (*fn)(enum sandbox_profile profile), enum sandbox_profile profile)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(fn(profile));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* 0, or the error. */
static int use_tcp(int (*call)(int, const struct sockaddr *, socklen_t))
{
	struct sockaddr_in sin = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(1)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return call(fd, (void *)&sin, sizeof(sin)) < 0 ? errno : 0;
}

/* 0: all walls stand. */
static int try_walls(enum sandbox_profile profile)
{
	bool resolves = profile == SANDBOX_RESOLVE;

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (landlock_enter(profile) != 1)
		return 1;
	if (abi() >= ABI_TCP && use_tcp(bind) != EACCES)
		return 2;
	/* A resolver asks name servers by TCP, too; nobody listens there. */
	if (abi() >= ABI_TCP && (use_tcp(connect) == EACCES) == resolves)
		return 3;
	if (abi() >= ABI_SIGNALS && (kill(getppid(), 0) == 0 || errno != EPERM))
		return 4;
	if ((open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0) != resolves)
		return 5;
	return open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC) >= 0 ? 6 : 0;
}

static void the_walls_of_every_helper(void **state)
{
	static const enum sandbox_profile profiles[] = {SANDBOX_HANDSHAKE, SANDBOX_TLS,
							SANDBOX_RESOLVE,   SANDBOX_KEYS,
							SANDBOX_LOOK,	   SANDBOX_ZYGOTE};

	(void)state;
	if (!landlock_available())
		skip_because("this kernel has no Landlock");
	for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++)
		assert_int_equal(in_a_process(try_walls, profiles[i]), 0);
}

static void make_file(const char *path)
{
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
}

/* False: not allowed. A /run with the files of a name service and of users. */
static bool make_run(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0 ||
	    mount("tmpfs", "/run", "tmpfs", 0, NULL) < 0)
		return false;
	mkdir(SERVICE, 0755);
	mkdir(USERS, 0755);
	make_file(SERVICE "/file");
	make_file(USERS "/file");
	return true;
}

static bool can_read(const char *path)
{
	return open(path, O_RDONLY | O_CLOEXEC) >= 0;
}

static int try_run(enum sandbox_profile profile)
{
	if (!make_run())
		return CANNOT;
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (landlock_enter(profile) != 1)
		return 1;
	return !can_read(SERVICE "/file") ? 2 : can_read(USERS "/file") ? 3 : 0;
}

static int try_root(enum sandbox_profile profile)
{
	(void)profile;
	if (!make_run() || !readable_private_root())
		return CANNOT;
	return !can_read(SERVICE "/file") ? 2
	       : can_read(USERS "/file")  ? 3
	       : can_read("/tmp")	  ? 4
					  : 0;
}

/* Sessions of users have their buses and keys in /run/user. */
static void a_resolver_sees_nothing_of_users(void **state)
{
	int ret;

	(void)state;
	if (geteuid() != 0 || !landlock_available())
		skip_because("it takes root, and Landlock");
	ret = in_a_process(try_run, SANDBOX_RESOLVE);
	if (ret == CANNOT)
		skip_because("no mounts can be made");
	assert_int_equal(ret, 0);
}

static void nor_does_one_without_landlock(void **state)
{
	int ret;

	(void)state;
	if (geteuid() != 0)
		skip_because("it takes root");
	ret = in_a_process(try_root, SANDBOX_RESOLVE);
	if (ret == CANNOT)
		skip_because("no mounts can be made");
	assert_int_equal(ret, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_walls_of_every_helper),
	    cmocka_unit_test(a_resolver_sees_nothing_of_users),
	    cmocka_unit_test(nor_does_one_without_landlock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
