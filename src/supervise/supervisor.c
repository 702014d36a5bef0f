/* SPDX-License-Identifier: MIT */
#include "supervise/supervisor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/held.h"
#include "base/log.h"
#include "base/protect.h"
#include "captive/captive.h"
#include "kernel/queue-reader.h"
#include "kernel/sysfs.h"
#include "runtime/lock.h"
#include "runtime/marks.h"
#include "runtime/rundir.h"
#include "supervise/actions-alarm.h"
#include "supervise/actions-outage.h"
#include "supervise/actions.h"
#include "supervise/asking.h"
#include "supervise/attach/adopt.h"
#include "supervise/attach/attach.h"
#include "supervise/attach/configure.h"
#include "supervise/attach/takeover.h"
#include "supervise/attaching.h"
#include "supervise/background.h"
#include "supervise/core.h"
#include "supervise/detach/detach.h"
#include "supervise/farewell/farewell.h"
#include "supervise/finding.h"
#include "supervise/growing.h"
#include "supervise/handover/handover.h"
#include "supervise/inheriting.h"
#include "supervise/keeping.h"
#include "supervise/readying.h"
#include "supervise/reconnect/reconnect.h"
#include "supervise/report/alarm.h"
#include "supervise/report/report.h"
#include "supervise/requests/requests.h"
#include "supervise/resize/resize.h"
#include "supervise/steps.h"
#include "supervise/succession/giving.h"
#include "supervise/succession/renewal.h"
#include "supervise/telling.h"
#include "supervise/timeouts.h"
#include "supervise/watch/watch.h"
#include "supervise/watching.h"

#define MEANWHILE_MS	  1    /* enough time to connect to a near server */
#define ANNOUNCE_LIMIT_MS 2000 /* for the last command of --on-change at the end */

int supervisor_open_kernel(struct supervisor *s, struct err *err)
{
	/* A device that heals was asked for, and ioctl cannot make one: only if the user says so.
	 */
	enum kernel_backend backend =
	    s->cfg.backend == KERNEL_BACKEND_AUTO ? KERNEL_BACKEND_NETLINK : s->cfg.backend;
	bool fallback;
	int ret;

	if (s->env.kernel)
		return 0;
	ret = kernel_new(backend, &s->env.kernel, &fallback, err);
	if (ret < 0)
		return ret;
	if (!kernel_can_change(s->env.kernel)) {
		s->cfg.reconnect = false;
		log_warning("using ioctl: the device ends with this process or its connection, and "
			    "cannot be recognised by its identifier");
	}
	if (watch_listen(s->watch) < 0)
		return err_set(err, ERR_SYSTEM, ENOMEM, "out of memory");
	return 0;
}

/* What takes a few ms and needs no server is done while the server answers the first handshake. */
static void use_the_wait(void *arg)
{
	struct supervisor *s = arg;
	struct err err;

	if (supervisor_open_kernel(s, &err) < 0)
		supervisor_post(s, FSM_GIVE_UP, &err);
	else
		supervisor_protect_memory(s);
}

static int prepare_loop(struct supervisor *s)
{
	s->env.loop = loop_new();
	if (!s->env.loop || supervisor_prepare_requests(s) < 0)
		return -ENOMEM;
	s->env.offload = offload_new(s->env.loop);
	s->meanwhile = loop_timer_new(s->env.loop, use_the_wait, s);
	s->expiry = loop_timer_new(s->env.loop, supervisor_expire, s);
	s->relays = relays_new();
	if (!s->env.offload || !s->meanwhile || !s->expiry || !s->relays)
		return -ENOMEM;
	return supervisor_prepare_watch(s);
}

int supervisor_make_helpers(struct supervisor *s, const struct endpoint *e, size_t spares,
			    struct helpers **ret_helpers, struct err *err)
{
	struct helpers_config cfg = {
	    .spares = spares,
	    .relay = s->cfg.relay || endpoint_needs_relay(e),
	    /* Under swap or the root file system, a file may be out of reach in an outage. */
	    .zygote = s->cfg.swap || protect_root() ||
		      (s->cfg.index >= 0 && sysfs_attached(s->cfg.index)),
	    .relays = s->relays,
	    .tls = e->tls ? e : NULL,
	};

	cfg.lock_memory = cfg.relay;
	return helpers_new(s->env.loop, &cfg, ret_helpers, err);
}

static int prepare_helpers(struct supervisor *s, struct err *err)
{
	int ret;

	ret = supervisor_make_helpers(s, s->cfg.endpoint, 1, &s->helpers, err);
	if (ret == 0)
		ret = helpers_fill(s->helpers, err);
	if (ret < 0)
		return ret;
	return supervisor_prepare_attach(s, err);
}

