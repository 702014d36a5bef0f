/* SPDX-License-Identifier: MIT */
#include "verbs/passing.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/signals.h"
#include "captive/command.h"
#include "captive/strays.h"
#include "cli/server-captive.h"
#include "verbs/failure.h"

#define LETTERS	 6    /* at the end of a name, which mkdtemp(3) replaces */
#define BACKLOG	 16   /* connections */
#define END_MS	 5000 /* after this time a server that was asked to end is killed */
#define LAST_MS	 1000 /* for what SIGKILL does not end at once */
#define PAUSE_MS 10
/* How long a server that has closed its connection may take to end. */
#define DEATH_MS 1000

static struct {
	char directory[64];
	struct sockaddr_un at;
} place; /* for the handler of signals */

static struct {
	pid_t pid; /* which is its process group's number, too; 0: none was started */
	bool ended;
	bool proved;
	char *const *words;
} server;

static void leave_no_files(void)
{
	unlink(place.at.sun_path);
	rmdir(place.directory);
}

/* What end() calls neither allocates nor locks. NOLINTBEGIN(bugprone-signal-handler) */

/*
 * Ends the server and all that it has started. First its process group, although the leader may
 * have ended: a member may still have the socket. Then what has left the group: this process is a
 * subreaper, so the strays become its children when their parents end.
 */
static void end(unsigned patience_ms)
{
	uint64_t limit = loop_now() + END_MS;
	bool told = false;
	pid_t r;

	if (!server.pid)
		return;
	/* Signals the group only while a child is in it, or else its number may be another's. */
	while ((r = waitpid(-server.pid, NULL, WNOHANG)) >= 0 && loop_now() < limit + LAST_MS) {
		if (r > 0)
			continue;
		if (!told || loop_now() > limit)
			kill(-server.pid, told ? SIGKILL : SIGTERM);
		told = true;
		usleep(PAUSE_MS * 1000);
	}
	strays_end(server.pid, patience_ms, NULL, NULL);
}

/* Nobody waits for the strays here: the helpers of the verb are among them, and stay at SIGTERM. */
static void ended_by(int number)
{
	end(0);
	leave_no_files();
	signal(number, SIG_DFL);
	raise(number);
}

/* NOLINTEND(bugprone-signal-handler) */

/* SIGPIPE, too: head(1) may end before all is printed. */
static void catch_signals(void)
{
	const struct sigaction action = {.sa_handler = ended_by};
	struct sigaction old;

	signals_catch(ended_by);
	if (sigaction(SIGPIPE, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
		sigaction(SIGPIPE, &action, NULL);
}

/*
 * Under su(1) or sudo(8), XDG_RUNTIME_DIR may still be another user's, and that user could replace
 * our directory in it with a link.
 */
static bool is_ours(const char *directory)
{
	struct stat st;

	return stat(directory, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	       !(st.st_mode & 022) && access(directory, W_OK) == 0;
}

/* A listening socket that only the caller can reach, or -1 with *err. */
static int listen_privately(struct err *err)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	bool usable = runtime && runtime[0] == '/' && strlen(runtime) < 30;
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(place.directory, sizeof(place.directory) - LETTERS, "%s/nbd-attach-",
		 usable && is_ours(runtime) ? runtime : "/tmp");
	memset(place.directory + strlen(place.directory), 'X', LETTERS);
	if (fd < 0 || !mkdtemp(place.directory)) {
		err_errno(err, ERR_SYSTEM, errno, "cannot make a directory for a socket");
		return -1;
	}
	place.at.sun_family = AF_UNIX;
	snprintf(place.at.sun_path, sizeof(place.at.sun_path), "%s/socket", place.directory);
	catch_signals();
	if (bind(fd, (const struct sockaddr *)&place.at, sizeof(place.at)) < 0 ||
	    listen(fd, BACKLOG) < 0) {
		err_errno(err, ERR_SYSTEM, errno, "cannot listen at %s", place.at.sun_path);
		leave_no_files();
		return -1;
	}
	return TAKE_FD(fd);
}

static bool has_ended(int *ret_status)
{
	return waitpid(server.pid, ret_status, WNOHANG) == server.pid;
}

const char *passing_server(const char *address)
{
	return server.words ? command_name(server.words) : address;
}

void passing_answered(void)
{
	server.proved = true;
}

void passing_explain(struct err *err)
{
	uint64_t limit = loop_now() + DEATH_MS;
	int status;

	if (!server.pid || server.ended)
		return;
	while (!has_ended(&status)) {
		if (loop_now() > limit)
			return;
		usleep(PAUSE_MS * 1000);
	}
	server.ended = true;
	/* What it said went to our own standard error. */
	command_explain_end(command_name(server.words), status, server.proved, "", err);
}

static int run_with(const struct options *o, char *const *words,
		    int (*verb)(const struct options *o), struct err *err)
{
	struct command command = {
	    .argv = words, .listen_fd = -1, .stdio_fd = -1, .error_fd = STDERR_FILENO};
	struct options asked = *o; /* owns nothing */
	sigset_t mask;
	int ret, status;

	command.listen_fd = listen_privately(err);
	if (command.listen_fd < 0)
		return err_exit_status(err->kind);
	server.words = words;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	signals_block(&mask); /* until ended_by() knows the process; its own mask is reset */
	ret = command_start(&command, &server.pid, err);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	/* From now on the socket is closed when the server ends. */
	close(command.listen_fd);
	asked.endpoint.path = place.at.sun_path;
	asked.endpoint.path_len = strlen(place.at.sun_path);
	status = ret < 0 ? err_exit_status(err->kind) : verb(&asked);
	end(END_MS);
	leave_no_files();
	return status;
}

int passing_run(const struct options *o, int (*verb)(const struct options *o))
{
	struct options readable = *o; /* owns nothing */
	struct err err = {.message = ""};
	char **image = NULL;
	int status;

	if (!captive_wanted(o))
		return verb(o);
	readable.read_only = true;
	if (o->image && !(image = captive_image_words(&readable)))
		err_set(&err, ERR_SYSTEM, ENOMEM, "out of memory");
	status = err.message[0] ? err_exit_status(err.kind)
				: run_with(o, image ? image : o->captive, verb, &err);
	captive_words_free(image);
	if (err.message[0]) {
		log_error("%s", err.message);
		if (o->json)
			failure_json(&err, status);
	}
	return status;
}
