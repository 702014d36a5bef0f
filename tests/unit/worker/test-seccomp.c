/* SPDX-License-Identifier: MIT */
/*
 * The system call filters, run by a small interpreter of classic BPF instead of the kernel: every
 * number on every architecture, and the arguments that matter. The allowed calls are repeated here,
 * so that a rule cannot be added in only one place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <asm/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "worker/seccomp-programs.h"
#include "skip.h"

#define NUMBERS 2048 /* more than any architecture has */

#if defined(__x86_64__)
#define OWN_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OWN_ARCH AUDIT_ARCH_AARCH64
#elif defined(__i386__)
#define OWN_ARCH AUDIT_ARCH_I386
#elif defined(__s390x__)
#define OWN_ARCH AUDIT_ARCH_S390X
#endif

struct program {
	const char *name;
	const struct sock_filter *code;
	size_t len;
};

static const struct program handshake = {"handshake", handshake_program,
					 ARRAY_SIZE(handshake_program)};
static const struct program tls = {"tls", tls_program, ARRAY_SIZE(tls_program)};
static const struct program keys = {"keys", keys_program, ARRAY_SIZE(keys_program)};
static const struct program resolve = {"resolve", resolve_program, ARRAY_SIZE(resolve_program)};

static uint32_t load(const struct seccomp_data *data, uint32_t offset)
{
	uint32_t word;

	assert_in_range(offset, 0, sizeof(*data) - sizeof(word));
	assert_int_equal(offset % sizeof(word), 0);
	memcpy(&word, (const char *)data + offset, sizeof(word));
	return word;
}

/* The result of the kernel's interpreter; the kernel checks the same when a filter is installed. */
static uint32_t run(const struct program *p, const struct seccomp_data *data)
{
	uint32_t a = 0;
	size_t pc = 0;

	while (pc < p->len) {
		const struct sock_filter *f = &p->code[pc++];
		bool jump;

		switch (f->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			a = load(data, f->k);
			continue;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= f->k;
			continue;
		case BPF_JMP | BPF_JA:
			pc += f->k;
			continue;
		case BPF_JMP | BPF_JEQ | BPF_K:
			jump = a == f->k;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			jump = a > f->k;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			jump = a >= f->k;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			jump = a & f->k;
			break;
		case BPF_RET | BPF_K:
			return f->k;
		default:
			fail_msg("%s: an instruction 0x%04x", p->name, f->code);
			return 0;
		}
		pc += jump ? f->jt : f->jf;
	}
	fail_msg("%s: runs over its end", p->name);
	return 0;
}

static uint32_t call(const struct program *p, int nr, uint64_t a0, uint64_t a1, uint64_t a2,
		     uint64_t a4)
{
	const struct seccomp_data data = {
	    .nr = nr, .arch = OWN_ARCH, .args = {[0] = a0, [1] = a1, [2] = a2, [4] = a4}};

	return run(p, &data);
}

static bool is_in(int nr, const int *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == nr)
			return true;
	return false;
}

/* Arguments that no rule checks, so that a call is allowed only because of its number. */
#define ODD UINT64_C(0x5a5a5a5a)

/* Numbers that are allowed with any argument; those with conditions follow separately. */
static const int always[] = {
    __NR_recvfrom,
    __NR_recvmsg,
    __NR_ppoll,
    __NR_clock_gettime,
    __NR_close,
    __NR_exit_group,
    __NR_restart_syscall,
    __NR_rt_sigreturn,
#ifdef __NR_poll
    __NR_poll,
#endif
#ifdef __NR_ppoll_time64
    __NR_ppoll_time64,
#endif
#ifdef __NR_clock_gettime64
    __NR_clock_gettime64,
#endif
};

static const int tls_too[] = {
    __NR_pread64,      __NR_brk,       __NR_getrandom, __NR_getpid,
    __NR_gettimeofday, __NR_getrusage, __NR_shutdown,
#ifdef __NR_time
    __NR_time,
#endif
};

