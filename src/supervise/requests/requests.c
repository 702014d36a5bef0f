/* SPDX-License-Identifier: MIT */
#include "supervise/requests/requests.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/cleanup.h"

struct requests {
	const struct part_env *env;
	const struct requests_events *events;
	void *arg;
	int signal_fd;
	struct loop_io *signal_io;
	struct control *control; /* NULL before requests_listen() */
	bool answered;		 /* the answer must be sent */
	int status;
	char sentence[ERR_MESSAGE_MAX];
};

static void signalled(int fd, uint32_t events, void *arg)
{
	struct requests *r = arg;
	struct signalfd_siginfo info;

	(void)events;
	if (read(fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP)
		r->events->hurry(r->arg);
	else if (info.ssi_signo == SIGUSR1)
		r->events->reload(r->arg);
	else
		r->events->terminate(r->arg);
}

static int catch_signals(struct requests *r)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	r->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (r->signal_fd < 0)
		return -errno;
	r->signal_io = loop_io_new(r->env->loop, r->signal_fd, EPOLLIN, signalled, r);
	return r->signal_io ? 0 : -errno;
}

struct requests *requests_new(const struct part_env *env, const struct requests_events *events,
			      void *arg)
{
	struct requests *r = calloc(1, sizeof(*r));
	int ret;

	if (!r)
		return NULL;
	*r = (struct requests){.env = env, .events = events, .arg = arg, .signal_fd = -1};
	ret = catch_signals(r);
	if (ret == 0)
		return r;
	requests_free(r);
	errno = -ret;
	return NULL;
}

void requests_free(struct requests *r)
{
	if (!r)
		return;
	control_free(r->control);
	loop_io_free(r->signal_io);
	close_fdp(&r->signal_fd);
	free(r);
}

/* A control_fn. */
static void asked(const struct control_request *request, void *arg)
{
	struct requests *r = arg;

	r->events->asked(request, r->arg);
}

int requests_listen(struct requests *r, struct err *err)
{
	return control_new(r->env->loop, r->env->at->index, asked, r, &r->control, err);
}

void requests_answer(struct requests *r, int status, const char *sentence)
{
	if (r->answered)
		return; /* one caller, one answer: the first one */
	r->answered = true;
	r->status = status;
	snprintf(r->sentence, sizeof(r->sentence), "%s", sentence);
}

void requests_send(struct requests *r)
{
	if (!r)
		return;
	if (r->answered && r->control)
		control_answer(r->control, r->status, r->sentence);
	r->answered = false;
}

pid_t requests_peer(const struct requests *r)
{
	return control_peer(r->control);
}

int requests_lend(struct requests *r)
{
	return control_lend(r->control);
}

void requests_unlend(struct requests *r)
{
	control_unlend(r->control);
}

void requests_leave(struct requests *r)
{
	control_leave(r->control);
}
