/* SPDX-License-Identifier: MIT */
/* Long: the lists are repeated in one place. */
/*
 * The system call filters, run as the kernel runs them: a small interpreter gives them every number
 * of every architecture, with arguments that matter, and compares with what is allowed. The lists
 * are repeated here on purpose: a change that allows more must be made twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "worker/seccomp-programs.h"
#include "skip.h"

#define NUMBERS	  2048 /* far beyond the last system call */
#define X32_BIT	  0x40000000
#define REFUSE(n) (SECCOMP_RET_ERRNO | (n))

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE AUDIT_ARCH_AARCH64
#else
#define NATIVE 0 /* not tested */
#endif

struct program {
	const struct sock_filter *code;
	size_t len;
};

static const struct program handshake = {handshake_program, ARRAY_SIZE(handshake_program)};
static const struct program tls = {tls_program, ARRAY_SIZE(tls_program)};
static const struct program tls_mapping = {tls_mapping_program, ARRAY_SIZE(tls_mapping_program)};
static const struct program keys = {keys_program, ARRAY_SIZE(keys_program)};
static const struct program resolve = {resolve_program, ARRAY_SIZE(resolve_program)};
static const struct program zygote = {zygote_program, ARRAY_SIZE(zygote_program)};

static bool jumps(const struct sock_filter *i, uint32_t a)
{
	switch (BPF_OP(i->code)) {
	case BPF_JEQ:
		return a == i->k;
	case BPF_JGT:
		return a > i->k;
	case BPF_JGE:
		return a >= i->k;
	case BPF_JSET:
		return a & i->k;
	}
	fail_msg("jump 0x%x", i->code);
	return false;
}

static uint32_t run(const struct program *p, const struct seccomp_data *data)
{
	uint32_t a = 0;

	for (size_t pc = 0; pc < p->len; pc++) {
		const struct sock_filter *i = &p->code[pc];

		switch (BPF_CLASS(i->code)) {
		case BPF_LD:
			assert_int_equal(i->code, BPF_LD | BPF_W | BPF_ABS);
			assert_true(i->k <= sizeof(*data) - sizeof(a));
			memcpy(&a, (const char *)data + i->k, sizeof(a));
			break;
		case BPF_ALU:
			assert_int_equal(i->code, BPF_ALU | BPF_AND | BPF_K);
			a &= i->k;
			break;
		case BPF_JMP:
			if (BPF_OP(i->code) == BPF_JA)
				pc += i->k;
			else
				pc += jumps(i, a) ? i->jt : i->jf;
			break;
		case BPF_RET:
			return i->k;
		default:
			fail_msg("instruction 0x%x", i->code);
		}
	}
	fail_msg("it ends without a verdict");
	return 0;
}

static uint32_t ask(const struct program *p, uint32_t arch, int nr, const uint64_t args[6])
{
	struct seccomp_data data = {.nr = nr, .arch = arch};

	memcpy(data.args, args, sizeof(data.args));
	return run(p, &data);
}

/* A call with up to five arguments. */
static uint32_t call(const struct program *p, int nr, uint64_t a, uint64_t b, uint64_t c,
		     uint64_t d, uint64_t e)
{
	return ask(p, NATIVE, nr, (const uint64_t[6]){a, b, c, d, e, 0});
}

/* Values that rules ask for, and some around them. */
static const uint64_t values[] = {
    0,
    1,
    2,
    3,
    4,
    6,
    8,
    10,
    TCP_QUICKACK,
    TCP_INFO,
    16,
    17,
    MAP_PRIVATE | MAP_ANONYMOUS,
    41,
    129,
    282,
    PR_SET_NAME,
    PR_CAPBSET_READ,
    F_SETOWN,
    FIONREAD,
    F_ADD_SEALS,
    UINT32_MAX,
    UINT64_MAX,
    UINT64_C(1) << 32,
};

/* Whether there are arguments with which the call is allowed. */
static bool possible(const struct program *p, int nr)
{
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		uint64_t args[6];

		for (size_t k = 0; k < 6; k++)
			args[k] = values[i];
		if (ask(p, NATIVE, nr, args) == SECCOMP_RET_ALLOW)
			return true;
		for (size_t j = 0; j < ARRAY_SIZE(values); j++) {
			memset(args, 0, sizeof(args));
			args[0] = args[3] = values[i];
			args[1] = args[2] = values[j];
			if (ask(p, NATIVE, nr, args) == SECCOMP_RET_ALLOW)
				return true;
			args[0] = args[3] = 0;
			args[1] = values[i];
			if (ask(p, NATIVE, nr, args) == SECCOMP_RET_ALLOW)
				return true;
		}
	}
	return false;
}

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)

