/* SPDX-License-Identifier: MIT */
#include "kernel/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/capability.h"
#include "base/cleanup.h"
#include "kernel/explain.h"
#include "kernel/ioctl.h"
#include "kernel/netlink.h"
#include "kernel/sysfs.h"

#define COMING_LOOKS	500
#define COMING_PAUSE_MS 10 /* between two looks whether the module has been loaded */

struct program {
	char path[256];
};

/*
 * The program that the kernel itself would run, or the one that was named at build time: a service
 * does not see /proc/sys. "": the administrator does not want modules to be loaded on demand.
 */
static struct program modprobe(void)
{
	struct program p = {MODPROBE};
	_cleanup_file_ FILE *f = fopen("/proc/sys/kernel/modprobe", "re");

	if (f && fgets(p.path, sizeof(p.path), f))
		p.path[strcspn(p.path, "\n")] = '\0';
	return p;
}

/* True if modprobe could be run; sysfs shows whether it has loaded the module. */
static bool run_modprobe(const char *program, char *module)
{
	static char name[] = "modprobe", path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	char *argv[] = {name, module, NULL}, *envp[] = {path, NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	pid_t pid;
	int ret;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	/* Discards modprobe's own error message, because ours says how to see it. */
	for (int fd = 0; fd < 3; fd++)
		posix_spawn_file_actions_addopen(&files, fd, "/dev/null", O_RDWR, 0);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	ret = posix_spawn(&pid, program, &files, &attr, argv, envp);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	if (ret != 0)
		return false;
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return true;
}

void kernel_await_module(void)
{
	for (int i = 0; i < COMING_LOOKS && sysfs_module_coming(); i++)
		usleep(COMING_PAUSE_MS * 1000);
}

static int load_module(struct err *err)
{
	static char module[] = "nbd";
	struct program program = modprobe();
	struct utsname u = {.release = "?"};
	bool ran = false;

	if (!sysfs_module_present() && program.path[0])
		ran = run_modprobe(program.path, module);
	kernel_await_module();
	if (sysfs_module_present())
		return 0;
	uname(&u);
	if (!program.path[0])
		return err_set(err, ERR_SYSTEM, EPERM,
			       "the nbd module is not loaded, and /proc/sys/kernel/modprobe is "
			       "empty, which forbids to load it now: load it by hand");
	if (!ran)
		return err_set(err, ERR_SYSTEM, ENOENT,
			       "the nbd module is not loaded and %s cannot be run: load it by hand",
			       program.path);
	return err_set(
	    err, ERR_SYSTEM, ENODEV,
	    "the nbd module of kernel %s cannot be loaded: `modprobe nbd` says why (is the "
	    "package with this kernel's modules installed, and has the machine been "
	    "restarted since the kernel was updated?)",
	    u.release);
}

static bool privileged(void)
{
	/* If the capabilities cannot be read, the kernel's own check decides later. */
	return capability_effective(CAP_SYS_ADMIN) != 0 && !capability_in_user_namespace();
}

int kernel_check(struct err *err)
{
	if (!privileged())
		return privilege_explain(err);
	return sysfs_check(err) < 0 ? -ENODEV : load_module(err);
}

/*
 * Whether TCP can have TLS on top, as a module or built in: asked of a socket that is not
 * connected, which a kernel that knows TLS refuses for that reason alone. Before it says that it
 * does not, it loads the module itself for CAP_NET_ADMIN. (/proc/sys may be hidden.)
 */
static bool has_tls(void)
{
	static const char ulp[] = "tls";
	_cleanup_fd_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);

	if (fd < 0)
		fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
	return fd >= 0 &&
	       (setsockopt(fd, IPPROTO_TCP, TCP_ULP, ulp, sizeof(ulp)) == 0 || errno == ENOTCONN);
}

int kernel_check_tls(struct err *err)
{
	static char module[] = "tls";
	struct program program = modprobe();
	struct utsname u = {.release = "?"};

	if (has_tls() || (program.path[0] && run_modprobe(program.path, module) && has_tls()))
		return 0;
	uname(&u);
	return err_set(err, ERR_SYSTEM, EPROTONOSUPPORT,
		       "kernel %s cannot do TLS (CONFIG_TLS), and its module tls cannot be loaded: "
		       "`modprobe tls` says why",
		       u.release);
}

int kernel_new(enum kernel_backend backend, struct kernel **ret_kernel, bool *ret_fallback,
	       struct err *err)
{
	bool missing = false;
	int ret = kernel_check(err);

	if (ret < 0)
		return ret;
	if (backend != KERNEL_BACKEND_IOCTL) {
		ret = netlink_new(ret_kernel, &missing, err);
		if (ret == 0 || backend == KERNEL_BACKEND_NETLINK || !missing)
			return ret;
	}
	ret = ioctl_new(ret_kernel, err);
	if (ret == 0 && missing)
		*ret_fallback = true;
	return ret;
}
