/* SPDX-License-Identifier: MIT */
/*
 * The life of an attached device as one table: for every state and event, the next state and one
 * action. Pure: no side effects, no memory. The supervisor carries the actions out and reports
 * what came of them as further events. `make states` prints the table as a graph.
 */
#ifndef SUPERVISE_FSM_H
#define SUPERVISE_FSM_H

enum fsm_state {
	FSM_STARTING,	 /* the first connection is being dialled */
	FSM_WAITING,	 /* --wait: a pause before it is dialled again */
	FSM_JOINING,	 /* further connections are being dialled */
	FSM_CONFIGURING, /* the sockets are being handed to the kernel */
	FSM_ADOPTING,	 /* an attached device without a supervisor is being taken over */
	FSM_ATTACHED,	 /* every connection is alive */
	FSM_DEGRADED,	 /* some connections are dead, I/O goes over the others */
	FSM_LOST,	 /* every connection is dead, I/O waits */
	FSM_HEALING,	 /* new connections are being handed to the kernel */
	FSM_REFUSED,	 /* the server is back as somebody else, or refuses: I/O waits */
	FSM_EXPIRED,	 /* the dead timeout has passed: I/O fails until the server is back */
	FSM_DETACHING,	 /* asked to detach: look for users, flush, disconnect */
	FSM_LEAVING,	 /* asked to end: the same, but a device in use stays attached */
	FSM_ENDED,	 /* nothing more will happen */
	FSM_STATES
};

enum fsm_event {
	FSM_DIALLED,	 /* a first connection is ready and can be attached */
	FSM_DIAL_RETRY,	 /* no connection, and the user asked to keep trying */
	FSM_GIVE_UP,	 /* no connection or no device, for good */
	FSM_RETRY_DUE,	 /* the pause is over */
	FSM_JOINED,	 /* all connections are ready */
	FSM_CONFIGURED,	 /* the kernel has the device */
	FSM_ADOPTED,	 /* the device is ours, dead or alive */
	FSM_LINK_DEAD,	 /* a connection died, another is alive */
	FSM_LINKS_DEAD,	 /* the last connection died */
	FSM_REDIALLED,	 /* a new connection to the same export is ready */
	FSM_CHANGED,	 /* a server answers, but it is not the same, or it refuses */
	FSM_HEALED,	 /* the kernel took new connections: all are alive */
	FSM_PART_HEALED, /* some are */
	FSM_NOT_HEALED,	 /* none is */
	FSM_EXPIRE,	 /* the dead timeout has passed */
	FSM_TAKEN,	 /* somebody else detached the device */
	FSM_TERMINATE,	 /* SIGTERM, SIGINT */
	FSM_DETACH,	 /* `nbd-attach --detach` */
	FSM_RELEASED,	 /* the device is detached and free */
	FSM_KEPT,	 /* it is in use, or could not be flushed */
	FSM_EVENTS
};

enum fsm_action {
	FSM_NOTHING,
	FSM_DIAL,	/* dial the first connection */
	FSM_PAUSE,	/* start the pause */
	FSM_JOIN,	/* dial the further connections */
	FSM_CONFIGURE,	/* hand the sockets to the kernel */
	FSM_ADOPT,	/* find out how an attached device is doing */
	FSM_ANNOUNCE,	/* the device is ready: tell who waits for it */
	FSM_REDIAL,	/* say what is lost, and dial until it is replaced */
	FSM_HEAL,	/* hand new connections to the kernel */
	FSM_RECOVER,	/* say that it is back; go on dialling for what is missing */
	FSM_COMPLAIN,	/* say why the server that answers is not used */
	FSM_FAIL_IO,	/* make the kernel fail what waits */
	FSM_REMEMBER,	/* a signal came while the kernel works: raise it again afterwards */
	FSM_RELEASE,	/* look for users, flush, disconnect */
	FSM_RECHECK,	/* not detached: answer, and look at the connections again */
	FSM_BUSY,	/* answer that a detach is under way, or not yet possible */
	FSM_END_FAILED, /* end: nothing is attached, and the error says why */
	FSM_END_QUIT,	/* end: asked to before anything was attached */
	FSM_END_DONE,	/* end: detached as asked */
	FSM_END_LEFT,	/* end: the device stays attached, because it is in use */
	FSM_END_TAKEN,	/* end: the device is no longer ours */
	FSM_ACTIONS
};

struct fsm_step {
	enum fsm_state next;
	enum fsm_action action;
};

struct fsm_step fsm_step(enum fsm_state state, enum fsm_event event);

/* Lower-case names, as `--status` and the man page show them. */
const char *fsm_state_name(enum fsm_state state);
const char *fsm_event_name(enum fsm_event event);
const char *fsm_action_name(enum fsm_action action);

#endif
