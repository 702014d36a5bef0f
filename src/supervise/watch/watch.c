/* SPDX-License-Identifier: MIT */
#include "supervise/supervisor-private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "kernel/sysfs.h"

#define SETTLE_MS	 100  /* between a hang-up and the look whether the device is gone */
#define LOST_INTERVAL_MS 2000 /* somebody else's detach of a lost device makes no other sign */
#define SAMPLE_MS	 5000 /* an idle supervisor wakes up no more often */
#define SAMPLE_SOON_MS	 1000 /* something is unacknowledged, or has to be waited for */
#define SLEPT_MS	 1000 /* a shorter sleep counts for nothing */
#define STALL_MS	 10000
#define REFILL_MS	 10000
#define REFILL_MAX_MS	 600000
#define GROW_WAIT_MS	 2000 /* after an outage: what it held up is resent by then */

/* Hang-up of a connection and detach by somebody else look alike at first. */
void supervisor_look(void *arg)
{
	struct supervisor *s = arg;
	unsigned alive = links_alive(s->links);

	if (s->state == FSM_DETACHING || s->state == FSM_LEAVING)
		return;
	if (!sysfs_mark_valid(s->at.mark))
		supervisor_post(s, FSM_TAKEN, NULL);
	else if (alive == 0)
		supervisor_post(s, FSM_LINKS_DEAD, NULL);
	else if (alive < links_wanted(s->links))
		supervisor_post(s, FSM_LINK_DEAD, NULL);
	if (alive == 0)
		loop_timer_set(s->settle, LOST_INTERVAL_MS);
}

void supervisor_look_if_held(struct supervisor *s)
{
	if (s->at.mark >= 0 && s->state != FSM_CONFIGURING && !sysfs_mark_valid(s->at.mark))
		supervisor_post(s, FSM_TAKEN, NULL);
}

void supervisor_link_died(unsigned alive, const char *why, void *arg)
{
	struct supervisor *s = arg;

	(void)alive;
	snprintf(s->report.cause, sizeof(s->report.cause), "%s", why);
	loop_timer_set(s->settle, SETTLE_MS);
}

void supervisor_kernel_spoke(int fd, uint32_t events, void *arg)
{
	struct supervisor *s = arg;
	enum kernel_event event;

	(void)fd;
	(void)events;
	while ((event = kernel_next_event(s->env.kernel, s->at.index)) != KERNEL_EVENT_NONE) {
		if (event == KERNEL_EVENT_LINK_DEAD && s->at.taken_over)
			links_kernel_says_dead(s->links);
		else if (event == KERNEL_EVENT_OVERFLOW)
			supervisor_probe(s);
		loop_timer_set(s->settle, SETTLE_MS);
	}
}

/* A server that holds requests and completes none is not well, though nothing may be cut. */
static void look_at_progress(struct supervisor *s, uint64_t now)
{
	struct sysfs_progress p;
	bool stalled;

	if (sysfs_progress(s->at.index, &p) < 0)
		return;
	if (p.counted == s->report.uncounted) {
		s->report.uncounted = !p.counted;
		supervisor_touch(s);
	}
	if (!p.counted)
		s->uncounted_at = now;
	if (!p.counted)
		s->completed_at = 0; /* a device whose requests are not counted is not stalled */
	if (p.in_flight == 0 || p.completed != s->completed || s->completed_at == 0) {
		s->completed = p.completed;
		s->completed_at = now;
	}
	stalled = now - s->completed_at >= STALL_MS;
	if (stalled)
		supervisor_probe(s);
	s->report.in_flight = p.in_flight;
	if (stalled == s->report.stalled)
		return;
	s->report.stalled = stalled;
	if (stalled)
		log_warning("/dev/nbd%d: %s has completed no request for %llu s, with %u requests "
			    "under way: its connection is alive, so I/O waits",
			    s->at.index, s->report.address,
			    (unsigned long long)(now - s->completed_at) / 1000, p.in_flight);
	else
		log_notice("/dev/nbd%d: %s completes requests again", s->at.index,
			   s->report.address);
	supervisor_touch(s);
}

void supervisor_note_writes(struct supervisor *s)
{
	/* What was written before a takeover nobody has counted. */
	s->counts_writes = !s->at.taken_over && sysfs_written(s->at.index, &s->written) == 0;
}

bool supervisor_is_clean(const struct supervisor *s)
{
	uint64_t written;

	if (attachment_is_read_only(&s->at) || !attachment_flushes(&s->at))
		return true;
	return s->counts_writes && sysfs_written(s->at.index, &written) == 0 &&
	       written == s->written;
}

static void grow_work(void *arg)
{
	struct supervisor *s = arg;
	struct kernel_change change = {
	    .index = s->at.index,
	    .identifier = s->at.identifier,
	    .fd = -1,
	    .size = s->grow_size,
	};

	s->grow_err.message[0] = '\0';
	if (sysfs_mark_valid(s->at.mark))
		kernel_change(s->env.kernel, &change, &s->grow_err);
}

static void grown(void *arg)
{
	struct supervisor *s = arg;
	uint64_t old = s->at.plan.size;
	char size[64];

	s->growing = false;
	if (s->grow_err.message[0]) {
		log_warning("/dev/nbd%d: cannot change the device to the export's new size: %s",
			    s->at.index, s->grow_err.message);
		if (s->fresh_size == s->grow_size)
			s->fresh_size = old;
		supervisor_resized(s, old);
		return;
	}
	log_notice("/dev/nbd%d: the export has a new size, and the device was changed to it: %s",
		   s->at.index, size_text(s->grow_size, size, sizeof(size)));
	s->at.plan.size = s->grow_size;
	s->report.size = s->grow_size;
	s->at.known.size = s->grow_size;
	supervisor_touch(s);
	supervisor_resized(s, old);
}

