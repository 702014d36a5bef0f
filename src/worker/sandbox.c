/* SPDX-License-Identifier: MIT */
#include "worker/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/account.h"
#include "base/capability.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "worker/landlock.h"
#include "base/process.h"
#include "worker/readable.h"
#include "worker/seccomp-filter.h"

#define NOBODY_ID 65534 /* the kernel's overflow id, on every distribution */

/* The accounts that can be used, the preferred one first. */
static const char *const accounts[] = {SANDBOX_ACCOUNT, "nobody"};

struct choice {
	struct sandbox *s;
	size_t best; /* those from there on are not better than what was found */
};

static bool choose_account(const struct passwd *pw, void *arg)
{
	struct choice *c = arg;

	for (size_t n = 0; n < ARRAY_SIZE(accounts) && n < c->best; n++) {
		/* An account with root's id would be no sandbox. */
		if (strcmp(pw->pw_name, accounts[n]) != 0 || pw->pw_uid == 0 || pw->pw_gid == 0)
			continue;
		c->best = n;
		c->s->uid = pw->pw_uid;
		c->s->gid = pw->pw_gid;
		snprintf(c->s->account, sizeof(c->s->account), "%s", accounts[n]);
	}
	return c->best == 0;
}

static void find_account(struct sandbox *s)
{
	struct choice choice = {.s = s, .best = ARRAY_SIZE(accounts)};

	s->uid = NOBODY_ID;
	s->gid = NOBODY_ID;
	snprintf(s->account, sizeof(s->account), "%d", NOBODY_ID);
	account_each(choose_account, &choice);
}

int sandbox_new(struct sandbox **ret_sandbox, struct err *err)
{
	struct sandbox *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(err, ERR_SYSTEM, ENOMEM, "no memory");
	s->change_identity = geteuid() == 0;
	if (s->change_identity)
		find_account(s);
#if defined(FOR_VALGRIND)
	/* It neither knows seccomp(2) nor would it run under the filter. */
	log_warning("built for valgrind: helper processes have no system call filter");
#endif
	*ret_sandbox = s;
	return 0;
}

void sandbox_free(struct sandbox *s)
{
	free(s);
}

const char *sandbox_account(const struct sandbox *s)
{
	return s->change_identity ? s->account : NULL;
}

uid_t sandbox_uid(const struct sandbox *s)
{
	return s->change_identity ? s->uid : (uid_t)-1;
}

static int limit_resources(enum sandbox_profile profile, struct err *err)
{
	const struct {
		int resource;
		rlim_t most;
	} limit[] = {
		{RLIMIT_CORE, 0},
		{RLIMIT_NPROC, 0},
		{RLIMIT_MSGQUEUE, 0},
#if !defined(FOR_VALGRIND) && !defined(__SANITIZE_ADDRESS__)
		/* Far more than certificates of the greatest allowed size take; of a resolver, also
		 * what modules map of their files. */
		{RLIMIT_DATA,
		 profile == SANDBOX_HANDSHAKE || profile == SANDBOX_KEYS ? 16 << 20 : 128 << 20},
		{RLIMIT_AS, profile == SANDBOX_RESOLVE ? 512 << 20 : RLIM_INFINITY},
#endif
#if !defined(FOR_VALGRIND) /* it writes its log, and refuses the last one */
		/* For keys: all files of the largest allowed size, in memory. */
		{RLIMIT_FSIZE, profile == SANDBOX_KEYS ? 32 << 20 : 0},
		/* Room for the one or two descriptors a job brings, for the files that are open, or
		 * for getaddrinfo()'s. */
		{RLIMIT_NOFILE, profile == SANDBOX_RESOLVE ? 64
				: profile == SANDBOX_KEYS  ? 16
							   : 8},
#endif
	};

	(void)profile;
	for (size_t i = 0; i < ARRAY_SIZE(limit); i++) {
		const struct rlimit value = {limit[i].most, limit[i].most};

		if ((profile == SANDBOX_ZYGOTE && limit[i].resource == RLIMIT_NPROC) ||
		    value.rlim_max == RLIM_INFINITY)
			continue;

		/* EPERM: a service manager's filter. What they limit is forbidden below as well. */
		if (setrlimit(limit[i].resource, &value) < 0 && errno != EPERM)
			return err_errno(err, ERR_SYSTEM, errno, "cannot set a resource limit");
	}
	return 0;
}

