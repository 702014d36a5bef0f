/* SPDX-License-Identifier: MIT */
#include "worker/landlock.h"

#include <errno.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "worker/readable.h"

/*
 * The kernel's interface (uapi/linux/landlock.h, Documentation/userspace-api/landlock.rst), here
 * because the headers of the build system may be older than the kernel it runs on.
 */
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_restrict_self  446
#endif

#define CREATE_VERSION (1U << 0)

#define NET_BIND_TCP   (1ULL << 0)
#define NET_CONNECT    (1ULL << 1)
#define SCOPE_ABSTRACT (1ULL << 0)
#define SCOPE_SIGNAL   (1ULL << 1)

struct ruleset {
	uint64_t fs;
	uint64_t net;	/* from ABI 4 */
	uint64_t scope; /* from ABI 6 */
};

/* The number of file rights that each ABI version knows. */
static uint64_t fs_rights(long abi)
{
	unsigned n = abi >= 5 ? 16 : abi >= 3 ? 15 : abi >= 2 ? 14 : 13;

	return (1ULL << n) - 1;
}

static long version(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);
}

bool landlock_available(void)
{
	return version() > 0;
}

int landlock_enter(enum sandbox_profile profile)
{
	long abi = version();
	_cleanup_fd_ int fd = -1;
	struct ruleset rules;

	if (abi < 0)
		return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -errno;
	rules = (struct ruleset){
	    .fs = fs_rights(abi),
	    .net = abi >= 4 ? NET_BIND_TCP | NET_CONNECT : 0,
	    .scope = abi >= 6 ? SCOPE_ABSTRACT | SCOPE_SIGNAL : 0,
	};
	if (profile == SANDBOX_RESOLVE) {
		rules.net &= ~NET_CONNECT; /* for DNS over TCP and for NSS modules */
		rules.scope &= ~SCOPE_ABSTRACT;
	}
	/* An older kernel accepts the longer struct if the rest is zero. */
	fd = (int)syscall(SYS_landlock_create_ruleset, &rules, sizeof(rules), 0);
	if (fd >= 0 && profile == SANDBOX_RESOLVE)
		readable_allow(fd);
	if (fd < 0 || syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		return -errno;
	return 1;
}
