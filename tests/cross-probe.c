/* SPDX-License-Identifier: MIT */
/*
 * What some unit tests need, and qemu-user 7.2 lacks: prints the name of each thing that is missing
 * here. cross runs it under qemu-user, so that a later version, or a machine that runs the other
 * one's programs by binfmt_misc, gets more tests.
 */
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* In a child, which a filter may kill. */
static int works(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn());
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 0;
}

static int executes_itself(void)
{
	char again[] = "again", *argv[] = {again, again, NULL}, *environment[] = {NULL};

	return execve("/proc/self/exe", argv, environment);
}

static int tcp_info(void)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	/* qemu-user gives the first number only. */
	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 ||
	       len < offsetof(struct tcp_info, tcpi_total_retrans);
}

static int sock_diag(void)
{
	return socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG) < 0;
}

static int traced(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0;
}

static int seccomp(void)
{
	struct sock_filter all[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
	struct sock_fprog filter = {1, all};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*fn)(void);
	} things[] = {
	    {"execve", executes_itself}, {"TCP_INFO", tcp_info}, {"sock_diag", sock_diag},
	    {"ptrace", traced},		 {"seccomp", seccomp},
	};

	(void)argv;
	if (argc > 1)
		return 0;
	for (size_t i = 0; i < sizeof(things) / sizeof(things[0]); i++)
		if (!works(things[i].fn))
			puts(things[i].name);
	return 0;
}
