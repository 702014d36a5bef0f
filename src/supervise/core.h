/* SPDX-License-Identifier: MIT */
/*
 * The supervisor, for the files of its core: no part knows it. It holds the parts and what belongs
 * to no part. Each file of the core has a header of its own, with what the others may call.
 */
#ifndef SUPERVISE_CORE_H
#define SUPERVISE_CORE_H

#include "runtime/given.h"
#include "supervise/attachment.h"
#include "supervise/errors.h"
#include "supervise/fsm.h"
#include "supervise/outage.h"
#include "supervise/part.h"
#include "supervise/queue.h"
#include "supervise/reconnect/spares.h"
#include "supervise/report/serving.h"
#include "supervise/supervisor.h"

struct supervisor {
	struct supervisor_config cfg;
	struct attachment at;
	struct part_env env;

	/* The steps. */
	enum fsm_state state;
	struct queue queue;
	bool stepping;	       /* an action is being carried out */
	bool touched;	       /* the status must be reported when the queue is empty */
	const char *hurry_due; /* reconnect_hurry() is called then, for this reason */

	/* The parts. Each file includes the headers of those that it uses. */
	struct attach *attach;
	struct takeover *takeover; /* NULL: the device was not attached before */
	struct watch *watch;
	struct links *links; /* those of the watch */
	struct reconnect *reconnect;
	struct handover *handover;
	struct resize *resize;
	struct farewell *farewell;
	struct detach *detach;
	struct requests *requests;
	struct report *report;
	struct alarm *alarm;
	struct given given;    /* descriptors of a supervisor before this one */
	struct giving *giving; /* NULL: no other supervisor asks for the device */
	struct renewal *heir;  /* the process that may take the device from us; NULL: none */
	bool heir_named;       /* the service manager believes that the heir is in charge */
	bool is_heir;	       /* we are that process of another supervisor */

	struct captive *captive; /* NULL: the server is not ours */
	struct relays *relays;	 /* of all helpers */
	struct helpers *helpers; /* of the first server */
	struct spares spares;
	struct serving serving;
	/*
	 * The server whose connections the kernel uses. at.server and serving may already describe
	 * a new one, which the kernel may still decline.
	 */
	struct {
		char server[sizeof(((struct attachment *)NULL)->server)];
		struct serving serving;
	} in_use;
	struct outage outage;
	struct errors errors;
	struct loop_io *log_io; /* the kernel's log has a new record; NULL: not followed now */
	struct loop_timer *log_pause; /* until it is read */
	struct loop_timer *meanwhile, *expiry;
	bool locked;	      /* our memory is locked */
	unsigned alive_said;  /* live connections at the last log line about them */
	bool fail_now;	      /* I/O must fail in this outage before the dead timeout */
	bool force, prepared; /* of the current detach */
	bool left;	      /* the device stays attached when we end */
};

/* supervisor.c: opens the kernel's interface, if it is not open. 0 or -errno with *err. */
int supervisor_open_kernel(struct supervisor *s, struct err *err);

/*
 * supervisor.c: makes the helpers for handshakes with a server, with that number of workers ready.
 * 0 or -errno with *err; to be freed by helpers_free().
 */
int supervisor_make_helpers(struct supervisor *s, const struct endpoint *e, size_t spares,
			    struct helpers **ret_helpers, struct err *err);

#endif
