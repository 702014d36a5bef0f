/* SPDX-License-Identifier: MIT */
/* Long: a list of system calls, with the reason for each. */
/*
 * A program of its own, which the Makefile builds and runs: it prints the system call filters as
 * C arrays for seccomp-filter.c. The rules stand here and libseccomp turns them into programs for
 * the kernel, at build time, because that takes as long as a handshake with a server.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

/* The macros of libseccomp leave out the last field of a comparison. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#if defined(__i386__)
#error \
    "i386 is not supported: there the C library calls the sockets through socketcall(2), whose arguments a system call filter cannot look at"
#endif

#define INSTRUCTIONS_MAX 512 /* three times what there are; the kernel takes 4096 */

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

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
#if defined(__SANITIZE_ADDRESS__)
/* Calls that the sanitizer's runtime makes while the program runs and when it reports. */
#define SANITIZER_CALLS                                                                         \
	SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(madvise), SCMP_SYS(mprotect), SCMP_SYS(brk), \
	    SCMP_SYS(futex), SCMP_SYS(gettid), SCMP_SYS(getpid), SCMP_SYS(tgkill),              \
	    SCMP_SYS(writev), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction),                 \
	    SCMP_SYS(sigaltstack), SCMP_SYS(sched_yield)
#endif

static const int handshake_allowed[] = {
    SCMP_SYS(recvfrom),	       SCMP_SYS(recvmsg),      SCMP_SYS(poll),
    SCMP_SYS(ppoll),	       SCMP_SYS(ppoll_time64), SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_gettime64), SCMP_SYS(close),	       SCMP_SYS(restart_syscall),
    SCMP_SYS(rt_sigreturn),    SCMP_SYS(exit_group),
#if defined(__SANITIZE_ADDRESS__)
    SANITIZER_CALLS,	       SCMP_SYS(write),	       SCMP_SYS(rt_sigtimedwait),
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

/*
 * Failures that are handled: of looks whether GnuTLS's configuration has changed, for a priority
 * such as @SYSTEM, and of giving memory back.
 */
static const int tls_refused[] = {
#if !defined(__SANITIZE_ADDRESS__)
    SCMP_SYS(madvise),
#endif
    SCMP_SYS(stat),    SCMP_SYS(stat64), SCMP_SYS(newfstatat), SCMP_SYS(fstatat64),
    SCMP_SYS(statx),   SCMP_SYS(open),	 SCMP_SYS(openat),
};

#if !defined(__SANITIZE_ADDRESS__) /* with it they are allowed */
/* Of other ways than brk() by which glibc's malloc() tries to get memory. */
static const int heap_refused[] = {
    SCMP_SYS(mmap),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
};
#endif

/* The files are open, and so is the memory: they are copied, and that is passed on. */
static const int keys_allowed[] = {
    SCMP_SYS(read),	    SCMP_SYS(write),	  SCMP_SYS(pwrite64), SCMP_SYS(lseek),
    SCMP_SYS(_llseek),	    SCMP_SYS(sendmsg),	  SCMP_SYS(close),    SCMP_SYS(restart_syscall),
    SCMP_SYS(rt_sigreturn), SCMP_SYS(exit_group),
#if defined(__SANITIZE_ADDRESS__)
    SANITIZER_CALLS,
#endif
};

/* The device is open: it is read, and one answer is sent. */
static const int look_allowed[] = {
    SCMP_SYS(pread64),	       SCMP_SYS(fsync),	       SCMP_SYS(close),
    SCMP_SYS(restart_syscall), SCMP_SYS(rt_sigreturn), SCMP_SYS(exit_group),
#if defined(__SANITIZE_ADDRESS__)
    SANITIZER_CALLS,	       SCMP_SYS(write),
#endif
};

/*
 * getaddrinfo() and the NSS modules behind it: files are read, libraries loaded, sockets of a few
 * families used. All other calls fail with EPERM instead of killing the process, because a module
 * that asks for more may work without it. The filter raises a signal for them, whose handler
 * (resolve.c) notes the call, so that the user can be told. What depends on arguments is in
 * add_resolve().
 */
