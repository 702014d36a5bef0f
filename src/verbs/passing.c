/* SPDX-License-Identifier: MIT */
#include "verbs/passing.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/loop.h"
#include "captive/command.h"
#include "cli/server-captive.h"

#define LETTERS	 6    /* at the end of a name, which mkdtemp(3) replaces */
#define BACKLOG	 16   /* connections */
#define END_MS	 5000 /* after this time a server that was asked to end is killed */
#define PAUSE_MS 10
/* How long a server that has closed its connection may take to end. */
#define DEATH_MS 1000

static struct {
	char directory[64];
	struct sockaddr_un at;
} place; /* for the handler of signals */

static struct {
	pid_t pid; /* 0: none */
	bool proved;
	char *const *words;
} server;

static void leave_no_files(void)
{
	unlink(place.at.sun_path);
	rmdir(place.directory);
}

static void ended_by(int number)
{
	leave_no_files();
	signal(number, SIG_DFL);
	raise(number);
}

/* A listening socket that only the caller can reach, or -1 with *err. */
static int listen_privately(struct err *err)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	bool usable = runtime && runtime[0] == '/' && strlen(runtime) < 30;
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(place.directory, sizeof(place.directory) - LETTERS, "%s/nbd-attach-",
		 usable && access(runtime, W_OK) == 0 ? runtime : "/tmp");
	memset(place.directory + strlen(place.directory), 'X', LETTERS);
	if (fd < 0 || !mkdtemp(place.directory)) {
		err_errno(err, ERR_SYSTEM, errno, "cannot make a directory for a socket");
		return -1;
	}
	place.at.sun_family = AF_UNIX;
	snprintf(place.at.sun_path, sizeof(place.at.sun_path), "%s/socket", place.directory);
	signal(SIGINT, ended_by);
	signal(SIGTERM, ended_by);
	signal(SIGHUP, ended_by);
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

/* Asks it to end and waits; it leads a process group. */
static void end(void)
{
	uint64_t limit = loop_now() + END_MS;
	int status;

	kill(-server.pid, SIGTERM);
	while (!has_ended(&status)) {
		if (loop_now() > limit)
			kill(-server.pid, SIGKILL);
		usleep(PAUSE_MS * 1000);
	}
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

	if (!server.pid)
		return;
	while (!has_ended(&status)) {
		if (loop_now() > limit)
			return;
		usleep(PAUSE_MS * 1000);
	}
	server.pid = 0;
	/* What it said went to our own standard error. */
	command_explain_end(command_name(server.words), status, server.proved, "", err);
}

static int run_with(const struct options *o, char *const *words,
		    int (*verb)(const struct options *o), struct err *err)
{
	struct command command = {
	    .argv = words, .listen_fd = -1, .stdio_fd = -1, .error_fd = STDERR_FILENO};
	struct options asked = *o; /* owns nothing */
	int ret, status;

	command.listen_fd = listen_privately(err);
	if (command.listen_fd < 0)
		return err_exit_status(err->kind);
	server.words = words;
	ret = command_start(&command, &server.pid, err);
	/* From now on the socket is closed when the server ends. */
	close(command.listen_fd);
	asked.endpoint.path = place.at.sun_path;
	asked.endpoint.path_len = strlen(place.at.sun_path);
	status = ret < 0 ? err_exit_status(err->kind) : verb(&asked);
	if (ret == 0 && server.pid)
		end();
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
	if (err.message[0])
		log_error("%s", err.message);
	return status;
}
