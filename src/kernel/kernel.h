/* SPDX-License-Identifier: MIT */
/*
 * The interface to nbd.ko for the rest of the program. Two implementations: generic netlink
 * (kernel/netlink.c) and the old ioctls (kernel/ioctl.c). Every call may block for long (the
 * netlink family holds a global mutex while it waits for a socket), so none may be made on an event
 * loop's thread; calls on one struct kernel must not overlap. No call opens /dev/nbdN except those
 * of the ioctl implementation.
 */
#ifndef KERNEL_KERNEL_H
#define KERNEL_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "nbd/export.h"

#define KERNEL_CONNECTIONS_MAX 16
/*
 * Maximum length of an identifier in bytes: the driver prints it into a page of sysfs without
 * checking its length.
 */
#define KERNEL_IDENTIFIER_MAX 4000

struct kernel;

enum kernel_backend {
	KERNEL_BACKEND_AUTO, /* netlink, or ioctl where the family is missing */
	KERNEL_BACKEND_NETLINK,
	KERNEL_BACKEND_IOCTL,
};

struct kernel_attach {
	int index;	       /* of /dev/nbdN */
	const int *fds;	       /* borrowed: the kernel takes its own references */
	size_t n_fds;	       /* 1 to KERNEL_CONNECTIONS_MAX */
	uint64_t size;	       /* bytes, a multiple of block_size */
	uint32_t block_size;   /* bytes: a power of two, 512 at least */
	uint16_t server_flags; /* NBD_TX_* */
	uint64_t timeout; /* seconds a request may take; 0: for ever. Always sent (KERNEL: T) */
	uint64_t dead_timeout; /* seconds I/O waits for a new connection; 0: fails at once */
	const char
	    *identifier; /* stored in sysfs `backend` (5.14); KERNEL_IDENTIFIER_MAX; borrowed */
};

/*
 * A change of an attached device (RECONFIGURE). Settings that are not given stay as they are. Note
 * that the driver also resets the queue's io_timeout whenever a timeout is sent.
 */
struct kernel_change {
	int index;
	const char *identifier; /* must be the device's own `backend`; borrowed */
	int fd;			/* a socket for the first dead connection; -1: none. Borrowed */
	bool set_timeout;	/* the next */
	uint64_t timeout;	/* seconds */
	bool set_dead_timeout;	/* the next */
	uint64_t dead_timeout;	/* seconds */
	uint64_t size;		/* bytes; 0: as it is. In a message without a socket only, and when
				   every connection is alive: since 6.9 the driver freezes the
				   queue for it, for ever if requests wait for a dead link */
};

enum kernel_event {
	KERNEL_EVENT_NONE,	/* nothing (more) to report */
	KERNEL_EVENT_LINK_DEAD, /* one connection of the device died */
	KERNEL_EVENT_OVERFLOW,	/* events were lost: check everything */
	KERNEL_EVENT_ENDED,	/* ioctl only: NBD_DO_IT returned, the device is detached */
};

/* One table per implementation; members follow the functions below. */
struct kernel_ops {
	const char *name; /* "netlink" or "ioctl" */
	bool fixed;	  /* nothing can be changed, and a device ends with its connection */
	int (*attach)(struct kernel *k, const struct kernel_attach *a, struct err *err);
	int (*change)(struct kernel *k, const struct kernel_change *c, struct err *err);
	int (*detach)(struct kernel *k, int index, struct err *err);
	int (*event_fd)(const struct kernel *k);
	enum kernel_event (*next_event)(struct kernel *k, int index);
	void (*free)(struct kernel *k);
};

struct kernel {
	const struct kernel_ops *ops;
};

/*
 * Checks what is known without opening anything: the privilege, and the nbd module, which is loaded
 * if it is missing (by running modprobe, which may block). 0 or -errno with ERR_SYSTEM.
 */
int kernel_check(struct err *err);

/*
 * While another process loads the nbd module, waits until its devices are there, at most 5 seconds.
 * Otherwise returns at once.
 */
void kernel_await_module(void);

/* As kernel_check(), for the kernel's TLS (the module tls). */
int kernel_check_tls(struct err *err);

/*
 * kernel_check(), then opens the wanted backend. For AUTO with a missing netlink family,
 * *ret_fallback is set true: an ioctl device cannot heal, so only a detach wants it. Errors:
 * ERR_SYSTEM (no module, no privilege, no family). Free with kernel_free().
 */
int kernel_new(enum kernel_backend backend, struct kernel **ret_kernel, bool *ret_fallback,
	       struct err *err);

/*
 * Configures a device. Errors: ERR_BUSY with -EBUSY (attached or open:
 * worth a short retry), ERR_SYSTEM (EPERM, a block size or socket type this kernel cannot take),
 * ERR_USAGE (no such device). After any error but -EBUSY the kernel may have shut the sockets down:
 * dial again.
 */
static inline int kernel_attach(struct kernel *k, const struct kernel_attach *a, struct err *err)
{
	return k->ops->attach(k, a, err);
}

/*
 * Changes an attached device. Success does not mean that the kernel uses the new socket: the driver
 * silently drops it when it knows of no dead connection (see supervise/handover/work.h). Errors:
 * -ENODEV (not attached, disconnected, or attached with another identifier), -ENOTSUP (ioctl),
 * others.
 */
static inline int kernel_change(struct kernel *k, const struct kernel_change *c, struct err *err)
{
	return k->ops->change(k, c, err);
}

/* True if kernel_change() works; else a device ends with its connection or this process. */
static inline bool kernel_can_change(const struct kernel *k)
{
	return !k->ops->fixed;
}

/*
 * Disconnects the device. Succeeds also if it is not connected. Does not flush: see kernel/claim.h.
 */
static inline int kernel_detach(struct kernel *k, int index, struct err *err)
{
	return k->ops->detach(k, index, err);
}

/* A descriptor to poll for POLLIN; owned by k. May be used on the loop's thread. */
static inline int kernel_event_fd(const struct kernel *k)
{
	return k->ops->event_fd(k);
}

/* The next event that concerns `index`; never blocks. Call until KERNEL_EVENT_NONE. */
static inline enum kernel_event kernel_next_event(struct kernel *k, int index)
{
	return k->ops->next_event(k, index);
}

/* Accepts NULL. With ioctl, ends the device's kernel thread and so detaches it. */
static inline void kernel_free(struct kernel *k)
{
	if (k)
		k->ops->free(k);
}

#endif
