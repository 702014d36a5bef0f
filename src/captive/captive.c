/* SPDX-License-Identifier: MIT */
#include "captive/captive.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/held.h"
#include "base/log.h"
#include "base/proc-stat.h"
#include "base/protect.h"
#include "base/text.h"
#include "captive/launch.h"
#include "captive/orphans.h"
#include "runtime/lock.h"
#include "captive/strays.h"
#include "captive/command.h"

#define STEP_MS	      2
#define START_MS      10000 /* a keeper needs milliseconds */
#define UNIT_MS	      60000 /* systemd has much to do while a machine boots */
#define ENDING_MS     30
#define NEWS_MS	      200
#define AGAIN_MS      500 /* between the end of a keeper and its successor, and to look for that */
#define AGAIN_UNIT_MS 5000
#define END_MS	      15000 /* beyond every bound of the keeper's */
#define KILLED_MS     2000
#define STRAYS_MS     5000

struct captive {
	struct loop *loop;
	struct captive_spec spec;
	struct endpoint endpoint;
	char id[CAPTIVE_ID_MAX];
	char *directory, *unit;
	bool foreground;
	uid_t uid; /* of --user; (uid_t)-1: the caller's */
	struct loop_timer *again;
	struct loop_io *io;
	int pidfd; /* the keeper's; -1: not known to be alive */
};

static void pause_ms(unsigned ms)
{
	const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	nanosleep(&t, NULL);
}

/* A pidfd of a keeper that lives, or -1. */
static int open_keeper(const char *id)
{
	return lock_pidfd(captive_path(id, "lock").text);
}

static int launch(struct captive *c, struct err *err)
{
	const struct captive_launch l = {
	    .id = c->id,
	    .spec = &c->spec,
	    .directory = c->directory,
	    .foreground = c->foreground,
	    .unit = c->unit,
	};

	held_unlink(captive_path(c->id, "status").text);
	captive_want(c->id, true);
	return captive_launch(&l, err);
}

static void keeper_died(int fd, uint32_t events, void *arg)
{
	struct captive *c = arg;

	(void)fd;
	(void)events;
	loop_io_free(TAKE_PTR(c->io));
	close_fdp(&c->pidfd);
	c->pidfd = -1;
	log_warning("the keeper of the server %s has died: starting another one",
		    command_name(c->spec.argv));
	loop_timer_set(c->again, AGAIN_MS);
}

static bool watch(struct captive *c)
{
	if (c->pidfd < 0)
		c->pidfd = open_keeper(c->id);
	if (c->pidfd >= 0 && !c->io)
		c->io = loop_io_new(c->loop, c->pidfd, EPOLLIN, keeper_died, c);
	return c->io != NULL;
}

/* The initramfs in which this process was started is gone, and with it the program of a keeper. */
static void give_up(const struct captive *c)
{
	struct captive_status s = {.kind = ERR_RETRY};
	struct err err;

	command_unavailable(command_name(c->spec.argv), &err);
	memcpy(s.error, err.message, sizeof(s.error));
	captive_status_write(c->id, &s);
	log_error("%s", err.message);
}

static void look_again(void *arg)
{
	struct captive *c = arg;
	struct err err;

	if (watch(c))
		return;
	if (held_root_is_gone()) {
		give_up(c);
		return;
	}
	if (launch(c, &err) < 0)
		log_error("%s", err.message);
	loop_timer_set(c->again, c->unit ? AGAIN_UNIT_MS : AGAIN_MS);
}

/* The path of its socket follows from the ID. */
static int settle(struct captive *c, const char *id)
{
	struct rundir_path path = captive_path(id, "sock");
	char *copy = strdup(path.text);

	if (!copy)
		return -ENOMEM;
	snprintf(c->id, sizeof(c->id), "%s", id);
	free(c->endpoint.path);
	c->endpoint.path = copy;
	c->endpoint.path_len = strlen(copy);
	return 0;
}

int captive_new(struct loop *loop, const struct captive_spec *spec, const char *export_name,
		bool foreground, struct captive **ret_captive, struct err *err)
{
	_cleanup_free_ char *directory = NULL;
	struct captive *c;
	struct command_user user = {.uid = (uid_t)-1};
	char id[CAPTIVE_ID_MAX];
	int ret = spec->user ? command_user_find(spec->user, &user, err) : 0;

	if (ret < 0)
		return ret;
	directory = getcwd(NULL, 0);
	if (!directory)
		return err_errno(err, ERR_FAILED, errno, "cannot find the working directory");
	c = calloc(1, sizeof(*c));
	if (!c)
		return err_set(err, ERR_SYSTEM, ENOMEM, "out of memory");
	*c = (struct captive){
	    .loop = loop, .spec = *spec, .foreground = foreground, .uid = user.uid, .pidfd = -1};
	endpoint_init(&c->endpoint);
	c->endpoint.type = ENDPOINT_UNIX;
	c->endpoint.export_name = strdup(export_name ? export_name : "");
	c->directory = TAKE_PTR(directory);
	c->again = loop_timer_new(loop, look_again, c);
	captive_in_unit(foreground, &c->unit);
	captive_id_make(id);
	if (!c->endpoint.export_name || !c->again || settle(c, id) < 0) {
		captive_free(c);
		return err_set(err, ERR_SYSTEM, ENOMEM, "out of memory");
	}
	*ret_captive = c;
	return 0;
}

void captive_free(struct captive *c)
{
	if (!c)
		return;
	loop_io_free(c->io);
	loop_timer_free(c->again);
	close_fdp(&c->pidfd);
	endpoint_done(&c->endpoint);
	free(c->directory);
	free(c->unit);
	free(c);
}