static const int handshake_calls[] = {
    SYS_recvfrom,      SYS_recvmsg,	    SYS_poll,	      SYS_ppoll,
    SYS_clock_gettime, SYS_setsockopt,	    SYS_sendto,	      SYS_close,
    SYS_exit_group,    SYS_restart_syscall, SYS_rt_sigreturn,
};

static const int tls_calls[] = {
    SYS_pread64,   SYS_brk,   SYS_getrandom, SYS_getpid,     SYS_time,	   SYS_gettimeofday,
    SYS_getrusage, SYS_futex, SYS_prctl,     SYS_getsockopt, SYS_shutdown,
};

/* Where the C library is not glibc, whose heap grows by brk() alone. */
static const int mapping_calls[] = {SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect};

static const int keys_calls[] = {
    SYS_read,  SYS_write, SYS_pwrite64,	  SYS_lseek,	       SYS_sendmsg,
    SYS_close, SYS_fcntl, SYS_exit_group, SYS_restart_syscall, SYS_rt_sigreturn,
};

/* Debian 11's headers are older; the numbers are those of every machine. */
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif

/* Calls that no helper may make with any arguments. */
static const int never[] = {
    SYS_execve,
    SYS_execveat,
    SYS_fork,
    SYS_vfork,
    SYS_clone,
    SYS_clone3,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_pidfd_open,
    SYS_pidfd_getfd,
    SYS_pidfd_send_signal,
    SYS_kill,
    SYS_tkill,
    SYS_tgkill,
    SYS_socketpair,
    SYS_listen,
    SYS_accept,
    SYS_accept4,
    SYS_unshare,
    SYS_setns,
    SYS_mount,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_io_uring_setup,
    SYS_add_key,
    SYS_keyctl,
    SYS_setuid,
    SYS_setresuid,
    SYS_setgroups,
    SYS_capset,
    SYS_unlink,
    SYS_unlinkat,
    SYS_rename,
    SYS_truncate,
    SYS_chmod,
    SYS_fchmod,
    SYS_mknod,
    SYS_symlink,
    SYS_memfd_create,
    SYS_setsid,
    SYS_setrlimit,
    SYS_seccomp,
    SYS_timer_create,
    SYS_mq_open,
    SYS_shmget,
    SYS_sendfile,
    SYS_splice,
    SYS_io_setup,
    SYS_openat2,
    SYS_process_madvise,
};

static bool listed(const int *list, size_t n, int nr)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == nr)
			return true;
	return false;
}

static void exactly_these(void **state)
{
	(void)state;
	for (int nr = 0; nr < NUMBERS; nr++) {
		bool plain = listed(handshake_calls, ARRAY_SIZE(handshake_calls), nr);
		bool more = listed(tls_calls, ARRAY_SIZE(tls_calls), nr);

		if (possible(&handshake, nr) != plain || possible(&tls, nr) != (plain || more))
			fail_msg("system call %d: a worker %s", nr,
				 plain || more ? "has to have it" : "must not have it");
		if (possible(&tls_mapping, nr) !=
		    (plain || more || listed(mapping_calls, ARRAY_SIZE(mapping_calls), nr)))
			fail_msg("system call %d: a worker whose heap maps pages", nr);
		if (possible(&keys, nr) != listed(keys_calls, ARRAY_SIZE(keys_calls), nr))
			fail_msg("system call %d: a reader of keys must have just its list", nr);
		if (listed(never, ARRAY_SIZE(never), nr) && possible(&resolve, nr))
			fail_msg("system call %d: a resolver must not have it", nr);
	}
}

static const int zygote_never[] = {
    SYS_setuid,
    SYS_setreuid,
    SYS_setresuid,
    SYS_setfsuid,
    SYS_unshare,
    SYS_setns,
    SYS_kill,
    SYS_tkill,
    SYS_tgkill,
    SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo,
    SYS_pidfd_send_signal,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_pidfd_getfd,
    SYS_kcmp,
    SYS_setpriority,
    SYS_ioprio_set,
    SYS_sched_setscheduler,
    SYS_sched_setparam,
    SYS_sched_setattr,
    SYS_sched_setaffinity,
    SYS_execve,
    SYS_execveat,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_socket,
    SYS_socketpair,
    SYS_connect,
    SYS_sendmsg,
    SYS_sendmmsg,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_clone3,
};