/*
 * Needs CAP_SETPCAP, which a service manager may have taken. Then it stays as it is: it limits
 * what execve() can gain, and there is neither execve() nor a gain here.
 */
static int empty_bounding_set(struct err *err)
{
	int ret = capability_effective(CAP_SETPCAP);

	if (ret < 0)
		return err_errno(err, ERR_SYSTEM, -ret, "cannot read the capabilities");
	ret = ret ? capability_empty_bounding_set() : 0;
	if (ret < 0)
		return err_errno(err, ERR_SYSTEM, -ret, "cannot empty the capability bounding set");
	return 0;
}

static int change_identity(const struct sandbox *s, struct err *err)
{
	uid_t real = s->keep_real_uid ? 0 : s->uid, r, e, saved;

	if (setgroups(0, NULL) < 0 || setresgid(s->gid, s->gid, s->gid) < 0 ||
	    setresuid(real, s->uid, s->uid) < 0)
		return err_errno(
		    err, ERR_SYSTEM, errno,
		    "cannot switch to the account %s (uid %u): in a container or user namespace, "
		    "CAP_SETUID and CAP_SETGID are needed and this uid must be mapped",
		    s->account, s->uid);
	if (getresuid(&r, &e, &saved) < 0 || r != real || e != s->uid || saved != s->uid ||
	    (real && setuid(0) == 0))
		return err_set(err, ERR_SYSTEM, EPERM, "the change to the account %s had no effect",
			       s->account);
	return 0;
}

static int drop_capabilities(struct err *err)
{
	int ret = capability_drop_all();

	return ret < 0 ? err_errno(err, ERR_SYSTEM, -ret, "cannot drop the capabilities") : 0;
}

static int lock_down(enum sandbox_profile profile, pid_t parent, struct err *err)
{
	int ret;

	/* After the change of identity, which sets the first and clears the second. */
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return err_errno(err, ERR_SYSTEM, errno, "cannot forbid tracing");
	ret = process_die_with(parent);
	if (ret < 0)
		return err_errno(err, ERR_SYSTEM, -ret,
				 "cannot arrange to end with the parent process");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno(err, ERR_SYSTEM, errno, "cannot set no_new_privs");
#if defined(FOR_VALGRIND)
	return 0;
#endif
	ret = landlock_enter(profile);
	if (ret < 0)
		return err_errno(err, ERR_SYSTEM, -ret, "cannot enter a Landlock domain");
	ret = seccomp_filter_install(profile);
	if (ret < 0)
		return err_errno(err, ERR_SYSTEM, -ret,
				 "cannot install the system call filter (the kernel needs "
				 "CONFIG_SECCOMP_FILTER)");
	return 0;
}

int sandbox_enter(const struct sandbox *s, enum sandbox_profile profile, pid_t parent,
		  struct err *err)
{
	int ret;

	/* Best effort: an old kernel may forbid this, too, and then only permissions are left. */
	if (profile == SANDBOX_RESOLVE && !landlock_available())
		(void)!readable_private_root();
	ret = limit_resources(profile, err);
	if (ret == 0)
		ret = empty_bounding_set(err);
	if (ret == 0 && s->change_identity)
		ret = change_identity(s, err);
	if (ret == 0)
		ret = drop_capabilities(err);
	if (ret == 0)
		ret = lock_down(profile, parent, err);
	if (ret < 0)
		err_prefix(err, "cannot confine the helper process: ");
	return ret;
}