/* GnuTLS and malloc() handle these failures. */
static const int refused[] = {
#ifdef __NR_mmap
    __NR_mmap,
#endif
#ifdef __NR_stat
    __NR_stat,
#endif
#ifdef __NR_stat64
    __NR_stat64,
#endif
#ifdef __NR_newfstatat
    __NR_newfstatat,
#endif
#ifdef __NR_fstatat64
    __NR_fstatat64,
#endif
#ifdef __NR_statx
    __NR_statx,
#endif
#ifdef __NR_open
    __NR_open,
#endif
    __NR_openat,     __NR_munmap, __NR_mremap, __NR_madvise,
};

static void a_worker_may_call_what_is_listed(void **state)
{
	(void)state;
#if defined(__SANITIZE_ADDRESS__)
	skip_because("the sanitizer's runtime needs more");
#endif
	for (int nr = 0; nr < NUMBERS; nr++) {
		bool plain = is_in(nr, always, ARRAY_SIZE(always));
		bool more = is_in(nr, tls_too, ARRAY_SIZE(tls_too));
		bool fails = is_in(nr, refused, ARRAY_SIZE(refused));
		uint32_t wanted = plain ? SECCOMP_RET_ALLOW : SECCOMP_RET_KILL_PROCESS;

		if (call(&handshake, nr, ODD, ODD, ODD, ODD) != wanted)
			fail_msg("handshake: system call %d", nr);
		wanted = plain || more ? SECCOMP_RET_ALLOW
			 : fails       ? SECCOMP_RET_ERRNO | ENOMEM
				       : SECCOMP_RET_KILL_PROCESS;
		if (call(&tls, nr, ODD, ODD, ODD, ODD) != wanted)
			fail_msg("tls: system call %d", nr);
	}
}

static void other_architectures_are_killed(void **state)
{
	static const uint32_t others[] = {
	    AUDIT_ARCH_X86_64, AUDIT_ARCH_I386,	   AUDIT_ARCH_AARCH64, AUDIT_ARCH_ARM,
	    AUDIT_ARCH_MIPS,   AUDIT_ARCH_PPC64LE, AUDIT_ARCH_S390X,   0,
	    UINT32_MAX,
	};
	const struct program *programs[] = {&handshake, &tls, &keys, &resolve};

	(void)state;
	for (size_t p = 0; p < ARRAY_SIZE(programs); p++) {
		for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
			if (others[i] == OWN_ARCH)
				continue;
			for (int nr = 0; nr < NUMBERS; nr++) {
				const struct seccomp_data data = {.nr = nr, .arch = others[i]};

				if (run(programs[p], &data) != SECCOMP_RET_KILL_PROCESS)
					fail_msg("%s: system call %d of architecture %08x",
						 programs[p]->name, nr, others[i]);
			}
		}
	}
}

/* The second table of numbers of x86-64 (x32), and unused numbers. */
static void odd_numbers_are_killed(void **state)
{
	const struct program *programs[] = {&handshake, &tls, &keys, &resolve};

	(void)state;
#if !defined(__x86_64__)
	skip_because("its system calls are those of x86-64");
#endif
	for (size_t p = 0; p < ARRAY_SIZE(programs); p++)
		for (int nr = 0; nr < NUMBERS; nr++) {
			uint32_t got = call(programs[p], nr | 0x40000000, 0, 0, 0, 0);

			if (got == SECCOMP_RET_ALLOW)
				fail_msg("%s: x32 call %d", programs[p]->name, nr);
		}
}

