/* SPDX-License-Identifier: MIT */
#include "supervise/fsm.h"

const char *fsm_state_name(enum fsm_state state)
{
	static const char *const name[FSM_STATES] = {
	    [FSM_STARTING] = "starting", [FSM_WAITING] = "waiting",
	    [FSM_JOINING] = "joining",	 [FSM_CONFIGURING] = "configuring",
	    [FSM_ADOPTING] = "adopting", [FSM_ATTACHED] = "attached",
	    [FSM_DEGRADED] = "degraded", [FSM_LOST] = "lost",
	    [FSM_HEALING] = "healing",	 [FSM_REFUSED] = "refused",
	    [FSM_EXPIRED] = "expired",	 [FSM_DETACHING] = "detaching",
	    [FSM_LEAVING] = "leaving",	 [FSM_ENDED] = "ended",
	};

	return name[state];
}

const char *fsm_event_name(enum fsm_event event)
{
	static const char *const name[FSM_EVENTS] = {
	    [FSM_DIALLED] = "dialled",	       [FSM_DIAL_RETRY] = "dial-retry",
	    [FSM_GIVE_UP] = "give-up",	       [FSM_RETRY_DUE] = "retry-due",
	    [FSM_JOINED] = "joined",	       [FSM_CONFIGURED] = "configured",
	    [FSM_ADOPTED] = "adopted",	       [FSM_LINK_DEAD] = "link-dead",
	    [FSM_LINKS_DEAD] = "links-dead",   [FSM_REDIALLED] = "redialled",
	    [FSM_CHANGED] = "changed",	       [FSM_HEALED] = "healed",
	    [FSM_PART_HEALED] = "part-healed", [FSM_NOT_HEALED] = "not-healed",
	    [FSM_EXPIRE] = "expire",	       [FSM_TAKEN] = "taken",
	    [FSM_TERMINATE] = "terminate",     [FSM_DETACH] = "detach",
	    [FSM_RELEASED] = "released",       [FSM_KEPT] = "kept",
	};

	return name[event];
}

const char *fsm_action_name(enum fsm_action action)
{
	static const char *const name[FSM_ACTIONS] = {
	    [FSM_NOTHING] = "nothing",
	    [FSM_DIAL] = "dial",
	    [FSM_PAUSE] = "pause",
	    [FSM_JOIN] = "join",
	    [FSM_CONFIGURE] = "configure",
	    [FSM_ADOPT] = "adopt",
	    [FSM_ANNOUNCE] = "announce",
	    [FSM_REDIAL] = "redial",
	    [FSM_HEAL] = "heal",
	    [FSM_RECOVER] = "recover",
	    [FSM_COMPLAIN] = "complain",
	    [FSM_FAIL_IO] = "fail-io",
	    [FSM_REMEMBER] = "remember",
	    [FSM_RELEASE] = "release",
	    [FSM_RECHECK] = "recheck",
	    [FSM_BUSY] = "busy",
	    [FSM_END_FAILED] = "end-failed",
	    [FSM_END_QUIT] = "end-quit",
	    [FSM_END_DONE] = "end-done",
	    [FSM_END_LEFT] = "end-left",
	    [FSM_END_TAKEN] = "end-taken",
	};

	return name[action];
}
