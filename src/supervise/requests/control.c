/* SPDX-License-Identifier: MIT */
#include "supervise/requests/control.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/held.h"
#include "runtime/rundir.h"
#include "runtime/rundir-socket.h"

/*
 * Commands that have connected and asked nothing yet. A command that was stopped just then must not
 * keep others away, so there may be several; each further one takes the place of the oldest, which
 * asks again if it lives.
 */
#define SILENT_MAX 4

/* After this, new connections are accepted again if no descriptor was free for one. */
#define ACCEPT_PAUSE_MS 1000

struct caller {
	int fd; /* -1: none */
	struct loop_io *io;
};

#define CALLER_NONE ((struct caller){.fd = -1})

struct control {
	struct loop *loop;
	control_fn *fn;
	void *arg;
	char path[PATH_MAX];
	int listen_fd;
	struct loop_io *listen_io;	  /* NULL: it is not watched for a while */
	struct loop_timer *pause;	  /* until the listener is watched again */
	struct caller caller;		  /* its request is being carried out */
	struct caller silent[SILENT_MAX]; /* they have not asked yet */
	unsigned oldest;		  /* index of the silent one that makes room for another */
	bool lent;			  /* the connection of one who asked is in other hands */
	bool left;			  /* the name is another process's */
};

static void drop(struct caller *caller)
{
	loop_io_free(caller->io);
	if (caller->fd >= 0)
		close(caller->fd);
	*caller = CALLER_NONE;
}