void supervisor_grow(struct supervisor *s)
{
	if (s->growing)
		return;
	s->growing = true;
	s->grow_size = s->fresh_size;
	if (offload_run(s->env.offload, grow_work, grown, s) < 0)
		s->growing = false;
}

/*
 * Only when every connection is alive and nothing is under way at all: since 6.9 the driver freezes
 * the queue for it, and a request whose connection dies meanwhile would hold it frozen. A device
 * that is never idle is looked at every second.
 */
static void grow(struct supervisor *s)
{
	struct sysfs_progress p;

	if (s->state != FSM_ATTACHED || s->growing || handover_is_busy(s->handover) ||
	    s->report.stalled || s->fresh_size == 0 || s->fresh_size == s->at.plan.size)
		return;
	if (loop_now() - s->outage.recovered < GROW_WAIT_MS ||
	    sysfs_progress(s->at.index, &p) < 0 || !p.counted || p.in_flight > 0)
		return;
	supervisor_grow(s);
}

static bool wants_growth(const struct supervisor *s)
{
	return s->fresh_size != 0 && s->fresh_size != s->at.plan.size;
}

/* Time that passed while the machine slept is in CLOCK_BOOTTIME only. */
static int64_t slept_ms(void)
{
	struct timespec boot, awake;

	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_MONOTONIC, &awake);
	return (int64_t)(boot.tv_sec - awake.tv_sec) * 1000 +
	       (boot.tv_nsec - awake.tv_nsec) / 1000000;
}

/*
 * A sleep is an outage: nobody may be there any more. A living connection is not cut for it (a
 * server's host may have slept as well), but what died is dialled for at once.
 */
void supervisor_woke(int fd, uint32_t events, void *arg)
{
	struct supervisor *s = arg;
	int64_t slept = slept_ms(), ms = slept - s->slept;
	uint64_t expirations;

	(void)events;
	/* ECANCELED: the calendar was set, which it also is after a sleep (timerfd_create(2)). */
	(void)!read(fd, &expirations, sizeof(expirations));
	supervisor_arm_wake(s);
	if (ms < SLEPT_MS)
		return;
	log_notice(
	    "/dev/nbd%d: the machine was suspended for %lld s: checking whether %s is still there",
	    s->at.index, (long long)ms / 1000, s->report.address);
	outage_slept(&s->outage, (uint64_t)ms);
	supervisor_touch(s);
	supervisor_look(s);
	supervisor_sample(s);
	s->hurry_due = "the machine woke up"; /* once it has counted what is dead */
}

void supervisor_arm_wake(struct supervisor *s)
{
	/* Never due: only the cancellation counts. */
	const struct itimerspec never = {.it_value.tv_sec =
					     sizeof(time_t) == 8 ? (time_t)9000000000 : INT32_MAX};

	if (s->wake_fd < 0)
		s->wake_fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (!s->wake_io)
		s->wake_io = loop_io_new(s->env.loop, s->wake_fd, EPOLLIN, supervisor_woke, s);
	s->slept = slept_ms();
	timerfd_settime(s->wake_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL);
}

/* What cannot be cut is alive to the driver: it goes on sending, and no other takes its place. */
static void say_uncut(struct supervisor *s)
{
	bool uncut = links_uncut(s->links) > 0;

	if (uncut && !s->uncut)
		log_warning("/dev/nbd%d: the host of %s has acknowledged nothing for %u s, but a "
			    "supervisor that has died made the connection, and the kernel does not "
			    "let this one close it: I/O waits until TCP gives up",
			    s->at.index, s->report.address, s->cfg.peer_timeout_ms / 1000);
	s->uncut = uncut;
}

/*
 * A spare that somebody killed, or that failed, would be missing in the next outage, when there may
 * be no memory for another one. Those that always fail are started ever more seldom.
 */
static void replace_spares(struct supervisor *s, uint64_t now)
{
	struct err err;

	if (s->state != FSM_ATTACHED || !s->cfg.reconnect || now < s->refill_at ||
	    helpers_missing(s->helpers) == 0)
		return;
	if (s->refill_ms == 0 || now - s->refill_at > 2 * (uint64_t)s->refill_ms)
		s->refill_ms = REFILL_MS;
	else if (s->refill_ms < REFILL_MAX_MS)
		s->refill_ms *= 2;
	s->refill_at = now + s->refill_ms;
	if (helpers_fill(s->helpers, &err) < 0)
		log_warning("/dev/nbd%d: %s", s->at.index, err.message);
}

void supervisor_sample(void *arg)
{
	struct supervisor *s = arg;
	uint64_t now = loop_now();
	bool soon;

	if (s->state == FSM_DETACHING || s->state == FSM_LEAVING || links_alive(s->links) == 0)
		return;
	soon = links_sample(s->links, now, s->cfg.peer_timeout_ms);
	say_uncut(s);
	if (links_graves(s->links)) /* for a supervisor that takes over in this moment */
		supervisor_touch(s);
	look_at_progress(s, now);
	replace_spares(s, now);
	if (!soon)
		grow(s);
	soon |= s->report.stalled || wants_growth(s);
	loop_timer_set(s->watch, soon ? SAMPLE_SOON_MS : SAMPLE_MS);
}

void supervisor_start_watching(struct supervisor *s)
{
	s->completed_at = 0;
	loop_timer_set(s->watch, wants_growth(s) ? SAMPLE_SOON_MS : SAMPLE_MS);
}