uid_t captive_uid(const struct captive *c)
{
	return c->uid;
}

const struct endpoint *captive_endpoint(const struct captive *c)
{
	return &c->endpoint;
}

/* 0: it listens; -EAGAIN: not yet; else it failed. */
static int keeper_state(struct captive *c, struct err *err)
{
	struct captive_status status;
	struct rundir_path sock = captive_path(c->id, "sock");

	if (!captive_status_read(c->id, &status))
		return -EAGAIN;
	if (held_access(sock.text) == 0)
		return watch(c) ? 0 : -EAGAIN;
	return err_set(err, status.kind, ECHILD, "%s",
		       status.error[0] ? status.error : "the keeper of the server has ended");
}

int captive_start(struct captive *c, struct err *err)
{
	unsigned limit = c->unit ? UNIT_MS : START_MS;
	uint64_t end;
	int ret;

	if (protect_root())
		log_warning("the server %s cannot be started again when the initramfs is gone: "
			    "detach the device before the change to the real root",
			    command_name(c->spec.argv));
	captive_end_orphans(); /* one may have the very image that ours needs */
	end = loop_now() + limit;
	ret = launch(c, err);
	if (ret < 0)
		return ret;
	while ((ret = keeper_state(c, err)) == -EAGAIN && loop_now() < end)
		pause_ms(STEP_MS);
	if (ret == -EAGAIN)
		ret = err_set(err, ERR_SYSTEM, ETIMEDOUT,
			      "the keeper of the server did not start within %u s%s", limit / 1000,
			      c->unit ? ": see the log of systemd-run(1)" : "");
	if (ret < 0) {
		captive_end(c);
		captive_files_remove(c->id);
	}
	return ret;
}

void captive_resume(struct captive *c, int index, const char *identifier)
{
	struct state *state = calloc(1, sizeof(*state));
	struct err err;

	if (state && state_read(index, state, &err) == 0 && captive_id_valid(state->captive) &&
	    strcmp(state->identifier, identifier) == 0)
		settle(c, state->captive);
	free(state);
	look_again(c);
}

static void end_keeper(int pidfd)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0);
	if (poll(&p, 1, END_MS) > 0)
		return;
	syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	poll(&p, 1, KILLED_MS);
}

void captive_end_alone(const char *id)
{
	_cleanup_fd_ int pidfd = -1;

	if (!captive_id_valid(id))
		return;
	captive_want(id, false);
	pidfd = open_keeper(id);
	if (pidfd >= 0)
		end_keeper(pidfd);
	/* What a keeper that was killed could not end. */
	strays_end_marked(CAPTIVE_MARK, id, STRAYS_MS);
	captive_files_remove(id);
}

void captive_end(struct captive *c)
{
	loop_timer_cancel(c->again);
	loop_io_free(TAKE_PTR(c->io));
	close_fdp(&c->pidfd);
	c->pidfd = -1;
	captive_end_alone(c->id);
}

/* False: it has ended, whether or not its keeper has said so. */
static bool runs(int pid)
{
	struct proc_stat stat;

	/* A unit may hide other users' processes (ProtectProc=). */
	if (!proc_stat_read(pid, &stat))
		return kill(pid, 0) == 0 || errno == EPERM;
	return stat.state != 'Z' && stat.state != 'X';
}

static bool fresh_status(const struct captive *c, struct captive_status *s)
{
	bool known = captive_status_read(c->id, s);

	/* A process that ends closes its connections before it has ended. */
	for (unsigned ms = 0; known && s->pid && runs(s->pid) && ms < ENDING_MS; ms += STEP_MS)
		pause_ms(STEP_MS);
	for (unsigned ms = 0; known && s->pid && !runs(s->pid) && ms < NEWS_MS; ms += STEP_MS) {
		pause_ms(STEP_MS);
		known = captive_status_read(c->id, s);
	}
	return known;
}

void captive_explain(const struct captive *c, bool first, struct err *err)
{
	const char *name = command_name(c->spec.argv);
	struct captive_status s;

	if (err->kind != ERR_RETRY && err->kind != ERR_PERMANENT)
		return;
	if (!fresh_status(c, &s))
		return;
	if (s.pid)
		err_prefix(err, "the server %s (process %d): ", name, s.pid);
	else if (s.error[0])
		err_set(err, s.kind == ERR_PERMANENT && !first ? ERR_RETRY : s.kind, ECHILD, "%s",
			s.error);
}

void captive_report(const struct captive *c, struct state *report)
{
	struct captive_status s = {.pid = 0};
	const char *name = command_name(c->spec.argv);
	struct text t;

	captive_status_read(c->id, &s);
	snprintf(report->captive, sizeof(report->captive), "%s", c->id);
	report->captive_pid = s.pid && runs(s.pid) ? s.pid : 0;
	report->captive_starts = s.starts;
	text_init(&t, report->captive_state, sizeof(report->captive_state));
	text_escape(&t, name, strlen(name), 64);
	text_str(&t, report->captive_pid ? " runs, process "
		     : s.failures	 ? " does not start, failures in a row: "
					 : " does not run");
	if (report->captive_pid || s.failures)
		text_u64(&t, report->captive_pid ? (uint64_t)report->captive_pid : s.failures);
	text_str(&t, ", starts: ");
	text_u64(&t, s.starts);
	if (c->spec.stdio)
		text_str(&t, ", one for each connection");
}