static void send_answer(int fd, int status, const char *sentence)
{
	char answer[ERR_MESSAGE_MAX + 16];
	int len = snprintf(answer, sizeof(answer), "%d %s", status, sentence);

	if (len >= (int)sizeof(answer))
		len = sizeof(answer) - 1;
	send(fd, answer, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void control_answer(struct control *c, int status, const char *sentence)
{
	if (c->caller.fd >= 0)
		send_answer(c->caller.fd, status, sentence);
	drop(&c->caller);
}

int control_lend(struct control *c)
{
	int fd = c->caller.fd;

	if (fd < 0)
		return -1;
	c->caller.fd = -1;
	drop(&c->caller);
	c->lent = true;
	return fd;
}

pid_t control_peer(const struct control *c)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (c->caller.fd < 0 || getsockopt(c->caller.fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return 0;
	return peer.pid;
}

void control_unlend(struct control *c)
{
	c->lent = false;
}

void control_leave(struct control *c)
{
	c->left = true;
}

bool control_parse(const char *text, struct control_request *ret_request)
{
	struct control_request request = {.verb = CONTROL_DETACH};
	int end = 0;

	if (strcmp(text, "detach force") == 0)
		request.force = true;
	else if (strcmp(text, "detach prepared") == 0)
		request.prepared = true;
	else if (strcmp(text, "detach prepared force") == 0)
		request.prepared = request.force = true;
	else if (strcmp(text, "refresh") == 0)
		request.verb = CONTROL_REFRESH;
	else if (strcmp(text, "resize") == 0)
		request.verb = CONTROL_RESIZE;
	else if (strcmp(text, "fail") == 0)
		request.verb = CONTROL_FAIL_NOW;
	else if (strcmp(text, "reload") == 0)
		request.verb = CONTROL_RELOAD;
	else if (sscanf(text, "reconnect %u%n", &request.accept, &end) == 1 && !text[end])
		request.verb = CONTROL_RECONNECT;
	else if (sscanf(text, "grace %" SCNu32 "%n", &request.grace, &end) == 1 && !text[end])
		request.verb = CONTROL_GRACE;
	else if (sscanf(text, "give %u%n", &request.version, &end) == 1 && !text[end])
		request.verb = CONTROL_GIVE;
	else if (strcmp(text, "detach") != 0)
		return false;
	*ret_request = request;
	return true;
}

void control_format(const struct control_request *request, char *buf, size_t size)
{
	switch (request->verb) {
	case CONTROL_DETACH:
		snprintf(buf, size, "detach%s%s", request->prepared ? " prepared" : "",
			 request->force ? " force" : "");
		break;
	case CONTROL_RECONNECT:
		snprintf(buf, size, "reconnect %u", request->accept);
		break;
	case CONTROL_GRACE:
		snprintf(buf, size, "grace %" PRIu32, request->grace);
		break;
	case CONTROL_REFRESH:
		snprintf(buf, size, "refresh");
		break;
	case CONTROL_RESIZE:
		snprintf(buf, size, "resize");
		break;
	case CONTROL_FAIL_NOW:
		snprintf(buf, size, "fail");
		break;
	case CONTROL_RELOAD:
		snprintf(buf, size, "reload");
		break;
	case CONTROL_GIVE:
		snprintf(buf, size, "give %u", request->version);
		break;
	}
}

/*
 * A request that a caller gave up while this process was stopped: the caller has told its user that
 * nothing was detached.
 */
static bool given_up(int fd, const struct control_request *request)
{
	struct pollfd p = {.fd = fd};

	return request->verb == CONTROL_DETACH && poll(&p, 1, 0) == 1 && p.revents & POLLHUP;
}

/* Unread data at the close would reset the connection, and the caller would not get the answer. */
static void turn_away(int fd)
{
	char text[32];

	shutdown(fd, SHUT_RD);
	while (recv(fd, text, sizeof(text), MSG_DONTWAIT) > 0)
		;
	send_answer(fd, 3,
		    "another command is talking to this device's supervisor: try "
		    "again");
}

static bool is_occupied(const struct control *c)
{
	return c->caller.fd >= 0 || c->lent;
}

static void carry_out(struct control *c, const char *text)
{
	struct control_request request;

	if (!control_parse(text, &request))
		control_answer(c, 2,
			       "the supervisor does not know that request: it may be of "
			       "another version");
	else if (given_up(c->caller.fd, &request))
		drop(&c->caller);
	else
		c->fn(&request, c->arg);
}

static void on_caller(int fd, uint32_t events, void *arg)
{
	struct control *c = arg;
	struct caller *caller = &c->caller;
	char text[32] = "";
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	(void)events;
	for (size_t i = 0; i < SILENT_MAX; i++)
		if (c->silent[i].fd == fd)
			caller = &c->silent[i];
	if (n <= 0) {
		drop(caller); /* the caller has gone; its request goes on */
	} else if (caller == &c->caller) {
		return; /* one request a connection */
	} else if (is_occupied(c)) {
		turn_away(fd);
		drop(caller);
	} else {
		c->caller = *caller;
		*caller = CALLER_NONE;
		carry_out(c, text);
	}
}

static struct caller *place_for_another(struct control *c)
{
	struct caller *place;

	for (size_t i = 0; i < SILENT_MAX; i++)
		if (c->silent[i].fd < 0)
			return &c->silent[i];
	place = &c->silent[c->oldest];
	c->oldest = (c->oldest + 1) % SILENT_MAX;
	drop(place);
	return place;
}

static void on_connection(int listen_fd, uint32_t events, void *arg)
{
	struct control *c = arg;
	_cleanup_fd_ int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct ucred peer;
	socklen_t len = sizeof(peer);
	struct caller *place;

	(void)events;
	if (fd < 0 && loop_must_pause(errno)) {
		loop_io_free(TAKE_PTR(c->listen_io));
		loop_timer_set(c->pause, ACCEPT_PAUSE_MS);
	}
	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 || peer.uid != geteuid())
		return;
	if (is_occupied(c)) {
		turn_away(fd);
		return;
	}
	place = place_for_another(c);
	place->io = loop_io_new(c->loop, fd, EPOLLIN, on_caller, c);
	if (place->io)
		place->fd = TAKE_FD(fd);
}

static void accept_again(void *arg)
{
	struct control *c = arg;

	c->listen_io = loop_io_new(c->loop, c->listen_fd, EPOLLIN, on_connection, c);
	if (!c->listen_io)
		loop_timer_set(c->pause, ACCEPT_PAUSE_MS);
}

int control_new(struct loop *loop, int index, control_fn *fn, void *arg,
		struct control **ret_control, struct err *err)
{
	struct rundir_path path = rundir_device(index, "control");
	struct control *c = calloc(1, sizeof(*c));
	int ret;

	if (!c)
		return err_errno(err, ERR_SYSTEM, ENOMEM, "cannot listen on %s", path.text);
	*c = (struct control){
	    .loop = loop, .fn = fn, .arg = arg, .listen_fd = -1, .caller = CALLER_NONE};
	for (size_t i = 0; i < SILENT_MAX; i++)
		c->silent[i] = CALLER_NONE;
	memcpy(c->path, path.text, sizeof(c->path));
	/* A socket there was left by a killed supervisor: we hold the device's lock. */
	ret = rundir_listen(path.text, SOCK_SEQPACKET, 4);
	if (ret < 0)
		goto fail;
	c->listen_fd = ret;
	c->listen_io = loop_io_new(loop, c->listen_fd, EPOLLIN, on_connection, c);
	if (!c->listen_io) {
		ret = -errno;
		goto fail;
	}
	c->pause = loop_timer_new(loop, accept_again, c);
	if (!c->pause) {
		ret = -ENOMEM;
		goto fail;
	}
	*ret_control = c;
	return 0;
fail:
	control_free(c);
	return err_errno(err, ERR_SYSTEM, -ret, "cannot listen on %s", path.text);
}

void control_free(struct control *c)
{
	if (!c)
		return;
	drop(&c->caller);
	for (size_t i = 0; i < SILENT_MAX; i++)
		drop(&c->silent[i]);
	loop_timer_free(c->pause);
	loop_io_free(c->listen_io);
	if (c->listen_fd >= 0) {
		if (!c->left)
			held_unlink(c->path);
		close(c->listen_fd);
	}
	free(c);
}
