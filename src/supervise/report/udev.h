/* SPDX-License-Identifier: MIT */
/*
 * Part of the supervisor: tells udev that the device is ready, or that it must not be read now, and
 * waits until udev has made the names of the device and its partitions, at most 5 seconds. The
 * helper thread writes the files for the udev rules (runtime/marks.h), one job at a time; changes
 * that come meanwhile are written when the job is over.
 */
#ifndef SUPERVISE_REPORT_UDEV_H
#define SUPERVISE_REPORT_UDEV_H

#include <stdbool.h>

#include "supervise/part.h"

struct udev;

struct udev_config {
	const char *name; /* of the device, for /dev/disk/by-nbd; NULL: nbdN. Borrowed */
	bool no_scan;	  /* udev must not read the device; partitions are not waited for */
	bool swap;	  /* tells nothing in an outage, when memory may be short */
};

struct udev_events {
	/*
	 * The names exist, or udev does not make them in time, or is not waited for. Called once,
	 * perhaps from udev_tell().
	 */
	void (*told)(void *arg);
};

/*
 * Reads the name of the supervisor's systemd unit from NBD_ATTACH_UNIT, if it is a service, and
 * removes that variable. NULL: no memory. env, and what it points to, is borrowed.
 */
struct udev *udev_new(const struct part_env *env, const struct udev_config *cfg, bool service,
		      const struct udev_events *events, void *arg);
/* Accepts NULL. No job may be under way. */
void udev_free(struct udev *u);

/* `lost`: no connection of the device is alive. The first call tells that the device is there. */
void udev_tell(struct udev *u, bool lost);

#endif