static const int resolve_allowed[] = {
    /* Files and memory. */
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(pread64),
    SCMP_SYS(lseek),
    SCMP_SYS(_llseek),
    SCMP_SYS(close),
    SCMP_SYS(fstat),
    SCMP_SYS(fstat64),
    SCMP_SYS(stat),
    SCMP_SYS(stat64),
    SCMP_SYS(lstat),
    SCMP_SYS(lstat64),
    SCMP_SYS(newfstatat),
    SCMP_SYS(fstatat64),
    SCMP_SYS(statx),
    SCMP_SYS(statfs),
    SCMP_SYS(fstatfs),
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(getcwd),
    SCMP_SYS(getdents64),
    SCMP_SYS(dup),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(brk),
    SCMP_SYS(madvise),
    SCMP_SYS(mprotect),
    /* Sockets that it has. */
    SCMP_SYS(connect),
    SCMP_SYS(bind),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
    SCMP_SYS(getsockopt),
    SCMP_SYS(shutdown),
    SCMP_SYS(sendto),
    SCMP_SYS(sendmsg),
    SCMP_SYS(sendmmsg),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(recvmmsg),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(ppoll_time64),
    SCMP_SYS(select),
    SCMP_SYS(_newselect),
    SCMP_SYS(pselect6),
    SCMP_SYS(pselect6_time64),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    /* Itself, and the time. */
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(getppid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(getuid32),
    SCMP_SYS(geteuid32),
    SCMP_SYS(getgid32),
    SCMP_SYS(getegid32),
    SCMP_SYS(getrusage),
    SCMP_SYS(uname),
    SCMP_SYS(sysinfo),
    SCMP_SYS(getrandom),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_gettime64),
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(clock_nanosleep_time64),
    SCMP_SYS(nanosleep),
    SCMP_SYS(time),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(futex),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
#if defined(__SANITIZE_ADDRESS__)
    SCMP_SYS(tgkill),
    SCMP_SYS(rt_sigtimedwait),
#endif
};

/*
 * What neither the zygote nor one of its copies needs. Its real uid may be root's (sandbox.h), and
 * these look at that one, or change another one.
 */
static const int zygote_refused[] = {
    /* Other identities. */
    SCMP_SYS(setuid),
    SCMP_SYS(setuid32),
    SCMP_SYS(setreuid),
    SCMP_SYS(setreuid32),
    SCMP_SYS(setresuid),
    SCMP_SYS(setresuid32),
    SCMP_SYS(setfsuid),
    SCMP_SYS(setfsuid32),
    SCMP_SYS(unshare),
    SCMP_SYS(setns),
    /* Other processes. */
    SCMP_SYS(kill),
    SCMP_SYS(tkill),
    SCMP_SYS(rt_sigqueueinfo),
    SCMP_SYS(rt_tgsigqueueinfo),
    SCMP_SYS(pidfd_send_signal),
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(kcmp),
    SCMP_SYS(setpriority),
    SCMP_SYS(ioprio_set),
    SCMP_SYS(sched_setscheduler),
    SCMP_SYS(sched_setparam),
    SCMP_SYS(sched_setattr),
    SCMP_SYS(sched_setaffinity),
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
#if !defined(__SANITIZE_ADDRESS__)
    SCMP_SYS(tgkill),
#endif
    /* Root's keys. */
    SCMP_SYS(keyctl),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    /* Its credentials go along with messages. */
    SCMP_SYS(socket),
    SCMP_SYS(socketpair),
    SCMP_SYS(connect),
    SCMP_SYS(sendmsg),
    SCMP_SYS(sendmmsg),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
};

/* A signal that a descriptor sends has the rights of who asked for it, which are the real uid's. */
static const struct {
	int call;
	uint32_t value; /* of the second argument */
} zygote_values[] = {
    {SCMP_SYS(fcntl), F_SETOWN},   {SCMP_SYS(fcntl), F_SETOWN_EX},   {SCMP_SYS(fcntl), F_SETSIG},
    {SCMP_SYS(fcntl64), F_SETOWN}, {SCMP_SYS(fcntl64), F_SETOWN_EX}, {SCMP_SYS(fcntl64), F_SETSIG},
    {SCMP_SYS(ioctl), FIOSETOWN},  {SCMP_SYS(ioctl), SIOCSPGRP},     {SCMP_SYS(ioctl), FIOASYNC},
};

