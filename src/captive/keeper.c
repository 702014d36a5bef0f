/* SPDX-License-Identifier: MIT */
/* Long: the keeper is one process, and its life is read from the start to the end. */
#include "captive/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/held.h"
#include "base/hung-up.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/text.h"
#include "captive/keeper-log.h"
#include "runtime/lock.h"
#include "runtime/rundir-socket.h"
#include "captive/strays.h"
#include "captive/command.h"

#define BACKLOG	       16
#define STEADY_MS      1000  /* ms: a server that lives this long has started well */
#define COMPLAINT_MS   10000 /* a busy machine may take this long to find a wrong option */
#define PAUSE_FIRST_MS 20    /* after the first failed start; doubled with each further one */
#define PAUSE_MAX_MS   5000
#define END_MS	       5000 /* from SIGTERM to SIGKILL */
#define SHOWN_MAX      300  /* of the server's last line, in an error */

struct keeper {
	const char *id;
	const struct captive_spec *spec;
	const char *name; /* the server's */
	struct command_user user;
	struct loop *loop;
	struct loop_io *listen_io, *signal_io, *error_io;
	struct loop_timer *pause, *steady;
	int lock, listen_fd, signal_fd, error_fd[2];
	int held_fd; /* a copy of a new server's connection; -1: none */
	pid_t pid;   /* of the server; 0: none */
	uint64_t started;
	bool stopping;
	bool proved; /* a server has once lived for COMPLAINT_MS */
	struct captive_status status;
	struct keeper_log log;
};

static void tell(struct keeper *k)
{
	captive_status_write(k->id, &k->status);
}

static void log_server(const char *line, void *arg)
{
	const struct keeper *k = arg;

	log_notice("%s: %s", k->name, line);
}

static void read_errors(int fd, uint32_t events, void *arg)
{
	struct keeper *k = arg;
	char buf[4096];
	ssize_t n = read(fd, buf, sizeof(buf));

	(void)events;
	if (n > 0)
		keeper_log_add(&k->log, buf, (size_t)n, loop_now());
}

/* A strays_fn. A server whose last output is not read would block, and then be killed. */
static void read_more_errors(void *arg)
{
	struct keeper *k = arg;
	char buf[4096];
	ssize_t n;

	/* Bounded, because a process that the server has left may write forever. */
	for (int i = 0; i < 64 && (n = read(k->error_fd[0], buf, sizeof(buf))) > 0; i++)
		keeper_log_add(&k->log, buf, (size_t)n, loop_now());
}

static void read_last_errors(struct keeper *k)
{
	read_more_errors(k);
	keeper_log_end(&k->log, loop_now());
}

static void wait_for_client(struct keeper *k);

static void pause_over(void *arg)
{
	wait_for_client(arg);
}

/*
 * A setting of a socket applies to every process that has it: the server gets a blocking one, as
 * from systemd, and may have changed this when the keeper uses the socket again.
 */
