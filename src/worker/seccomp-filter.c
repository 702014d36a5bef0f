/* SPDX-License-Identifier: MIT */
#include "worker/seccomp-filter.h"

#include <errno.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "base/cleanup.h"
#include "worker/seccomp-programs.h" /* made by seccomp/generate.c */

/* What is generated is the same for every C library: see base/libc.h. */
#ifdef __GLIBC__
#define TLS_PROGRAM tls_program
#else
#define TLS_PROGRAM tls_mapping_program
#endif

int seccomp_filter_install(enum sandbox_profile profile)
{
	struct sock_fprog program = {0};

	switch (profile) {
	case SANDBOX_HANDSHAKE:
		program.len = ARRAY_SIZE(handshake_program);
		/* The kernel copies it. */
		program.filter = (struct sock_filter *)(uintptr_t)handshake_program;
		break;
	case SANDBOX_TLS:
		program.len = ARRAY_SIZE(TLS_PROGRAM);
		program.filter = (struct sock_filter *)(uintptr_t)TLS_PROGRAM;
		break;
	case SANDBOX_RESOLVE:
		program.len = ARRAY_SIZE(resolve_program);
		program.filter = (struct sock_filter *)(uintptr_t)resolve_program;
		break;
	case SANDBOX_KEYS:
		program.len = ARRAY_SIZE(keys_program);
		program.filter = (struct sock_filter *)(uintptr_t)keys_program;
		break;
	case SANDBOX_LOOK:
		program.len = ARRAY_SIZE(look_program);
		program.filter = (struct sock_filter *)(uintptr_t)look_program;
		break;
	case SANDBOX_ZYGOTE:
		program.len = ARRAY_SIZE(zygote_program);
		program.filter = (struct sock_filter *)(uintptr_t)zygote_program;
		break;
	}
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -errno : 0;
}