static const uint32_t new_namespaces[] = {CLONE_NEWUSER, CLONE_NEWNS,  CLONE_NEWPID,   CLONE_NEWNET,
					  CLONE_NEWIPC,	 CLONE_NEWUTS, CLONE_NEWCGROUP};

/* The kernel ignores the upper half of these arguments: a comparison without a mask would not. */
#define LOW_BITS(argument, mask, value) \
	SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, (uint32_t)(mask), (uint32_t)(value))

static int add_zygote(scmp_filter_ctx ctx)
{
	const uint32_t refuse = SCMP_ACT_ERRNO(EPERM);
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < ARRAY_SIZE(zygote_refused); i++)
		ret = seccomp_rule_add(ctx, refuse, zygote_refused[i], 0);
	for (size_t i = 0; ret == 0 && i < ARRAY_SIZE(zygote_values); i++)
		ret = seccomp_rule_add(ctx, refuse, zygote_values[i].call, 1,
				       LOW_BITS(1, UINT32_MAX, zygote_values[i].value));
	for (size_t i = 0; ret == 0 && i < ARRAY_SIZE(new_namespaces); i++)
		ret = seccomp_rule_add(ctx, refuse, SCMP_SYS(clone), 1,
				       LOW_BITS(0, new_namespaces[i], new_namespaces[i]));
	/* As on a kernel without it: its arguments cannot be looked at. */
	if (ret == 0)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	/* The limits of other processes. */
	if (ret == 0)
		ret =
		    seccomp_rule_add(ctx, refuse, SCMP_SYS(prlimit64), 1, SCMP_A0(SCMP_CMP_NE, 0));
	return ret;
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

static int add_tls_calls(scmp_filter_ctx ctx)
{
	int ret = add_handshake(ctx);

	for (size_t i = 0; ret == 0 && i < ARRAY_SIZE(tls_allowed); i++)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, tls_allowed[i], 0);
	for (size_t i = 0; ret == 0 && i < ARRAY_SIZE(tls_refused); i++)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOMEM), tls_refused[i], 0);
	/* pthread_once(3) wakes waiters, although there are none. */
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
	/* A relay's, with any value, because a filter does not see it: see transport/sockopts.h. */
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

static int add_tls(scmp_filter_ctx ctx)
{
	int ret = add_tls_calls(ctx);

#if !defined(__SANITIZE_ADDRESS__)
	for (size_t i = 0; ret == 0 && i < ARRAY_SIZE(heap_refused); i++)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOMEM), heap_refused[i], 0);
#endif
	return ret;
}

/*
 * For a C library whose heap does not stay within what was set aside, such as musl's: it maps
 * pages, and gives them back. They are private, belong to no file, and can never be executed.
 * RLIMIT_DATA says how many there may be.
 */
static int add_tls_mapping(scmp_filter_ctx ctx)
{
	const scmp_datum_t others = ~(scmp_datum_t)(PROT_READ | PROT_WRITE);
	static const int maps[] = {SCMP_SYS(mmap), SCMP_SYS(mmap2)};
	int ret = add_tls_calls(ctx);

#if defined(__SANITIZE_ADDRESS__)
	return ret; /* they are allowed */
#endif
	for (size_t i = 0; ret == 0 && i < ARRAY_SIZE(maps); i++)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, maps[i], 2,
				       SCMP_A2(SCMP_CMP_MASKED_EQ, others, 0),
				       SCMP_A3(SCMP_CMP_MASKED_EQ, ~(scmp_datum_t)MAP_FIXED,
					       MAP_PRIVATE | MAP_ANONYMOUS));
	if (ret == 0)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				       SCMP_A2(SCMP_CMP_MASKED_EQ, others, 0));
	if (ret == 0)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mremap), 1,
				       SCMP_A3(SCMP_CMP_EQ, MREMAP_MAYMOVE));
	if (ret == 0)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(munmap), 0);
	return ret;
}

