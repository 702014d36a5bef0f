/* SPDX-License-Identifier: MIT */
/*
 * The life of an attached device as one table: for every state and event, the next state and one
 * action. Pure: no side effects, no memory. The supervisor carries out the actions and reports
 * their results as further events. `make states` prints the table as a graph.
 */
#ifndef SUPERVISE_FSM_H
#define SUPERVISE_FSM_H

/* One item a line, each with its name and its meaning. */
/* clang-format off */
#define FSM_STATE_LIST(X) \
	X(STARTING, "starting")       /* the first connection is being dialled */ \
	X(WAITING, "waiting")         /* --wait: a pause before it is dialled again */ \
	X(JOINING, "joining")         /* further connections are being dialled */ \
	X(CONFIGURING, "configuring") /* the sockets are being handed to the kernel */ \
	X(ADOPTING, "adopting")       /* an attached device without a supervisor is being taken over */ \
	X(ATTACHED, "attached")       /* every connection is alive */ \
	X(DEGRADED, "degraded")       /* some connections are dead, I/O goes over the others */ \
	X(LOST, "lost")               /* every connection is dead, I/O waits */ \
	X(HEALING, "healing")         /* new connections are being handed to the kernel */ \
	X(REFUSED, "refused")         /* the server is back with another export, or refuses: I/O waits */ \
	X(HELD, "held")               /* a server answers with another disk: I/O waits for the user */ \
	X(EXPIRED, "expired")         /* the dead timeout has passed: I/O fails until the server is back */ \
	X(GIVING, "giving")           /* another supervisor is offered the device: nothing else is done */ \
	X(DETACHING, "detaching")     /* asked to detach: look for users, flush, disconnect */ \
	X(LEAVING, "leaving")         /* asked to end: the same, but a device in use stays attached */ \
	X(ENDED, "ended")             /* nothing more will happen */

#define FSM_EVENT_LIST(X) \
	X(DIALLED, "dialled")         /* a first connection is ready and can be attached */ \
	X(DIAL_RETRY, "dial-retry")   /* no connection, and the user asked to keep trying */ \
	X(GIVE_UP, "give-up")         /* no connection or no device, for good */ \
	X(RETRY_DUE, "retry-due")     /* the pause is over */ \
	X(JOINED, "joined")           /* all connections are ready */ \
	X(CONFIGURED, "configured")   /* the kernel has the device */ \
	X(ADOPTED, "adopted")         /* the device is ours, dead or alive */ \
	X(LINK_DEAD, "link-dead")     /* a connection died, another is alive */ \
	X(LINKS_DEAD, "links-dead")   /* the last connection died */ \
	X(REDIALLED, "redialled")     /* a new connection to the same export is ready */ \
	X(CHANGED, "changed")         /* a server answers, but it is not the same, or it refuses */ \
	X(DIFFERS, "differs")         /* a server answers, with another disk behind the same export */ \
	X(HEALED, "healed")           /* a hand-over is over, whenever it began: all are alive */ \
	X(PART_HEALED, "part-healed") /* some are */ \
	X(NOT_HEALED, "not-healed")   /* none is */ \
	X(EXPIRE, "expire")           /* the dead timeout has passed */ \
	X(TAKEN, "taken")             /* another program detached the device */ \
	X(GIVE, "give")               /* another supervisor asks for the device, which is well */ \
	X(GIVEN, "given")             /* it is in charge now */ \
	X(TERMINATE, "terminate")     /* SIGTERM, SIGINT */ \
	X(DETACH, "detach")           /* `nbd-attach --detach` */ \
	X(RELEASED, "released")       /* the device is detached and free */ \
	X(KEPT, "kept")               /* in use, or not flushed; not given away; not taken over in time */ \
	X(STAY, "stay")               /* the same, and it would end with its supervisor */

#define FSM_ACTION_LIST(X) \
	X(NOTHING, "nothing") \
	X(DIAL, "dial")             /* dial the first connection */ \
	X(PAUSE, "pause")           /* start the pause */ \
	X(JOIN, "join")             /* dial the further connections */ \
	X(CONFIGURE, "configure")   /* hand the sockets to the kernel */ \
	X(ADOPT, "adopt")           /* find out how an attached device is doing */ \
	X(ANNOUNCE, "announce")     /* the device is ready: tell its callers */ \
	X(REDIAL, "redial")         /* say what is lost, and dial until it is replaced */ \
	X(LOSE, "lose")             /* say that none is left while new ones are being handed over */ \
	X(HEAL, "heal")             /* hand new connections to the kernel */ \
	X(RECOVER, "recover")       /* say that it is back; go on dialling for what is missing */ \
	X(COMPLAIN, "complain")     /* say why the server that answers is not used */ \
	X(HOLD, "hold")             /* say it, and stop the clock of the dead timeout */ \
	X(FAIL_IO, "fail-io")       /* make the kernel fail waiting requests */ \
	X(REMEMBER, "remember")     /* a signal came while the kernel works: raise it again afterwards */ \
	X(RELEASE, "release")       /* look for users, flush, disconnect */ \
	X(RECHECK, "recheck")       /* not detached: answer, and check the connections again */ \
	X(OFFER, "offer")           /* offer the device to the supervisor that asks */ \
	X(KEEP, "keep")             /* not given away: look at the connections again */ \
	X(BUSY, "busy")             /* answer that a detach is under way, or not yet possible */ \
	X(END_FAILED, "end-failed") /* end: nothing is attached, and the error says why */ \
	X(END_QUIT, "end-quit")     /* end: asked to before anything was attached */ \
	X(END_DONE, "end-done")     /* end: detached as asked */ \
	X(END_LEFT, "end-left")     /* end: the device stays attached, because it is in use */ \
	X(END_GIVEN, "end-given")   /* end: another supervisor is in charge */ \
	X(END_TAKEN, "end-taken")   /* end: the device is no longer ours */

#define FSM_ITEM(item, name) FSM_##item,
/* clang-format on */

enum fsm_state { FSM_STATE_LIST(FSM_ITEM) FSM_STATES };
enum fsm_event { FSM_EVENT_LIST(FSM_ITEM) FSM_EVENTS };
enum fsm_action { FSM_ACTION_LIST(FSM_ITEM) FSM_ACTIONS };

struct fsm_step {
	enum fsm_state next;
	enum fsm_action action;
};

/* A pair without a row in the table stays in its state and does nothing. */
struct fsm_step fsm_step(enum fsm_state state, enum fsm_event event);

/* The number of rows, for the test that finds a row that can never be reached. */
unsigned fsm_rows(void);

/* Lower-case names, as `--status` and the man page show them. */
const char *fsm_state_name(enum fsm_state state);
const char *fsm_event_name(enum fsm_event event);
const char *fsm_action_name(enum fsm_action action);

#endif
