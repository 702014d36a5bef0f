/* SPDX-License-Identifier: MIT */
/*
 * Part of the supervisor: tells udev that the device is there, or that nobody may read from it now.
 * The files for the udev rules (runtime/marks.h) are written on the helper thread, one job at a
 * time; what is told meanwhile is written when the job is over.
 */
#ifndef SUPERVISE_REPORT_UDEV_H
#define SUPERVISE_REPORT_UDEV_H

#include <stdbool.h>

#include "supervise/part.h"

struct udev;

struct udev_config {
	const char *name; /* of the device, for /dev/disk/by-nbd; NULL: nbdN. Borrowed */
	bool swap;	  /* nothing is told in an outage, when memory may be short */
};

struct udev_events {
	/* udev knows of the device, or is not to be told. Called once, perhaps from udev_tell(). */
	void (*told)(void *arg);
};

/* Which systemd unit the supervisor is, it learns from NBD_ATTACH_UNIT, which it removes, if it is
 * to be a service at all. NULL: no memory. env, and what it points to, is borrowed. */
struct udev *udev_new(const struct part_env *env, const struct udev_config *cfg, bool service,
		      const struct udev_events *events, void *arg);
/* Accepts NULL. No job may be under way. */
void udev_free(struct udev *u);

/* `lost`: no connection of the device is alive. The first call tells that the device is there. */
void udev_tell(struct udev *u, bool lost);

#endif
