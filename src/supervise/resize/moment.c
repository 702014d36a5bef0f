/* SPDX-License-Identifier: MIT */
/* Waits for the moment to put the new connections in place of the old ones. */
#include "supervise/resize/resize-private.h"

#include "kernel/sysfs.h"

#define LOOK_MS	   5	 /* between two looks whether this is the moment */
#define QUIET_MS   100	 /* without a request before connections are replaced */
#define UNSEEN_MS  8000	 /* how long what began while requests were not counted may take */
#define MOMENT_MS  10000 /* how long a moment without requests is waited for */
#define RENEWAL_MS 60000 /* how long new connections may take to get to the kernel */

/*
 * A moment without requests: none under way now, none at the look before, and none completed in
 * between. Between this look and the end of the connections a request may enter. If its reply is
 * lost as well, I/O waits for a proof that may never come, and nbdkit may answer it with an error.
 * So connections are replaced only after QUIET_MS without a request, which makes that unlikely for
 * a device that is seldom used, and refused for one that is busy. A device that never has one keeps
 * its connections: ending them with a request under way would let the server carry it out after its
 * copy on the new connection, over newer data, and nothing can make the device idle. Freezing its
 * queue, or a netlink command that does so, would wait for a server that may be stalled, with a
 * mutex held that every other device needs.
 */
static bool is_moment(struct resize *z)
{
	uint64_t now = loop_now(), seen;
	struct sysfs_progress p;
	bool moment, unseen, same;

	/* Before the look, so that what is sent after it shows. */
	links_remember(z->cfg.links);
	if (sysfs_progress(z->env->at->index, &p) < 0)
		return false;
	z->uncounted = !p.counted;
	if (!p.counted)
		z->uncounted_at = now;
	/* A request that began while none was counted never is. */
	seen = resize_look(z).uncounted;
	if (seen < z->uncounted_at)
		seen = z->uncounted_at;
	unseen = seen && now - seen < UNSEEN_MS;
	same = p.counted && p.in_flight == 0 && z->quiet && p.completed == z->completed;
	moment = same && !unseen && (z->renewed || now - z->quiet >= QUIET_MS);
	if (!same)
		z->quiet = p.counted && p.in_flight == 0 ? now : 0;
	z->completed = p.completed;
	return moment;
}

static void no_moment(struct resize *z)
{
	const char *why =
	    z->uncounted
		? "its requests are not counted (queue/iostats is 0), so that no moment without "
		  "requests can be found: write 1 to queue/iostats, and try again"
	    : z->renewed
		? "requests are under way all the time: the device grows as soon as "
		  "none is"
		: "the device was never without requests for 0.1 s, which is when its "
		  "connections can be replaced for the new size: ask again when the device "
		  "is less busy";

	resize_end(z, err_exit_status(ERR_RETRY), why);
}

/* From here on it is an outage like any other, but that the new connections are there already. */
static void renew(struct resize *z)
{
	size_t n = z->n;

	z->n = 0;
	z->events->renew(z->fd, n, z->arg);
	z->fresh_size = z->size;
	z->renewed = true;
	z->quiet = 0;
	z->since = loop_now();
	loop_timer_set(z->look, LOOK_MS);
}

/*
 * Since 6.9 the driver freezes the queue for a new size, and a request whose connection dies in
 * that moment would hold it frozen until the dead timeout: hence the wait for a good one.
 */
void resize_look_for_moment(void *arg)
{
	struct resize *z = arg;
	const struct resize_view view = resize_look(z);
	uint64_t waited = loop_now() - z->since;

	if (z->growing)
		return; /* its end answers */
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
	} else if (waited < MOMENT_MS && !z->uncounted) {
		loop_timer_set(z->look, LOOK_MS);
	} else {
		no_moment(z);
	}
}
