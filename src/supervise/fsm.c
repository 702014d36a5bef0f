/* SPDX-License-Identifier: MIT */
#include "supervise/fsm.h"

#include <assert.h>

/* A cell for every pair; STAY is written out, so that a forgotten cell is found by the test. */
#define GO(state, action)                 \
	{                                 \
		FSM_##state, FSM_##action \
	}
#define STAY(state)                      \
	{                                \
		FSM_##state, FSM_NOTHING \
	}

static const struct fsm_step table[FSM_STATES][FSM_EVENTS] =
    {
	[FSM_STARTING] =
	    {
		[FSM_DIALLED] = GO(JOINING, JOIN),
		[FSM_DIAL_RETRY] = GO(WAITING, PAUSE),
		[FSM_GIVE_UP] = GO(ENDED, END_FAILED),
		[FSM_RETRY_DUE] = STAY(STARTING),
		[FSM_JOINED] = STAY(STARTING),
		[FSM_CONFIGURED] = STAY(STARTING),
		[FSM_LINK_DEAD] = STAY(STARTING),
		[FSM_LINKS_DEAD] = STAY(STARTING),
		[FSM_TAKEN] = STAY(STARTING),
		[FSM_TERMINATE] = GO(ENDED, END_QUIT),
		[FSM_DETACH] = GO(ENDED, END_QUIT),
		[FSM_RELEASED] = STAY(STARTING),
		[FSM_REFUSED] = STAY(STARTING),
	    },
	[FSM_WAITING] =
	    {
		[FSM_DIALLED] = STAY(WAITING),
		[FSM_DIAL_RETRY] = STAY(WAITING),
		[FSM_GIVE_UP] = GO(ENDED, END_FAILED),
		[FSM_RETRY_DUE] = GO(STARTING, DIAL),
		[FSM_JOINED] = STAY(WAITING),
		[FSM_CONFIGURED] = STAY(WAITING),
		[FSM_LINK_DEAD] = STAY(WAITING),
		[FSM_LINKS_DEAD] = STAY(WAITING),
		[FSM_TAKEN] = STAY(WAITING),
		[FSM_TERMINATE] = GO(ENDED, END_QUIT),
		[FSM_DETACH] = GO(ENDED, END_QUIT),
		[FSM_RELEASED] = STAY(WAITING),
		[FSM_REFUSED] = STAY(WAITING),
	    },
	[FSM_JOINING] =
	    {
		[FSM_DIALLED] = STAY(JOINING),
		[FSM_DIAL_RETRY] = GO(WAITING, PAUSE),
		[FSM_GIVE_UP] = GO(ENDED, END_FAILED),
		[FSM_RETRY_DUE] = STAY(JOINING),
		[FSM_JOINED] = GO(CONFIGURING, CONFIGURE),
		[FSM_CONFIGURED] = STAY(JOINING),
		[FSM_LINK_DEAD] = STAY(JOINING),
		[FSM_LINKS_DEAD] = STAY(JOINING),
		[FSM_TAKEN] = STAY(JOINING),
		[FSM_TERMINATE] = GO(ENDED, END_QUIT),
		[FSM_DETACH] = GO(ENDED, END_QUIT),
		[FSM_RELEASED] = STAY(JOINING),
		[FSM_REFUSED] = STAY(JOINING),
	    },
	[FSM_CONFIGURING] =
	    {
		[FSM_DIALLED] = STAY(CONFIGURING),
		[FSM_DIAL_RETRY] = GO(WAITING, PAUSE),
		[FSM_GIVE_UP] = GO(ENDED, END_FAILED),
		[FSM_RETRY_DUE] = STAY(CONFIGURING),
		[FSM_JOINED] = STAY(CONFIGURING),
		[FSM_CONFIGURED] = GO(ATTACHED, ANNOUNCE),
		[FSM_LINK_DEAD] = STAY(CONFIGURING),
		[FSM_LINKS_DEAD] = STAY(CONFIGURING),
		[FSM_TAKEN] = STAY(CONFIGURING),
		[FSM_TERMINATE] = GO(CONFIGURING, REMEMBER),
		[FSM_DETACH] = GO(CONFIGURING, BUSY),
		[FSM_RELEASED] = STAY(CONFIGURING),
		[FSM_REFUSED] = STAY(CONFIGURING),
	    },
	[FSM_ATTACHED] =
	    {
		[FSM_DIALLED] = STAY(ATTACHED),
		[FSM_DIAL_RETRY] = STAY(ATTACHED),
		[FSM_GIVE_UP] = STAY(ATTACHED),
		[FSM_RETRY_DUE] = STAY(ATTACHED),
		[FSM_JOINED] = STAY(ATTACHED),
		[FSM_CONFIGURED] = STAY(ATTACHED),
		[FSM_LINK_DEAD] = GO(DEGRADED, REPORT),
		[FSM_LINKS_DEAD] = GO(LOST, REPORT),
		[FSM_TAKEN] = GO(ENDED, END_TAKEN),
		[FSM_TERMINATE] = GO(LEAVING, RELEASE),
		[FSM_DETACH] = GO(DETACHING, RELEASE),
		[FSM_RELEASED] = STAY(ATTACHED),
		[FSM_REFUSED] = STAY(ATTACHED),
	    },
	[FSM_DEGRADED] =
	    {
		[FSM_DIALLED] = STAY(DEGRADED),
		[FSM_DIAL_RETRY] = STAY(DEGRADED),
		[FSM_GIVE_UP] = STAY(DEGRADED),
		[FSM_RETRY_DUE] = STAY(DEGRADED),
		[FSM_JOINED] = STAY(DEGRADED),
		[FSM_CONFIGURED] = STAY(DEGRADED),
		[FSM_LINK_DEAD] = STAY(DEGRADED),
		[FSM_LINKS_DEAD] = GO(LOST, REPORT),
		[FSM_TAKEN] = GO(ENDED, END_TAKEN),
		[FSM_TERMINATE] = GO(LEAVING, RELEASE),
		[FSM_DETACH] = GO(DETACHING, RELEASE),
		[FSM_RELEASED] = STAY(DEGRADED),
		[FSM_REFUSED] = STAY(DEGRADED),
	    },
	[FSM_LOST] =
	    {
		[FSM_DIALLED] = STAY(LOST),
		[FSM_DIAL_RETRY] = STAY(LOST),
		[FSM_GIVE_UP] = STAY(LOST),
		[FSM_RETRY_DUE] = STAY(LOST),
		[FSM_JOINED] = STAY(LOST),
		[FSM_CONFIGURED] = STAY(LOST),
		[FSM_LINK_DEAD] = STAY(LOST),
		[FSM_LINKS_DEAD] = STAY(LOST),
		[FSM_TAKEN] = GO(ENDED, END_TAKEN),
		[FSM_TERMINATE] = GO(LEAVING, RELEASE),
		[FSM_DETACH] = GO(DETACHING, RELEASE),
		[FSM_RELEASED] = STAY(LOST),
		[FSM_REFUSED] = STAY(LOST),
	    },
	[FSM_DETACHING] =
	    {
		[FSM_DIALLED] = STAY(DETACHING),
		[FSM_DIAL_RETRY] = STAY(DETACHING),
		[FSM_GIVE_UP] = STAY(DETACHING),
		[FSM_RETRY_DUE] = STAY(DETACHING),
		[FSM_JOINED] = STAY(DETACHING),
		[FSM_CONFIGURED] = STAY(DETACHING),
		[FSM_LINK_DEAD] = STAY(DETACHING),
		[FSM_LINKS_DEAD] = STAY(DETACHING),
		[FSM_TAKEN] = STAY(DETACHING),
		[FSM_TERMINATE] = GO(LEAVING, NOTHING),
		[FSM_DETACH] = GO(DETACHING, BUSY),
		[FSM_RELEASED] = GO(ENDED, END_DONE),
		[FSM_REFUSED] = GO(ATTACHED, RECHECK),
	    },
	[FSM_LEAVING] =
	    {
		[FSM_DIALLED] = STAY(LEAVING),
		[FSM_DIAL_RETRY] = STAY(LEAVING),
		[FSM_GIVE_UP] = STAY(LEAVING),
		[FSM_RETRY_DUE] = STAY(LEAVING),
		[FSM_JOINED] = STAY(LEAVING),
		[FSM_CONFIGURED] = STAY(LEAVING),
		[FSM_LINK_DEAD] = STAY(LEAVING),
		[FSM_LINKS_DEAD] = STAY(LEAVING),
		[FSM_TAKEN] = STAY(LEAVING),
		[FSM_TERMINATE] = STAY(LEAVING),
		[FSM_DETACH] = GO(LEAVING, BUSY),
		[FSM_RELEASED] = GO(ENDED, END_DONE),
		[FSM_REFUSED] = GO(ENDED, END_LEFT),
	    },
	[FSM_ENDED] =
	    {
		[FSM_DIALLED] = STAY(ENDED),
		[FSM_DIAL_RETRY] = STAY(ENDED),
		[FSM_GIVE_UP] = STAY(ENDED),
		[FSM_RETRY_DUE] = STAY(ENDED),
		[FSM_JOINED] = STAY(ENDED),
		[FSM_CONFIGURED] = STAY(ENDED),
		[FSM_LINK_DEAD] = STAY(ENDED),
		[FSM_LINKS_DEAD] = STAY(ENDED),
		[FSM_TAKEN] = STAY(ENDED),
		[FSM_TERMINATE] = STAY(ENDED),
		[FSM_DETACH] = STAY(ENDED),
		[FSM_RELEASED] = STAY(ENDED),
		[FSM_REFUSED] = STAY(ENDED),
	    },
};

