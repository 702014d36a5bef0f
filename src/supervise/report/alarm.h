/* SPDX-License-Identifier: MIT */
/*
 * Part of the supervisor: reports a long outage, with the users of the device, after 30 s, and
 * after 2, 5 and 9 minutes. A separate thread looks for the users, because such a look may block
 * (kernel/usage.h), and the supervisor's helper thread may be blocked in the kernel during an
 * outage. If the look does not return, the next alarm is sent without it.
 */
#ifndef SUPERVISE_REPORT_ALARM_H
#define SUPERVISE_REPORT_ALARM_H

#include <stdint.h>

#include "supervise/part.h"

struct alarm;

struct alarm_events {
	/*
	 * The outage has lasted for one of the times above. users: a clause that names users of the
	 * device; "": none was found, or there was no look.
	 */
	void (*due)(const char *users, void *arg);
};

/* look: false if memory may be short in an outage (--swap), so that no thread can be made then.
 * NULL: no memory. env is borrowed. */
struct alarm *alarm_new(const struct part_env *env, bool look, const struct alarm_events *events,
			void *arg);
/* Accepts NULL. */
void alarm_free(struct alarm *a);

/* An outage begins now, or has ended. Both may be repeated. */
void alarm_begin(struct alarm *a);
void alarm_end(struct alarm *a);

/* ms between the alarm with this number, from 0 on, and the one before; 0: there is none. */
uint64_t alarm_delay(unsigned number);

#endif