/* It forks, and its copies have filters of their own beside this one. */
static void a_zygote_lacks_these(void **state)
{
	static const int signals[] = {F_SETOWN, F_SETOWN_EX, F_SETSIG};
	static const uint32_t namespaces[] = {CLONE_NEWUSER,  CLONE_NEWNS,  CLONE_NEWPID,
					      CLONE_NEWNET,   CLONE_NEWIPC, CLONE_NEWUTS,
					      CLONE_NEWCGROUP};
	const uint64_t high = UINT64_C(1) << 32;
	const uint32_t yes = SECCOMP_RET_ALLOW, no = REFUSE(EPERM);

	(void)state;
	for (int nr = 0; nr < NUMBERS; nr++) {
		bool refused = listed(zygote_never, ARRAY_SIZE(zygote_never), nr);

		if (possible(&zygote, nr) == refused)
			fail_msg("system call %d: a zygote %s", nr,
				 refused ? "must not have it" : "has to have it");
	}
	/* The kernel looks at 32 bits of these. */
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		assert_int_equal(call(&zygote, SYS_fcntl, 3, (uint64_t)signals[i], 9, 0, 0), no);
		assert_int_equal(call(&zygote, SYS_fcntl, 3, high | (uint64_t)signals[i], 9, 0, 0),
				 no);
	}
	assert_int_equal(call(&zygote, SYS_fcntl, 3, F_SETFL, 0, 0, 0), yes);
	assert_int_equal(call(&zygote, SYS_ioctl, 3, FIOSETOWN, 9, 0, 0), no);
	assert_int_equal(call(&zygote, SYS_ioctl, 3, FIOASYNC, 4096, 0, 0), no);
	assert_int_equal(call(&zygote, SYS_ioctl, 3, high | SIOCSPGRP, 9, 0, 0), no);
	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
		assert_int_equal(call(&zygote, SYS_clone, namespaces[i] | SIGCHLD, 0, 0, 0, 0), no);
	assert_int_equal(call(&zygote, SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0), yes);
	assert_int_equal(call(&zygote, SYS_clone3, 4096, 88, 0, 0, 0), REFUSE(ENOSYS));
	assert_int_equal(call(&zygote, SYS_prlimit64, 0, 7, 4096, 0, 0), yes);
	assert_int_equal(call(&zygote, SYS_prlimit64, 1, 7, 4096, 0, 0), no);
}

