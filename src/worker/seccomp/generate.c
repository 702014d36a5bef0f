/* SPDX-License-Identifier: MIT */
/*
 * A program of its own, which the Makefile builds and runs: it prints the system call filters as
 * C arrays for seccomp-filter.c. The rules stand here and libseccomp turns them into programs for
 * the kernel, at build time, because that takes as long as a handshake with a server.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

#define INSTRUCTIONS_MAX 512 /* three times what there are; the kernel takes 4096 */

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

/* What libseccomp has to take for granted, so that nothing depends on the kernel of the machine
 * that builds: killing the process, from 4.14 on. Older ones kill the thread, of which there is
 * one. */
#define API_LEVEL 3

/*
 * The handshake needs no more: descriptors it has or receives, the clock, the end. It allocates
 * nothing, so even memory is out of reach. sendmsg() is missing because it could pass a
 * descriptor out; sendto() is there without an address, setsockopt() for one option.
 */
static const int handshake_allowed[] = {
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(ppoll_time64),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_gettime64),
    SCMP_SYS(close),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(exit_group),
#if defined(__SANITIZE_ADDRESS__)
    /* What the sanitizer's runtime does while the program runs and when it reports. */
    SCMP_SYS(mmap),
    SCMP_SYS(munmap),
    SCMP_SYS(madvise),
    SCMP_SYS(mprotect),
    SCMP_SYS(brk),
    SCMP_SYS(futex),
    SCMP_SYS(gettid),
    SCMP_SYS(getpid),
    SCMP_SYS(tgkill),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigtimedwait),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(sched_yield),
    SCMP_SYS(getrusage),
#endif
};

/*
 * GnuTLS beyond that: memory (the heap grows within what was set aside, and by brk() if that is not
 * enough), random numbers, its fork check, the keys out of the sealed memory. The clock's calls are
 * for kernels whose vDSO cannot answer.
 */
static const int tls_allowed[] = {
    SCMP_SYS(pread64), SCMP_SYS(brk),	       SCMP_SYS(getrandom), SCMP_SYS(getpid),
    SCMP_SYS(time),    SCMP_SYS(gettimeofday), SCMP_SYS(getrusage),
};

#if !defined(__SANITIZE_ADDRESS__)
/* Ways to get memory that malloc() tries beside brk(): it lives with a no. */
static const int tls_refused[] = {
    SCMP_SYS(mmap),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
};
#endif

/* What getaddrinfo() and the NSS modules behind it never do, and an intruder would. */
static const int resolve_denied[] = {
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(fork),
    SCMP_SYS(vfork),
    SCMP_SYS(clone),
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(process_madvise),
    SCMP_SYS(process_mrelease),
    SCMP_SYS(pidfd_open),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(pidfd_send_signal),
    SCMP_SYS(kcmp),
    SCMP_SYS(kill),
    SCMP_SYS(tkill),
    SCMP_SYS(tgkill),
    SCMP_SYS(rt_sigqueueinfo),
    SCMP_SYS(rt_tgsigqueueinfo),
    SCMP_SYS(listen),
    SCMP_SYS(accept),
    SCMP_SYS(accept4),
    SCMP_SYS(unshare),
    SCMP_SYS(setns),
    SCMP_SYS(chroot),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(move_mount),
    SCMP_SYS(open_tree),
    SCMP_SYS(fsopen),
    SCMP_SYS(fsmount),
    SCMP_SYS(pivot_root),
    SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
    SCMP_SYS(io_setup),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(keyctl),
    SCMP_SYS(personality),
    SCMP_SYS(name_to_handle_at),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(shmget),
    SCMP_SYS(msgget),
    SCMP_SYS(semget),
    SCMP_SYS(mq_open),
    /* Landlock forbids these too; kernels before 5.13 have none. */
    SCMP_SYS(creat),
    SCMP_SYS(truncate),
    SCMP_SYS(ftruncate),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    SCMP_SYS(rmdir),
    SCMP_SYS(rename),
    SCMP_SYS(renameat),
    SCMP_SYS(renameat2),
    SCMP_SYS(link),
    SCMP_SYS(linkat),
    SCMP_SYS(symlink),
    SCMP_SYS(symlinkat),
    SCMP_SYS(mkdir),
    SCMP_SYS(mkdirat),
    SCMP_SYS(mknod),
    SCMP_SYS(mknodat),
    SCMP_SYS(chmod),
    SCMP_SYS(fchmod),
    SCMP_SYS(fchmodat),
    SCMP_SYS(chown),
    SCMP_SYS(fchown),
    SCMP_SYS(lchown),
    SCMP_SYS(fchownat),
    SCMP_SYS(setxattr),
    SCMP_SYS(lsetxattr),
    SCMP_SYS(fsetxattr),
    SCMP_SYS(utimensat),
    SCMP_SYS(setuid),
    SCMP_SYS(setgid),
    SCMP_SYS(setresuid),
    SCMP_SYS(setresgid),
    SCMP_SYS(setgroups),
    SCMP_SYS(capset),
    SCMP_SYS(setpriority),
    SCMP_SYS(sched_setattr),
    SCMP_SYS(sched_setscheduler),
};