static void let_block(const struct keeper *k, bool blocks)
{
	int flags = fcntl(k->listen_fd, F_GETFL);

	fcntl(k->listen_fd, F_SETFL, blocks ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

static void release_held(void *arg)
{
	struct keeper *k = arg;

	close_fdp(&k->held_fd);
	k->held_fd = -1;
}

/*
 * If the server does not start, waiting clients see the end of their connection. If each connection
 * has its own server, only the client of that server does.
 */
static void turn_away(struct keeper *k)
{
	int fd;

	release_held(k);
	let_block(k, false);
	while (!k->spec->stdio && (fd = accept4(k->listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		close(fd);
}

static uint32_t pause_ms(unsigned failures)
{
	uint32_t ms = PAUSE_FIRST_MS;

	while (failures-- > 1 && ms < PAUSE_MAX_MS)
		ms *= 2;
	return ms < PAUSE_MAX_MS ? ms : PAUSE_MAX_MS;
}

/* The server could not be started, or has ended at once. */
static void count_failure(struct keeper *k)
{
	k->status.failures++;
	tell(k);
	turn_away(k);
}

static void start_later(struct keeper *k)
{
	if (held_root_is_gone()) /* a supervisor in the real root can start another keeper */
		loop_stop(k->loop, 0);
	else
		loop_timer_set(k->pause, pause_ms(k->status.failures));
}

static void describe_end(struct keeper *k, int status)
{
	char shown[SHOWN_MAX] = "";
	struct err err;
	struct text t;

	text_init(&t, shown, sizeof(shown));
	text_str(&t, k->log.last);
	command_explain_end(k->name, status, k->proved, shown, &err);
	k->status.kind = err.kind;
	memcpy(k->status.error, err.message, sizeof(k->status.error));
}

/* Tells waiting processes first, because ending the server's processes may take seconds. */
static void ended(struct keeper *k, int status)
{
	uint64_t lived = loop_now() - k->started;
	bool at_once = lived < STEADY_MS;
	unsigned strays;

	loop_timer_cancel(k->steady);
	read_last_errors(k);
	k->proved = k->proved || lived >= COMPLAINT_MS;
	describe_end(k, status);
	log_line(WIFEXITED(status) && WEXITSTATUS(status) == 0 ? LOG_INFO : LOG_WARNING, "%s",
		 k->status.error);
	k->status.pid = 0;
	if (at_once) {
		count_failure(k);
	} else {
		k->status.failures = 0;
		tell(k);
		release_held(k);
	}
	strays = strays_end(k->pid, END_MS, read_more_errors, k);
	if (strays)
		log_warning("%s left %u processes running, and nbd-attach ended them", k->name,
			    strays);
	k->pid = 0;
	if (at_once)
		start_later(k);
	else
		wait_for_client(k);
}

static void reap(struct keeper *k)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == k->pid) {
			ended(k, status);
			return; /* it has reaped the others */
		}
}

static void stop(struct keeper *k)
{
	if (k->stopping)
		return;
	k->stopping = true;
	loop_io_free(TAKE_PTR(k->listen_io));
	loop_timer_cancel(k->pause);
	/* The server may need time to write its data: the limit is that of strays_end(). */
	if (k->pid)
		strays_end(k->pid, END_MS, read_more_errors, k);
	read_last_errors(k);
	loop_stop(k->loop, 0);
}

static void signalled(int fd, uint32_t events, void *arg)
{
	struct signalfd_siginfo info;
	struct keeper *k = arg;

	(void)events;
	if (read(fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGCHLD)
		reap(k);
	else
		stop(k);
}

/* A connection whose other end lives, or -1. */
static int next_client(struct keeper *k)
{
	int fd;

	while ((fd = accept4(k->listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		if (!hung_up(fd))
			return fd;
		close(fd);
	}
	return -1;
}

static void start_server(struct keeper *k)
{
	struct command command = {
	    .argv = k->spec->argv,
	    .user = k->spec->user ? &k->user : NULL,
	    .listen_fd = k->listen_fd,
	    .stdio_fd = -1,
	    .error_fd = k->error_fd[1],
	};
	struct err err;

	if (k->spec->stdio) {
		k->held_fd = next_client(k);
		if (k->held_fd < 0) {
			if (loop_must_pause(errno)) {
				loop_io_free(TAKE_PTR(k->listen_io));
				loop_timer_set(k->pause, PAUSE_MAX_MS);
			}
			return;
		}
		command.stdio_fd = k->held_fd;
		command.listen_fd = -1;
	} else {
		let_block(k, true);
	}
	loop_io_free(TAKE_PTR(k->listen_io));
	k->log.last[0] = '\0';
	k->started = loop_now();
	k->status.starts++;
	if (command_start(&command, &k->pid, &err) < 0) {
		k->pid = 0;
		k->status.kind = err.kind;
		memcpy(k->status.error, err.message, sizeof(k->status.error));
		log_warning("%s", err.message);
		count_failure(k);
		start_later(k);
		return;
	}
	k->status.pid = k->pid;
	tell(k);
	loop_timer_set(k->steady, STEADY_MS);
	log_info("%s is running as process %d", k->name, k->pid);
}

static void client_came(int fd, uint32_t events, void *arg)
{
	(void)fd;
	(void)events;
	start_server(arg);
}

static void wait_for_client(struct keeper *k)
{
	if (!k->listen_io && !k->stopping)
		k->listen_io = loop_io_new(k->loop, k->listen_fd, EPOLLIN, client_came, k);
}

/* The socket of a server that has started well is the server's alone, so that its end shows. */
static void steady(void *arg)
{
	struct keeper *k = arg;

	release_held(k);
	k->status.failures = 0;
	tell(k);
}

static int listen_at(struct keeper *k, struct err *err)
{
	struct rundir_path path = captive_path(k->id, "sock");
	int ret = rundir_listen(path.text, SOCK_STREAM, BACKLOG);

	if (ret < 0)
		return err_errno(err, ERR_SYSTEM, -ret, "cannot listen at %s", path.text);
	k->listen_fd = ret;
	return 0;
}

static int catch_signals(struct keeper *k)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_SETMASK, &set, NULL);
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN); /* our standard error may end before us */
	k->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (k->signal_fd < 0)
		return -errno;
	k->signal_io = loop_io_new(k->loop, k->signal_fd, EPOLLIN, signalled, k);
	return k->signal_io ? 0 : -errno;
}

static int prepare(struct keeper *k, struct err *err)
{
	struct rundir_path lock = captive_path(k->id, "lock");
	int ret = lock_take(lock.text, "this captive server", &k->lock, err);

	if (ret == 0 && lock_identify(k->lock) < 0)
		return err_errno(err, ERR_SYSTEM, errno, "cannot lock %s", lock.text);
	if (ret == 0 && !captive_wanted_still(k->id))
		return err_set(err, ERR_FAILED, ESRCH,
			       "the device of the server %s has been detached in the meantime",
			       k->name);
	if (ret == 0 && k->spec->user)
		ret = command_user_find(k->spec->user, &k->user, err);
	if (ret < 0)
		return ret;
	/* A killed keeper may have left a running server; two must never use one image. */
	strays_end_marked(CAPTIVE_MARK, k->id, END_MS);
	if (setenv(CAPTIVE_MARK, k->id, 1) < 0)
		return err_set(err, ERR_SYSTEM, ENOMEM, "out of memory");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	k->loop = loop_new();
	if (!k->loop || catch_signals(k) < 0 || pipe2(k->error_fd, O_CLOEXEC) < 0 ||
	    fcntl(k->error_fd[0], F_SETFL, O_NONBLOCK) < 0)
		return err_errno(err, ERR_SYSTEM, errno,
				 "cannot prepare the signals and the event loop of the keeper");
	k->error_io = loop_io_new(k->loop, k->error_fd[0], EPOLLIN, read_errors, k);
	k->pause = loop_timer_new(k->loop, pause_over, k);
	k->steady = loop_timer_new(k->loop, steady, k);
	if (!k->error_io || !k->pause || !k->steady)
		return err_set(err, ERR_SYSTEM, ENOMEM, "out of memory");
	return listen_at(k, err);
}

static void done(struct keeper *k)
{
	loop_io_free(k->listen_io);
	loop_io_free(k->signal_io);
	loop_io_free(k->error_io);
	loop_timer_free(k->pause);
	loop_timer_free(k->steady);
	loop_free(k->loop);
	close_fdp(&k->listen_fd);
	close_fdp(&k->signal_fd);
	close_fdp(&k->held_fd);
	close_fdp(&k->error_fd[0]);
	close_fdp(&k->error_fd[1]);
	close_fdp(&k->lock);
}

int keeper_run(const char *id, const struct captive_spec *spec)
{
	struct keeper k = {.id = id,
			   .spec = spec,
			   .name = command_name(spec->argv),
			   .lock = -1,
			   .listen_fd = -1,
			   .signal_fd = -1,
			   .held_fd = -1,
			   .error_fd = {-1, -1},
			   .status.kind = ERR_RETRY};
	struct err err;
	int status;

	keeper_log_init(&k.log, log_server, &k);
	if (prepare(&k, &err) < 0) {
		log_error("%s", err.message);
		k.status.kind = err.kind;
		memcpy(k.status.error, err.message, sizeof(k.status.error));
		if (k.lock >= 0 && captive_wanted_still(id))
			tell(&k);
		else if (k.lock >= 0) /* or the files are another keeper's */
			captive_files_remove(id);
		status = err_exit_status(err.kind);
	} else {
		tell(&k);
		wait_for_client(&k);
		status = loop_run(k.loop);
		captive_files_remove(id);
	}
	done(&k);
	return status;
}