static void arguments_count(void **state)
{
	const struct program *both[] = {&handshake, &tls};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const struct program *p = both[i];
		bool is_tls = p == &tls;

		/* With an address it could send to other peers. */
		assert_int_equal(call(p, __NR_sendto, 3, ODD, ODD, 0), SECCOMP_RET_ALLOW);
		assert_int_equal(call(p, __NR_sendto, 3, ODD, ODD, 4096), SECCOMP_RET_KILL_PROCESS);
		assert_int_equal(call(p, __NR_sendto, 3, ODD, ODD, UINT64_C(1) << 32),
				 SECCOMP_RET_KILL_PROCESS);
		for (uint64_t level = 0; level < 300; level++) {
			for (uint64_t option = 0; option < 128; option++) {
				bool allowed = level == IPPROTO_TCP && option == TCP_QUICKACK;

				if (is_tls)
					allowed |= (level == IPPROTO_TCP && option == TCP_ULP) ||
						   (level == SOL_SOCKET && option == SO_LINGER) ||
						   (level == 282 &&
						    (option == TLS_TX || option == TLS_RX));
				if ((call(p, __NR_setsockopt, 3, level, option, 0) ==
				     SECCOMP_RET_ALLOW) != allowed)
					fail_msg("%s: setsockopt %d %d", p->name, (int)level,
						 (int)option);
				allowed = is_tls && level == IPPROTO_TCP && option == TCP_INFO;
				if ((call(p, __NR_getsockopt, 3, level, option, 0) ==
				     SECCOMP_RET_ALLOW) != allowed)
					fail_msg("%s: getsockopt %d %d", p->name, (int)level,
						 (int)option);
			}
		}
		for (uint64_t option = 0; option < 128; option++) {
			bool allowed = is_tls && option == PR_SET_NAME;

			if ((call(p, __NR_prctl, option, 9, 0, 0) == SECCOMP_RET_ALLOW) != allowed)
				fail_msg("%s: prctl %d", p->name, (int)option);
		}
		assert_int_equal(call(p, __NR_prctl, PR_SET_PDEATHSIG, 0, 0, 0),
				 is_tls ? SECCOMP_RET_ALLOW : SECCOMP_RET_KILL_PROCESS);
#if !defined(__SANITIZE_ADDRESS__)
		for (uint64_t op = 0; op < 256; op++)
			if ((call(p, __NR_futex, 0, op, 0, 0) == SECCOMP_RET_ALLOW) !=
			    (is_tls && op == FUTEX_WAKE_PRIVATE))
				fail_msg("%s: futex %d", p->name, (int)op);
#endif
	}
}

/* Calls that an intruder in the resolver would use. */
static void a_resolver_may_not_get_out(void **state)
{
	static const int denied[] = {
		__NR_execve,
		__NR_execveat,
		__NR_clone,
		__NR_ptrace,
		__NR_process_vm_readv,
		__NR_process_vm_writev,
		__NR_kill,
#if !defined(__SANITIZE_ADDRESS__) /* its runtime ends the process with it */
		__NR_tgkill,
#endif
		__NR_rt_sigqueueinfo,
		__NR_listen,
		__NR_accept4,
		__NR_unshare,
		__NR_setns,
		__NR_mount,
		__NR_bpf,
		__NR_perf_event_open,
		__NR_userfaultfd,
		__NR_add_key,
		__NR_keyctl,
		__NR_unlinkat,
		__NR_renameat2,
		__NR_mkdirat,
		__NR_fchmodat,
		__NR_setresuid,
		__NR_setgroups,
		__NR_capset,
		__NR_io_uring_setup,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(denied); i++)
		if (call(&resolve, denied[i], 1, ODD, ODD, 0) == SECCOMP_RET_ALLOW)
			fail_msg("resolve: system call %d", denied[i]);
	for (uint64_t family = 0; family < 256; family++) {
		bool allowed = family == AF_UNIX || family == AF_INET || family == AF_INET6 ||
			       family == AF_NETLINK;

		if ((call(&resolve, __NR_socket, family, SOCK_DGRAM, 0, 0) == SECCOMP_RET_ALLOW) !=
		    allowed)
			fail_msg("resolve: a socket of family %d", (int)family);
	}
	for (uint64_t flags = 0; flags < 4096; flags++)
		if ((flags & O_ACCMODE) != O_RDONLY || flags & (O_CREAT | O_TRUNC))
			if (call(&resolve, __NR_openat, 3, 0, flags, 0) == SECCOMP_RET_ALLOW)
				fail_msg("resolve: openat with flags 0%o", (unsigned)flags);
	assert_int_equal(call(&resolve, __NR_openat, 3, 0, O_RDONLY | O_CLOEXEC, 0),
			 SECCOMP_RET_ALLOW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_worker_may_call_what_is_listed),
	    cmocka_unit_test(other_architectures_are_killed),
	    cmocka_unit_test(odd_numbers_are_killed),
	    cmocka_unit_test(arguments_count),
	    cmocka_unit_test(a_resolver_may_not_get_out),
	};

	return cmocka_run_group_tests_name("seccomp", tests, NULL, NULL);
}