static void by_their_arguments(void **state)
{
	const uint32_t yes = SECCOMP_RET_ALLOW, death = SECCOMP_RET_KILL_PROCESS;
	const uint32_t no = SECCOMP_RET_TRAP;

	(void)state;
	/* No profile may send to an address, or set more than one option. */
	assert_int_equal(call(&handshake, SYS_sendto, 3, 0, 0, 0, 0), yes);
	assert_int_equal(call(&handshake, SYS_sendto, 3, 0, 0, 0, 4096), death);
	assert_int_equal(call(&handshake, SYS_setsockopt, 3, IPPROTO_TCP, TCP_QUICKACK, 0, 0), yes);
	assert_int_equal(call(&handshake, SYS_setsockopt, 3, SOL_SOCKET, SO_SNDBUF, 0, 0), death);
	assert_int_equal(call(&tls, SYS_prctl, PR_SET_PDEATHSIG, 0, 0, 0, 0), yes);
	assert_int_equal(call(&tls, SYS_prctl, PR_SET_PDEATHSIG, 9, 0, 0, 0), death);
	assert_int_equal(call(&tls, SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0), death);
	assert_int_equal(call(&tls, SYS_futex, 4096, FUTEX_WAIT_PRIVATE, 0, 0, 0), death);
	assert_int_equal(call(&keys, SYS_fcntl, 3, F_ADD_SEALS, 15, 0, 0), yes);
	assert_int_equal(call(&keys, SYS_fcntl, 3, F_SETOWN, 1, 0, 0), death);
	assert_int_equal(call(&tls, SYS_mmap, 0, 4096, 3, 34, UINT64_MAX), REFUSE(ENOMEM));
	/* A resolver: may read files, use a few families, but not share memory. */
	assert_int_equal(call(&resolve, SYS_openat, 3, 4096, O_RDONLY | O_CLOEXEC, 0, 0), yes);
	assert_int_equal(call(&resolve, SYS_openat, 3, 4096, O_WRONLY, 0, 0), no);
	assert_int_equal(call(&resolve, SYS_openat, 3, 4096, O_RDWR, 0, 0), no);
	assert_int_equal(call(&resolve, SYS_openat, 3, 4096, O_RDONLY | O_CREAT, 0, 0), no);
	assert_int_equal(call(&resolve, SYS_openat, 3, 4096, O_RDONLY | O_TRUNC, 0, 0), no);
	assert_int_equal(call(&resolve, SYS_openat, 3, 4096, O_TMPFILE | O_RDWR, 0, 0), no);
	assert_int_equal(call(&resolve, SYS_mmap, 0, 4096, PROT_READ, MAP_SHARED, 5), yes);
	assert_int_equal(call(&resolve, SYS_mmap, 0, 4096, PROT_WRITE, MAP_PRIVATE, 5), yes);
	assert_int_equal(call(&resolve, SYS_mmap, 0, 4096, PROT_WRITE, MAP_SHARED, 5), no);
	for (uint32_t family = 0; family < 64; family++) {
		bool internet = family == AF_INET || family == AF_INET6;

		assert_int_equal(call(&resolve, SYS_socket, family, SOCK_RAW, 16, 0, 0),
				 family == AF_UNIX ? yes : no);
		assert_int_equal(
		    call(&resolve, SYS_socket, family, SOCK_STREAM | SOCK_CLOEXEC, 0, 0, 0),
		    family == AF_UNIX || internet || family == AF_NETLINK ? yes : no);
		/* For SCTP and similar protocols the kernel would load a module. */
		for (uint32_t type = 1; internet && type < 16; type++)
			for (uint32_t protocol = 0; protocol < 300; protocol++)
				assert_int_equal(
				    call(&resolve, SYS_socket, family, type, protocol, 0, 0),
				    (type == SOCK_STREAM && (!protocol || protocol == 6)) ||
					    (type == SOCK_DGRAM && (!protocol || protocol == 17))
					? yes
					: no);
	}
	assert_int_equal(call(&resolve, SYS_socket, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, 0, 0),
			 yes);
	for (uint64_t protocol = 1; protocol < 64; protocol++)
		assert_int_equal(call(&resolve, SYS_socket, AF_NETLINK, SOCK_RAW, protocol, 0, 0),
				 no);
	assert_int_equal(call(&resolve, SYS_fcntl, 3, F_SETFL, 0, 0, 0), yes);
	assert_int_equal(call(&resolve, SYS_fcntl, 3, F_SETOWN, 1, 0, 0), no);
	assert_int_equal(call(&resolve, SYS_fcntl, 3, F_SETSIG, 9, 0, 0), no);
	assert_int_equal(call(&resolve, SYS_ioctl, 3, FIONREAD, 0, 0, 0), yes);
	assert_int_equal(call(&resolve, SYS_ioctl, 0, TIOCSTI, 0, 0, 0), no);
	assert_int_equal(call(&resolve, SYS_ioctl, 0, TIOCSTI | UINT64_C(1) << 32, 0, 0, 0), no);
	assert_int_equal(call(&resolve, SYS_prctl, PR_SET_PDEATHSIG, 0, 0, 0, 0), no);
	assert_int_equal(call(&resolve, SYS_prlimit64, 0, 7, 0, 4096, 0), yes);
	assert_int_equal(call(&resolve, SYS_prlimit64, 0, 7, 4096, 0, 0), no);
	assert_int_equal(call(&resolve, SYS_prlimit64, 1, 7, 0, 0, 0), no);
}

