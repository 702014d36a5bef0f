/* SPDX-License-Identifier: MIT */
#include "kernel/explain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/capability.h"
#include "kernel/device.h"
#include "kernel/sysfs.h"

int attach_check(const struct kernel_attach *a, struct err *err)
{
	int limit = device_index_limit();
	uint32_t block_max = sysfs_kernel_block_max();

	if (a->index > limit)
		return err_set(
		    err, ERR_USAGE, EINVAL,
		    "/dev/nbd%d cannot exist: the last NBD device of this system is /dev/nbd%d",
		    a->index, limit);
	if (a->n_fds == 0 || a->n_fds > KERNEL_CONNECTIONS_MAX)
		return err_set(err, ERR_USAGE, EINVAL,
			       "a device takes 1 to %d connections, not %zu",
			       KERNEL_CONNECTIONS_MAX, a->n_fds);
	if (a->n_fds > 1 && !(a->server_flags & NBD_TX_CAN_MULTI_CONN))
		return err_set(err, ERR_PERMANENT, EINVAL,
			       "the server does not promise that several connections see the same "
			       "data (CAN_MULTI_CONN): use one connection");
	if (a->block_size < 512 || (a->block_size & (a->block_size - 1)) ||
	    a->block_size > block_max)
		return err_set(err, ERR_SYSTEM, EINVAL,
			       "this kernel cannot use blocks of %u bytes: it takes powers of two "
			       "from 512 to %u",
			       a->block_size, block_max);
	if (a->size > INT64_MAX || a->size % a->block_size)
		return err_set(err, ERR_PERMANENT, EINVAL,
			       "a size of %llu bytes is not a multiple of the block size %u, or is "
			       "more than a device can have",
			       (unsigned long long)a->size, a->block_size);
	/* The driver prints it into one page of sysfs without looking at its length. */
	if (strlen(a->identifier) > KERNEL_IDENTIFIER_MAX)
		return err_set(err, ERR_USAGE, EINVAL,
			       "the identifier is longer than %d bytes: choose another with "
			       "--identifier",
			       KERNEL_IDENTIFIER_MAX);
	return 0;
}

int privilege_explain(struct err *err)
{
	if (capability_in_user_namespace())
		return err_set(err, ERR_SYSTEM, EPERM,
			       "nbd-attach runs in a user namespace, as in a rootless container, "
			       "where even root has no rights to the machine's devices: run it as "
			       "root outside of the namespace");
	if (geteuid() == 0)
		return err_set(err, ERR_SYSTEM, EPERM,
			       "nbd-attach needs CAP_SYS_ADMIN, which root does not have here: a "
			       "container or the settings of a unit (CapabilityBoundingSet=) have "
			       "taken it away");
	return err_set(
	    err, ERR_SYSTEM, EPERM,
	    "this takes root (CAP_SYS_ADMIN): run it with sudo, for example; without root, "
	    "nbd-attach --info describes an export or an image, nbdfuse shows it as a "
	    "file, and guestmount mounts what is in it");
}

int attach_explain(const struct kernel_attach *a, int error, struct err *err)
{
	struct device_name name = device_node(a->index);

	switch (-error) {
	case EPERM:
	case EACCES:
		return privilege_explain(err);
	case EBUSY:
		return err_set(err, ERR_BUSY, EBUSY,
			       "%s is attached already, or a process has it open: choose another, "
			       "or auto",
			       name.text);
	case EINVAL:
		return err_set(
		    err, ERR_SYSTEM, EINVAL,
		    "the kernel refuses to attach %s: it does not support this kind of connection, "
		    "or the device is just being removed (see the kernel log)",
		    name.text);
	default:
		return err_errno(err, ERR_FAILED, -error, "cannot attach %s", name.text);
	}
}

int change_explain(const struct kernel_change *c, int error, struct err *err)
{
	switch (-error) {
	case 0:
		return 0;
	case EPERM:
	case EACCES:
		return privilege_explain(err);
	case EINVAL:
		return err_set(err, ERR_FAILED, ENODEV,
			       "/dev/nbd%d is no longer attached, or is attached to something else",
			       c->index);
	default:
		return err_errno(err, ERR_FAILED, -error, "cannot reconfigure /dev/nbd%d",
				 c->index);
	}
}

int detach_explain(int index, int error, struct err *err)
{
	if (error == -EPERM || error == -EACCES)
		return privilege_explain(err);
	return err_errno(err, ERR_FAILED, -error, "cannot detach /dev/nbd%d", index);
}
