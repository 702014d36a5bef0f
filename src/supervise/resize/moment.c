/* SPDX-License-Identifier: MIT */
/* Waits for a moment to replace the old connections by the new ones. */
#include "supervise/resize/resize-private.h"

#include "kernel/sysfs.h"

#define LOOK_MS	   5	 /* between two checks whether the device is idle */
#define MOMENT_MS  10000 /* limit of the wait for a moment without requests */
#define BEYOND_MS  3000	 /* of it, after the time in which an earlier outage can still show */
#define RENEWAL_MS 60000 /* limit for the hand-over of new connections to the kernel */

/* The wait includes the requests of an outage that has just ended. */
static uint64_t limit(const struct resize *z)
{
	uint32_t resent = z->env->at->resent_ms + BEYOND_MS;

	return resent > MOMENT_MS ? resent : MOMENT_MS;
}

/*
 * A device that never has a moment without requests keeps its connections. If they were ended with
 * a request under way, the server could carry it out after its copy on the new connection, over
 * newer data. The device cannot be made idle: freezing its queue, or a netlink command that does
 * so, would wait for a server that may be stalled, while it holds a mutex that every other device
 * needs.
 */
static bool is_moment(struct resize *z)
{
	struct sysfs_progress seen;

	/* Before the check, so that data sent after it shows. */
	links_remember(z->cfg.links);
	return sysfs_progress(z->env->at->index, &seen) == 0 &&
	       quiet_look(&z->quiet, &seen, resize_look(z).uncounted, loop_now());
}

static void no_moment(struct resize *z)
{
	const char *why =
	    z->quiet.uncounted
		? "its requests are not counted (queue/iostats is 0), so that no moment without "
		  "requests can be found: write 1 to queue/iostats, and try again"
	    : z->renewed
		? "the device was never without requests for 0.1 s since it got new "
		  "connections: it grows as soon as no request is under way"
		: "the device was never without requests for 0.1 s, which is when its "
		  "connections can be replaced for the new size: ask again when the device "
		  "is less busy";

	resize_end(z, err_exit_status(ERR_RETRY), why);
}

/* From here on it is an outage like any other, but the new connections exist already. */
static void renew(struct resize *z)
{
	size_t n = z->n;

	z->n = 0;
	z->events->renew(z->fd, n, z->arg);
	z->fresh_size = z->size;
	z->renewed = true;
	quiet_restart(&z->quiet);
	z->since = loop_now();
	loop_timer_set(z->look, LOOK_MS);
}

/*
 * Since 6.9 the driver freezes the queue for a new size. A request whose connection dies at that
 * moment would keep it frozen until the dead timeout, so this waits for a suitable moment.
 */
void resize_look_for_moment(void *arg)
{
	struct resize *z = arg;
	const struct resize_view view = resize_look(z);
	uint64_t waited = loop_now() - z->since;

	if (z->growing)
		return; /* the end of that job answers */
	if (z->renewed && !view.attached && waited < RENEWAL_MS) {
		loop_timer_set(z->look, LOOK_MS);
		return;
	}
	if (!view.attached || view.busy) {
		resize_lost_meanwhile(z);
		return;
	}
	if (z->renewed)
		waited = loop_now() - view.recovered;
	if (is_moment(z)) {
		if (z->renewed)
			resize_grow(z);
		else
			renew(z);
		loop_timer_set(z->look, LOOK_MS);
	} else if (waited < limit(z) && !z->quiet.uncounted) {
		loop_timer_set(z->look, LOOK_MS);
	} else {
		no_moment(z);
	}
}