/* Pages for the heap of musl: they are this process's alone, and hold no code. */
static void a_heap_that_maps_pages(void **state)
{
	const uint32_t yes = SECCOMP_RET_ALLOW, death = SECCOMP_RET_KILL_PROCESS;
	const int ours = MAP_PRIVATE | MAP_ANONYMOUS, rw = PROT_READ | PROT_WRITE;
	const struct program *p = &tls_mapping;

	(void)state;
	assert_int_equal(call(p, SYS_mmap, 0, 4096, rw, ours, UINT64_MAX), yes);
	assert_int_equal(call(p, SYS_mmap, 0, 4096, PROT_NONE, ours, UINT64_MAX), yes);
	assert_int_equal(call(p, SYS_mmap, 0, 4096, rw | PROT_EXEC, ours, UINT64_MAX), death);
	assert_int_equal(call(p, SYS_mmap, 0, 4096, PROT_EXEC, ours, UINT64_MAX), death);
	/* A guard page in front of what brk() gave, and no other flag. */
	for (int bit = 0; bit < 32; bit++)
		assert_int_equal(call(p, SYS_mmap, 0, 4096, rw, ours ^ (UINT64_C(1) << bit), 3),
				 UINT64_C(1) << bit == MAP_FIXED ? yes : death);
	assert_int_equal(call(p, SYS_mprotect, 4096, 4096, rw, 0, 0), yes);
	assert_int_equal(call(p, SYS_mprotect, 4096, 4096, PROT_NONE, 0, 0), yes);
	assert_int_equal(call(p, SYS_mprotect, 4096, 4096, PROT_READ | PROT_EXEC, 0, 0), death);
	assert_int_equal(call(p, SYS_mprotect, 4096, 4096, PROT_EXEC, 0, 0), death);
	assert_int_equal(call(p, SYS_mremap, 4096, 4096, 8192, MREMAP_MAYMOVE, 0), yes);
	assert_int_equal(call(p, SYS_mremap, 4096, 4096, 8192, MREMAP_MAYMOVE | MREMAP_FIXED, 0),
			 death);
	assert_int_equal(call(p, SYS_munmap, 4096, 4096, 0, 0, 0), yes);
	assert_int_equal(call(p, SYS_openat, 3, 4096, 0, 0, 0), REFUSE(ENOMEM));
	/* With glibc nothing is mapped. */
	assert_int_equal(call(&tls, SYS_mprotect, 4096, 4096, rw, 0, 0), death);
	assert_int_equal(call(&tls, SYS_mremap, 4096, 4096, 8192, MREMAP_MAYMOVE, 0),
			 REFUSE(ENOMEM));
	assert_int_equal(call(&tls, SYS_munmap, 4096, 4096, 0, 0, 0), REFUSE(ENOMEM));
}

/* What libcap does when it is loaded, and sd-bus when it connects: both with systemd's modules. */
static void other_name_services(void **state)
{
	const uint32_t yes = SECCOMP_RET_ALLOW, no = SECCOMP_RET_TRAP;

	(void)state;
	assert_int_equal(call(&resolve, SYS_prctl, PR_CAPBSET_READ, 40, 0, 0, 0), yes);
	assert_int_equal(call(&resolve, SYS_prctl, PR_CAPBSET_DROP, 40, 0, 0, 0), no);
	assert_int_equal(call(&resolve, SYS_setsockopt, 3, SOL_SOCKET, SO_RCVBUFFORCE, 0, 0), yes);
	assert_int_equal(call(&resolve, SYS_setsockopt, 3, SOL_SOCKET, SO_SNDBUFFORCE, 0, 0), yes);
	assert_int_equal(call(&resolve, SYS_setsockopt, 3, SOL_SOCKET, SO_MARK, 0, 0), no);
}

#endif

/* The numbers of other architectures are other calls: none is allowed. */
static void no_other_architecture(void **state)
{
	static const uint32_t others[] = {
	    AUDIT_ARCH_I386,	 AUDIT_ARCH_X86_64,
	    AUDIT_ARCH_AARCH64,	 AUDIT_ARCH_ARM,
	    AUDIT_ARCH_RISCV64,	 AUDIT_ARCH_PPC64LE,
	    AUDIT_ARCH_S390X,	 AUDIT_ARCH_MIPS,
	    AUDIT_ARCH_MIPSEL64, 0,
	    UINT32_MAX,
	};
	static const struct program *const programs[] = {&handshake, &tls,     &tls_mapping,
							 &keys,	     &resolve, &zygote};
	static const uint64_t args[6] = {0};

	(void)state;
	if (!NATIVE)
		skip_because("the filter is for another processor");
	for (size_t p = 0; p < ARRAY_SIZE(programs); p++) {
		for (size_t a = 0; a < ARRAY_SIZE(others); a++)
			for (int nr = 0; others[a] != NATIVE && nr < NUMBERS; nr++)
				assert_int_equal(ask(programs[p], others[a], nr, args),
						 SECCOMP_RET_KILL_PROCESS);
#if defined(__x86_64__)
		for (int nr = 0; nr < NUMBERS; nr++)
			assert_int_not_equal(ask(programs[p], NATIVE, nr | X32_BIT, args),
					     SECCOMP_RET_ALLOW);
#endif
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_other_architecture),
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)
		cmocka_unit_test(exactly_these),
		cmocka_unit_test(a_zygote_lacks_these),
		cmocka_unit_test(by_their_arguments),
		cmocka_unit_test(a_heap_that_maps_pages),
		cmocka_unit_test(other_name_services),
#endif
	};

	(void)call;
	(void)possible;
	return cmocka_run_group_tests_name("seccomp-lists", tests, NULL, NULL);
}