struct fsm_step fsm_step(enum fsm_state state, enum fsm_event event)
{
	assert(state < FSM_STATES && event < FSM_EVENTS);
	return table[state][event];
}

const char *fsm_state_name(enum fsm_state state)
{
	static const char *const name[FSM_STATES] = {
	    [FSM_STARTING] = "starting", [FSM_WAITING] = "waiting",
	    [FSM_JOINING] = "joining",	 [FSM_CONFIGURING] = "configuring",
	    [FSM_ATTACHED] = "attached", [FSM_DEGRADED] = "degraded",
	    [FSM_LOST] = "lost",	 [FSM_DETACHING] = "detaching",
	    [FSM_LEAVING] = "leaving",	 [FSM_ENDED] = "ended",
	};

	return name[state];
}

const char *fsm_event_name(enum fsm_event event)
{
	static const char *const name[FSM_EVENTS] = {
	    [FSM_DIALLED] = "dialled",	   [FSM_DIAL_RETRY] = "dial-retry",
	    [FSM_GIVE_UP] = "give-up",	   [FSM_RETRY_DUE] = "retry-due",
	    [FSM_JOINED] = "joined",	   [FSM_CONFIGURED] = "configured",
	    [FSM_LINK_DEAD] = "link-dead", [FSM_LINKS_DEAD] = "links-dead",
	    [FSM_TAKEN] = "taken",	   [FSM_TERMINATE] = "terminate",
	    [FSM_DETACH] = "detach",	   [FSM_RELEASED] = "released",
	    [FSM_REFUSED] = "refused",
	};

	return name[event];
}

const char *fsm_action_name(enum fsm_action action)
{
	static const char *const name[FSM_ACTIONS] = {
	    [FSM_NOTHING] = "nothing",	   [FSM_DIAL] = "dial",
	    [FSM_PAUSE] = "pause",	   [FSM_JOIN] = "join",
	    [FSM_CONFIGURE] = "configure", [FSM_ANNOUNCE] = "announce",
	    [FSM_REPORT] = "report",	   [FSM_REMEMBER] = "remember",
	    [FSM_RELEASE] = "release",	   [FSM_RECHECK] = "recheck",
	    [FSM_BUSY] = "busy",	   [FSM_END_FAILED] = "end-failed",
	    [FSM_END_QUIT] = "end-quit",   [FSM_END_DONE] = "end-done",
	    [FSM_END_LEFT] = "end-left",   [FSM_END_TAKEN] = "end-taken",
	};

	return name[action];
}