static int add_keys(scmp_filter_ctx ctx)
{
	static const int ways[] = {SCMP_SYS(fcntl), SCMP_SYS(fcntl64)};
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < ARRAY_SIZE(keys_allowed); i++)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, keys_allowed[i], 0);
	for (size_t i = 0; ret == 0 && i < ARRAY_SIZE(ways); i++)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, ways[i], 1,
				       SCMP_A1_32(SCMP_CMP_EQ, F_ADD_SEALS));
	return ret;
}

static int add_look(scmp_filter_ctx ctx)
{
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < ARRAY_SIZE(look_allowed); i++)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, look_allowed[i], 0);
	if (ret < 0)
		return ret;
	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(sendto), 1, SCMP_A4(SCMP_CMP_EQ, 0));
}

/* Calls whose arguments decide: a rule for each value that is allowed. */
static const struct resolve_value {
	int call;
	unsigned argument;
	uint32_t value;
} resolve_values[] = {
    {SCMP_SYS(ioctl), 1, FIONREAD},	   {SCMP_SYS(ioctl), 1, FIONBIO},
    {SCMP_SYS(ioctl), 1, SIOCGIFINDEX},	   {SCMP_SYS(ioctl), 1, SIOCGIFNAME},
    {SCMP_SYS(fcntl), 1, F_GETFD},	   {SCMP_SYS(fcntl), 1, F_SETFD},
    {SCMP_SYS(fcntl), 1, F_GETFL},	   {SCMP_SYS(fcntl), 1, F_SETFL},
    {SCMP_SYS(fcntl), 1, F_DUPFD_CLOEXEC}, {SCMP_SYS(fcntl64), 1, F_GETFD},
    {SCMP_SYS(fcntl64), 1, F_SETFD},	   {SCMP_SYS(fcntl64), 1, F_GETFL},
    {SCMP_SYS(fcntl64), 1, F_SETFL},	   {SCMP_SYS(fcntl64), 1, F_DUPFD_CLOEXEC},
    {SCMP_SYS(prctl), 0, PR_SET_NAME},	   {SCMP_SYS(prctl), 0, PR_GET_NAME},
    {SCMP_SYS(prctl), 0, PR_CAPBSET_READ}, {SCMP_SYS(socket), 0, AF_UNIX},
};

/*
 * The options that glibc and modules with a local service set. (Those of systemd ask for larger
 * buffers in the two ways that the kernel refuses without a capability.)
 */
static const struct {
	int level, option;
} resolve_options[] = {
    {SOL_SOCKET, SO_RCVTIMEO},	    {SOL_SOCKET, SO_SNDTIMEO},
    {SOL_SOCKET, SO_REUSEADDR},	    {SOL_SOCKET, SO_PASSCRED},
    {SOL_SOCKET, SO_RCVBUF},	    {SOL_SOCKET, SO_SNDBUF},
    {SOL_SOCKET, SO_RCVBUFFORCE},   {SOL_SOCKET, SO_SNDBUFFORCE},
    {SOL_SOCKET, SO_KEEPALIVE},	    {IPPROTO_IP, IP_RECVERR},
    {IPPROTO_IPV6, IPV6_RECVERR},   {IPPROTO_IPV6, IPV6_V6ONLY},
    {IPPROTO_TCP, TCP_NODELAY},	    {SOL_NETLINK, NETLINK_PKTINFO},
    {SOL_NETLINK, NETLINK_EXT_ACK}, {SOL_NETLINK, NETLINK_GET_STRICT_CHK},
};