/* A process may signal others of the same user: then the helpers are not protected from it. */
static void warn_of_shared_user(const struct supervisor *s)
{
	const struct sandbox *sandbox = helpers_sandbox(s->helpers);

	if (s->captive && captive_uid(s->captive) != (uid_t)-1 &&
	    captive_uid(s->captive) == sandbox_uid(sandbox))
		log_warning("the server runs as %s, as do the helper processes of nbd-attach: it "
			    "can end them, those of other devices as well; %s",
			    s->cfg.captive->user,
			    strcmp(sandbox_account(sandbox), SANDBOX_ACCOUNT) == 0
				? "choose another --user"
				: "make the account " SANDBOX_ACCOUNT ", which they then use, or "
				  "choose another --user");
}

static int lock_device(struct supervisor *s, struct err *err)
{
	struct rundir_path path = rundir_device(s->cfg.index, "lock");
	char what[32];
	int ret;

	snprintf(what, sizeof(what), "/dev/nbd%d", s->cfg.index);
	ret = lock_take(path.text, what, &s->at.device_lock, err);
	if (ret < 0 || !sysfs_attached(s->cfg.index))
		return ret;
	if (s->cfg.backend == KERNEL_BACKEND_IOCTL ||
	    !adopt_possible(s->cfg.index, s->at.identifier))
		return configure_attached_already(s->cfg.index, err);
	s->at.index = s->cfg.index;
	return 0;
}

/*
 * In the initramfs this process's paths end when the real root takes over, while the file systems
 * move there.
 */
static int keep_directories(struct err *err)
{
	const char *const dir[] = {rundir(), sysfs_root()};
	int ret;

	for (size_t i = 0; i < ARRAY_SIZE(dir); i++) {
		ret = held_keep(dir[i]);
		if (ret < 0)
			return err_errno(err, ERR_SYSTEM, -ret, "cannot open %s", dir[i]);
	}
	protect_directories();
	return 0;
}

/* Before memory is short; if that fails, each look at the device tries it again. */
static void start_queue_reader(void)
{
	int ret = queue_reader_start();

	if (ret < 0)
		log_warning("cannot start the process that reads the device's queue: %s",
			    strerror(-ret));
}

/* Two devices with one name would compete for /dev/disk/by-nbd/NAME. */
static int take_name(struct supervisor *s, struct err *err)
{
	struct rundir_path path;
	char what[96];

	if (!s->cfg.name || s->at.name_lock >= 0)
		return 0;
	path = rundir_name(s->cfg.name);
	snprintf(what, sizeof(what), "a device named %s", s->cfg.name);
	return lock_take(path.text, what, &s->at.name_lock, err);
}

/* Finds the device if it is given, or attached already: then s->at.index is set, to adopt it. */
static int find_device(struct supervisor *s, struct err *err)
{
	const struct own_wanted wanted = supervisor_wants(&s->cfg);

	if (s->at.device_lock >= 0)
		return 0; /* another supervisor has handed it over */
	if (s->cfg.index != SUPERVISOR_INDEX_AUTO)
		return lock_device(s, err);
	return s->cfg.backend != KERNEL_BACKEND_IOCTL ? takeover_find_own(&s->at, &wanted, err) : 0;
}

/* Whether a relay is needed between the kernel and the server. */
static void choose_way(struct supervisor *s)
{
	const struct endpoint *e = s->cfg.endpoint;
	struct err err;

	if (helpers_relay(s->helpers) || !e->tls || kernel_check_tls(&err) == 0)
		return;
	log_notice("%s: using a relay process", err.message);
	helpers_set_relay(s->helpers);
}

static int make_captive(struct supervisor *s, struct err *err)
{
	int ret;

	if (!s->cfg.captive)
		return 0;
	ret = captive_new(s->env.loop, s->cfg.captive, s->cfg.endpoint->export_name,
			  s->cfg.foreground, &s->captive, err);
	if (ret == 0)
		s->cfg.endpoint = captive_endpoint(s->captive);
	return ret;
}

/* The server itself is started by the first connection. */
static int start_captive(struct supervisor *s, struct err *err)
{
	if (s->captive && s->at.index >= 0)
		captive_resume(s->captive, s->at.index, s->at.identifier);
	return s->captive && s->at.index < 0 ? captive_start(s->captive, err) : 0;
}

/*
 * The worker confines itself while this process talks to the kernel. Every step that can fail
 * without the server comes before the first connection, so a wrong device does not disturb the
 * server.
 */
