/* SPDX-License-Identifier: MIT */
#include "supervise/fsm.h"

#include <assert.h>
#include <stddef.h>

struct row {
	enum fsm_state state;
	enum fsm_event event;
	struct fsm_step step;
};

#define ROW(from, on, to, does)                                   \
	{                                                         \
		.state = FSM_##from, .event = FSM_##on,           \
		.step = {.next = FSM_##to, .action = FSM_##does}, \
	}

/* One row an arrow. A pair of state and event without a row stays and does nothing. */
/* clang-format off */
static const struct row rows[] = {
	/*  state        event        next         action */
	ROW(STARTING,    DIALLED,     JOINING,     JOIN),
	ROW(STARTING,    DIAL_RETRY,  WAITING,     PAUSE),
	ROW(STARTING,    GIVE_UP,     ENDED,       END_FAILED),
	ROW(STARTING,    TERMINATE,   ENDED,       END_QUIT),
	ROW(STARTING,    DETACH,      ENDED,       END_QUIT),

	ROW(WAITING,     GIVE_UP,     ENDED,       END_FAILED),
	ROW(WAITING,     RETRY_DUE,   STARTING,    DIAL),
	ROW(WAITING,     TERMINATE,   ENDED,       END_QUIT),
	ROW(WAITING,     DETACH,      ENDED,       END_QUIT),

	ROW(JOINING,     DIAL_RETRY,  WAITING,     PAUSE),
	ROW(JOINING,     GIVE_UP,     ENDED,       END_FAILED),
	ROW(JOINING,     JOINED,      CONFIGURING, CONFIGURE),
	ROW(JOINING,     TERMINATE,   ENDED,       END_QUIT),
	ROW(JOINING,     DETACH,      ENDED,       END_QUIT),

	ROW(CONFIGURING, DIAL_RETRY,  WAITING,     PAUSE),
	ROW(CONFIGURING, GIVE_UP,     ENDED,       END_FAILED),
	ROW(CONFIGURING, CONFIGURED,  ATTACHED,    ANNOUNCE),
	ROW(CONFIGURING, TERMINATE,   CONFIGURING, REMEMBER),
	ROW(CONFIGURING, DETACH,      CONFIGURING, BUSY),

	ROW(ADOPTING,    GIVE_UP,     ENDED,       END_FAILED),
	ROW(ADOPTING,    ADOPTED,     ATTACHED,    ANNOUNCE),
	ROW(ADOPTING,    TERMINATE,   ADOPTING,    REMEMBER),
	ROW(ADOPTING,    DETACH,      ADOPTING,    BUSY),
	ROW(ADOPTING,    KEPT,        ENDED,       END_LEFT),

	ROW(ATTACHED,    LINK_DEAD,   DEGRADED,    REDIAL),
	ROW(ATTACHED,    LINKS_DEAD,  LOST,        REDIAL),
	ROW(ATTACHED,    HEALED,      ATTACHED,    RECOVER),
	ROW(ATTACHED,    PART_HEALED, DEGRADED,    RECOVER),
	ROW(ATTACHED,    NOT_HEALED,  LOST,        REDIAL),
	ROW(ATTACHED,    TAKEN,       ENDED,       END_TAKEN),
	ROW(ATTACHED,    GIVE,        GIVING,      OFFER),
	ROW(ATTACHED,    TERMINATE,   LEAVING,     RELEASE),
	ROW(ATTACHED,    DETACH,      DETACHING,   RELEASE),

	ROW(DEGRADED,    LINK_DEAD,   DEGRADED,    REDIAL),
	ROW(DEGRADED,    LINKS_DEAD,  LOST,        REDIAL),
	ROW(DEGRADED,    REDIALLED,   HEALING,     HEAL),
	ROW(DEGRADED,    CHANGED,     DEGRADED,    COMPLAIN),
	ROW(DEGRADED,    DIFFERS,     DEGRADED,    COMPLAIN),
	ROW(DEGRADED,    HEALED,      ATTACHED,    RECOVER),
	ROW(DEGRADED,    PART_HEALED, DEGRADED,    RECOVER),
	ROW(DEGRADED,    NOT_HEALED,  LOST,        REDIAL),
	ROW(DEGRADED,    TAKEN,       ENDED,       END_TAKEN),
	ROW(DEGRADED,    TERMINATE,   LEAVING,     RELEASE),
	ROW(DEGRADED,    DETACH,      DETACHING,   RELEASE),

	ROW(LOST,        REDIALLED,   HEALING,     HEAL),
	ROW(LOST,        CHANGED,     REFUSED,     COMPLAIN),
	ROW(LOST,        DIFFERS,     HELD,        HOLD),
	ROW(LOST,        HEALED,      ATTACHED,    RECOVER),
	ROW(LOST,        PART_HEALED, DEGRADED,    RECOVER),
	ROW(LOST,        NOT_HEALED,  LOST,        REDIAL),
	ROW(LOST,        EXPIRE,      EXPIRED,     FAIL_IO),
	ROW(LOST,        TAKEN,       ENDED,       END_TAKEN),
	ROW(LOST,        TERMINATE,   LEAVING,     RELEASE),
	ROW(LOST,        DETACH,      DETACHING,   RELEASE),

	ROW(HEALING,     LINKS_DEAD,  HEALING,     LOSE),
	ROW(HEALING,     HEALED,      ATTACHED,    RECOVER),
	ROW(HEALING,     PART_HEALED, DEGRADED,    RECOVER),
	ROW(HEALING,     NOT_HEALED,  LOST,        REDIAL),
	ROW(HEALING,     EXPIRE,      EXPIRED,     FAIL_IO),
	ROW(HEALING,     TAKEN,       ENDED,       END_TAKEN),
	ROW(HEALING,     TERMINATE,   LEAVING,     RELEASE),
	ROW(HEALING,     DETACH,      DETACHING,   RELEASE),

	ROW(REFUSED,     REDIALLED,   HEALING,     HEAL),
	ROW(REFUSED,     CHANGED,     REFUSED,     COMPLAIN),
	ROW(REFUSED,     DIFFERS,     HELD,        HOLD),
	ROW(REFUSED,     HEALED,      ATTACHED,    RECOVER),
	ROW(REFUSED,     PART_HEALED, DEGRADED,    RECOVER),
	ROW(REFUSED,     NOT_HEALED,  LOST,        REDIAL),
	ROW(REFUSED,     EXPIRE,      EXPIRED,     FAIL_IO),
	ROW(REFUSED,     TAKEN,       ENDED,       END_TAKEN),
	ROW(REFUSED,     TERMINATE,   LEAVING,     RELEASE),
	ROW(REFUSED,     DETACH,      DETACHING,   RELEASE),

	ROW(HELD,        REDIALLED,   HEALING,     HEAL),
	ROW(HELD,        CHANGED,     HELD,        COMPLAIN),
	ROW(HELD,        DIFFERS,     HELD,        COMPLAIN),
	ROW(HELD,        HEALED,      ATTACHED,    RECOVER),
	ROW(HELD,        PART_HEALED, DEGRADED,    RECOVER),
	ROW(HELD,        NOT_HEALED,  LOST,        REDIAL),
	ROW(HELD,        EXPIRE,      EXPIRED,     FAIL_IO),
	ROW(HELD,        TAKEN,       ENDED,       END_TAKEN),
	ROW(HELD,        TERMINATE,   LEAVING,     RELEASE),
	ROW(HELD,        DETACH,      DETACHING,   RELEASE),

	ROW(EXPIRED,     REDIALLED,   HEALING,     HEAL),
	ROW(EXPIRED,     CHANGED,     EXPIRED,     COMPLAIN),
	ROW(EXPIRED,     DIFFERS,     EXPIRED,     COMPLAIN),
	ROW(EXPIRED,     HEALED,      ATTACHED,    RECOVER),
	ROW(EXPIRED,     PART_HEALED, DEGRADED,    RECOVER),
	ROW(EXPIRED,     NOT_HEALED,  LOST,        REDIAL),
	ROW(EXPIRED,     TAKEN,       ENDED,       END_TAKEN),
	ROW(EXPIRED,     TERMINATE,   LEAVING,     RELEASE),
	ROW(EXPIRED,     DETACH,      DETACHING,   RELEASE),

	ROW(GIVING,      GIVEN,       ENDED,       END_GIVEN),
	ROW(GIVING,      KEPT,        ATTACHED,    KEEP),
	ROW(GIVING,      TAKEN,       GIVING,      REMEMBER),
	ROW(GIVING,      TERMINATE,   GIVING,      REMEMBER),
	ROW(GIVING,      DETACH,      GIVING,      BUSY),

	ROW(DETACHING,   TERMINATE,   LEAVING,     NOTHING),
	ROW(DETACHING,   DETACH,      DETACHING,   BUSY),
	ROW(DETACHING,   RELEASED,    ENDED,       END_DONE),
	ROW(DETACHING,   KEPT,        ATTACHED,    RECHECK),

	ROW(LEAVING,     DETACH,      LEAVING,     BUSY),
	ROW(LEAVING,     RELEASED,    ENDED,       END_DONE),
	ROW(LEAVING,     KEPT,        ENDED,       END_LEFT),
	ROW(LEAVING,     STAY,        ATTACHED,    RECHECK),
};
/* clang-format on */

struct fsm_step fsm_step(enum fsm_state state, enum fsm_event event)
{
	assert(state < FSM_STATES && event < FSM_EVENTS);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].state == state && rows[i].event == event)
			return rows[i].step;
	return (struct fsm_step){.next = state, .action = FSM_NOTHING};
}

unsigned fsm_rows(void)
{
	return sizeof(rows) / sizeof(rows[0]);
}

#define NAME(item, name) [FSM_##item] = (name),

const char *fsm_state_name(enum fsm_state state)
{
	static const char *const names[FSM_STATES] = {FSM_STATE_LIST(NAME)};

	return names[state];
}

const char *fsm_event_name(enum fsm_event event)
{
	static const char *const names[FSM_EVENTS] = {FSM_EVENT_LIST(NAME)};

	return names[event];
}

const char *fsm_action_name(enum fsm_action action)
{
	static const char *const names[FSM_ACTIONS] = {FSM_ACTION_LIST(NAME)};

	return names[action];
}
