/* SPDX-License-Identifier: MIT */
/*
 * The supervisor's own: shared by its three files and by nobody else. supervisor.c makes and ends
 * it, supervisor-actions.c carries the table out, supervisor-start.c gets a device to the kernel.
 */
#ifndef SUPERVISE_SUPERVISOR_PRIVATE_H
#define SUPERVISE_SUPERVISOR_PRIVATE_H

#include "base/offload.h"
#include "report/state.h"
#include "supervise/configure.h"
#include "supervise/control.h"
#include "supervise/dialler.h"
#include "supervise/fsm.h"
#include "supervise/links.h"
#include "supervise/plan.h"
#include "supervise/release.h"
#include "supervise/supervisor.h"

struct supervisor {
	struct supervisor_config cfg;
	enum fsm_state state;
	struct loop *loop;
	struct offload *offload;
	struct kernel *kernel;
	struct dialler *dialler;
	struct links *links;
	struct control *control;
	struct release *release;
	struct loop_io *signal_io, *kernel_io;
	struct loop_timer *pause, *settle;
	int signal_fd, device_lock, identifier_lock;

	int index; /* -1 until it is known */
	struct plan plan;
	struct configure configure;
	struct state report;
	uint64_t wait_end;
	bool term_pending; /* FSM_REMEMBER */
	bool force;	   /* of the detach under way */
	bool waiting_said; /* one line for a long wait */
	bool left;	   /* the device stays attached when we end */
	struct err err;	   /* why the next failure event is raised */
};

/* Takes one step of the table and carries its action out, which may raise further events. */
void supervisor_raise(struct supervisor *s, enum fsm_event event);
void supervisor_carry_out(struct supervisor *s, enum fsm_action action);

/* What the dialler reports to (a dialler_fn). */
void supervisor_dialled(int ret, const struct err *err, void *arg);
/* FSM_CONFIGURE: hands the connections to the kernel, on the helper thread. */
void supervisor_configure(struct supervisor *s);

/* A request on the control socket (a control_fn). */
void supervisor_asked(bool force, void *arg);
/* A look at the device and its connections, when either may have changed (a loop_timer_fn). */
void supervisor_look(void *arg);
/* A hang-up (a links_fn) and a message from the kernel (a loop_io_fn) both lead to a look. */
void supervisor_link_died(unsigned alive, void *arg);
void supervisor_kernel_spoke(int fd, uint32_t events, void *arg);

#endif
