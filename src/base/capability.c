/* SPDX-License-Identifier: MIT */
#include "base/capability.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

/* The number of words of 32 capabilities in version 3 of the interface (Linux 2.6.26). */
struct sets {
	struct __user_cap_data_struct word[_LINUX_CAPABILITY_U32S_3];
};

/* The kernel writes its own version there if it does not know ours. */
static struct __user_cap_header_struct myself(void)
{
	return (struct __user_cap_header_struct){.version = _LINUX_CAPABILITY_VERSION_3};
}

static int get(struct sets *ret_sets)
{
	struct __user_cap_header_struct header = myself();

	return syscall(SYS_capget, &header, ret_sets->word) < 0 ? -errno : 0;
}

int capability_effective(int capability)
{
	struct sets s = {0};
	int ret = get(&s);

	if (ret < 0)
		return ret;
	return (s.word[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability)) != 0;
}

/* The kernel's PROC_USER_INIT_INO, include/linux/proc_ns.h: the same on every machine. */
#define FIRST_USER_NAMESPACE 0xEFFFFFFDU

bool capability_in_user_namespace(void)
{
	struct stat st;

	return stat("/proc/self/ns/user", &st) == 0 && st.st_ino != FIRST_USER_NAMESPACE;
}

int capability_empty_bounding_set(void)
{
	int c = 0;

	/*
	 * EINVAL marks the end of the capabilities that this kernel knows, which may be more than
	 * this program knows.
	 */
	while (prctl(PR_CAPBSET_DROP, c) == 0)
		c++;
	return errno == EINVAL ? 0 : -errno;
}

int capability_drop_all(void)
{
	struct __user_cap_header_struct header = myself();
	struct sets s = {0};
	int ret;

	if (syscall(SYS_capset, &header, s.word) < 0 ||
	    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	ret = get(&s);
	for (size_t i = 0; ret == 0 && i < ARRAY_SIZE(s.word); i++)
		if (s.word[i].effective | s.word[i].permitted | s.word[i].inheritable)
			ret = -EPERM;
	return ret;
}