/* The families a resolver uses: DNS, local services such as nscd and resolved, and netlink to
 * ask for this host's addresses. */
static bool resolve_family(int family)
{
	return family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK;
}

static int add_handshake(scmp_filter_ctx ctx)
{
	int ret;

	for (size_t i = 0; i < ARRAY_SIZE(handshake_allowed); i++) {
		ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, handshake_allowed[i], 0);
		if (ret < 0)
			return ret;
	}
	ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), 2,
			       SCMP_A1_32(SCMP_CMP_EQ, IPPROTO_TCP),
			       SCMP_A2_32(SCMP_CMP_EQ, TCP_QUICKACK));
	if (ret < 0)
		return ret;
	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(sendto), 1, SCMP_A4(SCMP_CMP_EQ, 0));
}

static int add_setsockopt(scmp_filter_ctx ctx, int level, int option)
{
	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), 2,
				SCMP_A1_32(SCMP_CMP_EQ, (uint32_t)level),
				SCMP_A2_32(SCMP_CMP_EQ, (uint32_t)option));
}

static int add_tls(scmp_filter_ctx ctx)
{
	int ret = add_handshake(ctx);

	for (size_t i = 0; ret == 0 && i < ARRAY_SIZE(tls_allowed); i++)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, tls_allowed[i], 0);
#if !defined(__SANITIZE_ADDRESS__)
	for (size_t i = 0; ret == 0 && i < ARRAY_SIZE(tls_refused); i++)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOMEM), tls_refused[i], 0);
#endif
	/* pthread_once(3) wakes whom there is not: nobody. */
	if (ret == 0)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(futex), 1,
				       SCMP_A1_32(SCMP_CMP_EQ, FUTEX_WAKE_PRIVATE));
	/* A relay: see worker.c and relay.c. */
	if (ret == 0)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
				       SCMP_A0_32(SCMP_CMP_EQ, PR_SET_NAME));
	if (ret == 0)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 2,
				       SCMP_A0_32(SCMP_CMP_EQ, PR_SET_PDEATHSIG),
				       SCMP_A1_32(SCMP_CMP_EQ, 0));
	if (ret == 0)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(getsockopt), 2,
				       SCMP_A1_32(SCMP_CMP_EQ, IPPROTO_TCP),
				       SCMP_A2_32(SCMP_CMP_EQ, TCP_INFO));
	if (ret == 0)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(shutdown), 0);
	if (ret == 0)
		ret = add_setsockopt(ctx, SOL_SOCKET, SO_LINGER);
	if (ret == 0)
		ret = add_setsockopt(ctx, IPPROTO_TCP, TCP_ULP);
	if (ret == 0)
		ret = add_setsockopt(ctx, SOL_TLS, TLS_TX);
	if (ret == 0)
		ret = add_setsockopt(ctx, SOL_TLS, TLS_RX);
	return ret;
}