/* Files may be opened for reading, and what is mapped for all to see may not be written. */
static int allow_reading(scmp_filter_ctx ctx)
{
	const scmp_datum_t writes = O_ACCMODE | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY);
	static const int maps[] = {SCMP_SYS(mmap), SCMP_SYS(mmap2)};
	int ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(open), 1,
				   SCMP_A1_32(SCMP_CMP_MASKED_EQ, (uint32_t)writes, O_RDONLY));

	if (ret == 0)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
				       SCMP_A2_32(SCMP_CMP_MASKED_EQ, (uint32_t)writes, O_RDONLY));
	for (size_t i = 0; ret == 0 && i < ARRAY_SIZE(maps); i++) {
		ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, maps[i], 1,
				       SCMP_A3_32(SCMP_CMP_MASKED_EQ, MAP_TYPE, MAP_PRIVATE));
		if (ret == 0)
			ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, maps[i], 2,
					       SCMP_A3_32(SCMP_CMP_MASKED_EQ, MAP_TYPE, MAP_SHARED),
					       SCMP_A2_32(SCMP_CMP_MASKED_EQ, PROT_WRITE, 0));
	}
	return ret;
}

/* TCP and UDP: for other types and protocols the kernel loads modules. */
static int allow_internet(scmp_filter_ctx ctx)
{
	static const struct {
		int type, protocol;
	} sockets[] = {
	    {SOCK_STREAM, 0},
	    {SOCK_STREAM, IPPROTO_TCP},
	    {SOCK_DGRAM, 0},
	    {SOCK_DGRAM, IPPROTO_UDP},
	};
	static const int families[] = {AF_INET, AF_INET6};
	const scmp_datum_t type = ~(uint32_t)(SOCK_CLOEXEC | SOCK_NONBLOCK);
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < ARRAY_SIZE(sockets) * ARRAY_SIZE(families); i++)
		ret = seccomp_rule_add(
		    ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 3,
		    SCMP_A0_32(SCMP_CMP_EQ, (uint32_t)families[i % ARRAY_SIZE(families)]),
		    SCMP_A1_32(SCMP_CMP_MASKED_EQ, (uint32_t)type,
			       (uint32_t)sockets[i / ARRAY_SIZE(families)].type),
		    SCMP_A2_32(SCMP_CMP_EQ, (uint32_t)sockets[i / ARRAY_SIZE(families)].protocol));
	return ret;
}

static int add_resolve(scmp_filter_ctx ctx)
{
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < ARRAY_SIZE(resolve_allowed); i++)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, resolve_allowed[i], 0);
	for (size_t i = 0; ret == 0 && i < ARRAY_SIZE(resolve_values); i++) {
		const struct resolve_value *v = &resolve_values[i];

		ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, v->call, 1,
				       SCMP_CMP32(v->argument, SCMP_CMP_EQ, v->value));
	}
	for (size_t i = 0; ret == 0 && i < ARRAY_SIZE(resolve_options); i++)
		ret = add_setsockopt(ctx, resolve_options[i].level, resolve_options[i].option);
	if (ret == 0)
		ret = allow_reading(ctx);
	if (ret == 0)
		ret = allow_internet(ctx);
	/* This host's addresses; other families of netlink load modules. */
	if (ret == 0)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
				       SCMP_A0_32(SCMP_CMP_EQ, AF_NETLINK),
				       SCMP_A2_32(SCMP_CMP_EQ, NETLINK_ROUTE));
	/* Its own limits a process may read. */
	if (ret == 0)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2,
				       SCMP_A0_32(SCMP_CMP_EQ, 0), SCMP_A2(SCMP_CMP_EQ, 0));
	/* As on a kernel without them: their arguments cannot be looked at. */
	if (ret == 0)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (ret == 0)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(openat2), 0);
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
		/* No helper needs a call by another architecture's table. */
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
	    generate("tls_mapping_program", SCMP_ACT_KILL_PROCESS, add_tls_mapping) < 0 ||
	    generate("keys_program", SCMP_ACT_KILL_PROCESS, add_keys) < 0 ||
	    generate("look_program", SCMP_ACT_KILL_PROCESS, add_look) < 0 ||
	    generate("zygote_program", SCMP_ACT_ALLOW, add_zygote) < 0 ||
	    generate("resolve_program", SCMP_ACT_TRAP, add_resolve) < 0)
		return 1;
	return fflush(stdout) == EOF;
}