static int prepare(struct supervisor *s, struct err *err)
{
	int ret;

	if (prepare_loop(s) < 0)
		return err_errno(err, ERR_SYSTEM, errno, "cannot start the event loop");
	ret = supervisor_prepare_report(s, err); /* first: it clears the environment */
	if (ret == 0)
		supervisor_find_sockets(s);
	if (ret == 0)
		ret = supervisor_prepare_handover(s, err);
	if (ret == 0)
		ret = supervisor_prepare_alarm(s, err);
	if (ret == 0)
		ret = supervisor_prepare_detach(s, err);
	if (ret == 0)
		ret = make_captive(s, err);
	if (ret == 0)
		ret = prepare_helpers(s, err);
	if (ret == 0)
		warn_of_shared_user(s);
	if (ret == 0)
		ret = kernel_check(err);
	if (ret == 0)
		choose_way(s);
	if (ret == 0)
		ret = supervisor_prepare_reconnect(s, err);
	if (ret == 0)
		ret = supervisor_prepare_resize(s, err);
	if (ret == 0)
		ret = supervisor_prepare_farewell(s, err);
	if (ret == 0)
		ret = rundir_make(err);
	if (ret == 0)
		ret = keep_directories(err);
	if (ret == 0)
		start_queue_reader();
	if (ret == 0)
		ret = supervisor_succeed(s, err);
	if (ret == 0)
		ret = take_name(s, err);
	if (ret == 0)
		ret = find_device(s, err);
	if (ret == 0)
		ret = start_captive(s, err);
	if (ret == 0 && s->at.index >= 0)
		ret = supervisor_open_kernel(s, err);
	return ret;
}

/* Returns false if the helper thread is blocked and still uses the struct: then it is not freed. */
static bool done(struct supervisor *s)
{
	if (s->at.index >= 0 && !s->left) {
		state_remove(s->at.index);
		marks_remove(s->at.index);
	}
	giving_free(s->giving);
	renewal_free(s->heir);
	detach_free(s->detach);
	resize_stop(s->resize); /* it may have to answer a command */
	requests_send(s->requests);
	requests_free(s->requests);
	attach_stop(s->attach);
	handover_stop(s->handover); /* sockets that are ready may have relays, too */
	if (!s->left)
		reconnect_end_relays(s->reconnect);
	reconnect_free(s->reconnect);
	if (s->captive && !s->left)
		captive_end(s->captive);
	if (!s->left)
		helpers_end_relays(s->helpers);
	helpers_free(s->helpers);
	watch_stop_listening(s->watch);
	supervisor_end_sockets(s);
	report_end(s->report, ANNOUNCE_LIMIT_MS);
	alarm_free(s->alarm);
	if (!offload_free(s->env.offload))
		return false;
	kernel_free(s->env.kernel);
	handover_free(s->handover);
	report_free(s->report);
	attach_free(s->attach);
	resize_free(s->resize);
	farewell_free(s->farewell);
	takeover_free(s->takeover);
	watch_free(s->watch);
	relays_free(s->relays);
	captive_free(s->captive);
	loop_io_free(s->log_io);
	loop_timer_free(s->log_pause);
	loop_timer_free(s->meanwhile);
	loop_timer_free(s->expiry);
	loop_free(s->env.loop);
	given_close(&s->given);
	attachment_close(&s->at);
	queue_reader_end();
	return true;
}

int supervisor_run(const struct supervisor_config *cfg)
{
	struct supervisor *s = calloc(1, sizeof(*s));
	struct err err;
	bool idle;
	int status;

	if (!s) {
		log_error("out of memory");
		return err_exit_status(ERR_SYSTEM);
	}
	s->cfg = *cfg;
	if (cfg->foreground)
		given_from_manager(&s->given);
	s->is_heir = renewal_is_heir() && cfg->foreground;
	attachment_init(&s->at, cfg->identifier);
	s->at.resent_ms = timeouts_resent(cfg);
	s->env.at = &s->at;
	outage_init(&s->outage, cfg->dead_timeout_s);
	protect_early();
	if (prepare(s, &err) < 0) {
		log_error("%s", err.message);
		status = err_exit_status(err.kind);
		s->left = true;
	} else {
		s->state = s->at.index >= 0 ? FSM_ADOPTING : FSM_STARTING;
		if (s->at.index < 0)
			supervisor_forget_sockets(s);
		supervisor_begin(s, s->at.index >= 0 ? FSM_ADOPT : FSM_DIAL);
		loop_timer_set(s->meanwhile, MEANWHILE_MS);
		status = loop_run(s->env.loop);
	}
	idle = done(s);
	if (s->cfg.report_fd >= 0)
		background_report(s->cfg.report_fd, status, false);
	if (idle)
		free(s);
	return status;
}