/* Files may be read. */
static int deny_opening_for_write(scmp_filter_ctx ctx, uint32_t deny)
{
	static const struct {
		scmp_datum_t mask, value;
	} flags[] = {
	    {O_ACCMODE, O_WRONLY},  {O_ACCMODE, O_RDWR},
	    {O_ACCMODE, O_ACCMODE}, /* neither, but ioctl(2) goes */
	    {O_CREAT, O_CREAT},	    {O_TRUNC, O_TRUNC},
	};
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < ARRAY_SIZE(flags); i++) {
		ret =
		    seccomp_rule_add(ctx, deny, SCMP_SYS(open), 1,
				     SCMP_A1_32(SCMP_CMP_MASKED_EQ, flags[i].mask, flags[i].value));
		if (ret == 0)
			ret = seccomp_rule_add(
			    ctx, deny, SCMP_SYS(openat), 1,
			    SCMP_A2_32(SCMP_CMP_MASKED_EQ, flags[i].mask, flags[i].value));
	}
	return ret;
}

static int add_resolve(scmp_filter_ctx ctx)
{
	const uint32_t deny = SCMP_ACT_ERRNO(EPERM);
	int ret;

	for (size_t i = 0; i < ARRAY_SIZE(resolve_denied); i++) {
		ret = seccomp_rule_add(ctx, deny, resolve_denied[i], 0);
		if (ret < 0)
			return ret;
	}
	ret = deny_opening_for_write(ctx, deny);
	/* As on a kernel without them: their arguments cannot be looked at. */
	if (ret == 0)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (ret == 0)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(openat2), 0);
	/* Its own limits a process may read; not touch those of others of the same account. */
	if (ret == 0)
		ret =
		    seccomp_rule_add(ctx, deny, SCMP_SYS(prlimit64), 1, SCMP_A0_32(SCMP_CMP_NE, 0));
	for (int family = 0; ret == 0 && family < AF_NETLINK; family++)
		if (!resolve_family(family))
			ret = seccomp_rule_add(ctx, deny, SCMP_SYS(socket), 1,
					       SCMP_A0_32(SCMP_CMP_EQ, (uint32_t)family));
	if (ret == 0)
		ret = seccomp_rule_add(ctx, deny, SCMP_SYS(socket), 1,
				       SCMP_A0_32(SCMP_CMP_GT, AF_NETLINK));
	return ret;
}

/* libseccomp hands a program out through a descriptor only (until 2.6). */
static int print(scmp_filter_ctx ctx, const char *name)
{
	_cleanup_fd_ int fd = memfd_create("seccomp", MFD_CLOEXEC);
	struct sock_filter program[INSTRUCTIONS_MAX];
	ssize_t size;
	int ret;

	if (fd < 0)
		return -errno;
	ret = seccomp_export_bpf(ctx, fd);
	if (ret < 0)
		return ret;
	size = lseek(fd, 0, SEEK_END);
	if (size <= 0 || (size_t)size > sizeof(program) || (size_t)size % sizeof(program[0]))
		return -E2BIG;
	if (pread(fd, program, (size_t)size, 0) != size)
		return -EIO;
	printf("\nstatic const struct sock_filter %s[] = {\n", name);
	for (size_t i = 0; i < (size_t)size / sizeof(program[0]); i++)
		printf("\t{0x%04x, %u, %u, 0x%08x},\n", program[i].code, program[i].jt,
		       program[i].jf, program[i].k);
	printf("};\n");
	return 0;
}

static int generate(const char *name, uint32_t otherwise, int (*add)(scmp_filter_ctx ctx))
{
	scmp_filter_ctx ctx = seccomp_init(otherwise);
	int ret = -ENOMEM;

	if (ctx) {
		/* A call by another architecture's table is nobody's need. */
		ret = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
		if (ret == 0)
			ret = add(ctx);
		if (ret == 0)
			ret = print(ctx, name);
		seccomp_release(ctx);
	}
	if (ret < 0)
		fprintf(stderr, "cannot make the filter %s: %s\n", name, strerror(-ret));
	return ret;
}

int main(void)
{
	printf("/* Made by src/worker/seccomp/generate.c: the rules stand there. */\n");
	if (seccomp_api_set(API_LEVEL) < 0 ||
	    generate("handshake_program", SCMP_ACT_KILL_PROCESS, add_handshake) < 0 ||
	    generate("tls_program", SCMP_ACT_KILL_PROCESS, add_tls) < 0 ||
	    generate("resolve_program", SCMP_ACT_ALLOW, add_resolve) < 0)
		return 1;
	return fflush(stdout) == EOF;
}
