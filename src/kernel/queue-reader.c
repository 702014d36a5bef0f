/* SPDX-License-Identifier: MIT */
#include "kernel/queue-reader.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/held.h"
#include "base/loop.h"

#define PATH_ROOM 512
#define TEXT_ROOM 256
#define END_MS	  50 /* an idle reader ends within a few ms */

struct question {
	uint32_t number;
	char path[PATH_ROOM];
};

struct answer {
	uint32_t number;
	int32_t ret; /* bytes of text, or -errno */
	char text[TEXT_ROOM];
};

static struct {
	pthread_mutex_t lock;
	bool forgotten;
	int fd;		   /* the channel to the reader; -1: it has ended */
	uint32_t asked;	   /* number of the last question */
	uint32_t answered; /* number of the last answer */
} reader = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1};

static void read_one(const struct question *q, struct answer *ret_answer)
{
	_cleanup_fd_ int fd = held_open(q->path, O_RDONLY, 0);
	ssize_t len = fd < 0 ? -1 : read(fd, ret_answer->text, sizeof(ret_answer->text));

	ret_answer->number = q->number;
	ret_answer->ret = len < 0 ? -errno : (int32_t)len;
}

/*
 * In a child of a child, so that no process has to wait for it. It ends with the process that asks:
 * the channel is then closed.
 */
__attribute__((noreturn)) static void serve(int fd)
{
	struct question q;
	struct answer a;

	prctl(PR_SET_NAME, "nbd-queue");
	held_close_others(fd);
	while (recv(fd, &q, sizeof(q), 0) == sizeof(q)) {
		memset(&a, 0, sizeof(a));
		read_one(&q, &a);
		if (send(fd, &a, sizeof(a), MSG_NOSIGNAL) < 0)
			break;
	}
	_exit(0);
}

static int start(void)
{
	sigset_t all, old;
	int fd[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) < 0)
		return -errno;
	/* What ends a group of processes must not end it: it ends with its channel. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pid = fork();
	if (pid == 0) {
		if (fork() == 0)
			serve(fd[1]);
		_exit(0);
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	close(fd[1]);
	if (pid < 0) {
		close(fd[0]);
		return -errno;
	}
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	reader.fd = fd[0];
	return 0;
}

int queue_reader_start(void)
{
	int ret = 0;

	pthread_mutex_lock(&reader.lock);
	if (reader.fd < 0)
		ret = start();
	pthread_mutex_unlock(&reader.lock);
	return ret;
}

void queue_reader_end(void)
{
	struct pollfd p = {.fd = reader.fd};

	if (reader.fd < 0)
		return;
	shutdown(reader.fd, SHUT_WR);
	(void)poll(&p, 1, END_MS); /* until the reader's end is closed */
	close_fdp(&reader.fd);
	reader.fd = -1;
	reader.answered = reader.asked;
}

void queue_reader_forget(void)
{
	reader.forgotten = true;
}

bool queue_reader_is_forgotten(void)
{
	return reader.forgotten;
}

static int ended(void)
{
	close_fdp(&reader.fd);
	reader.fd = -1;
	reader.answered = reader.asked;
	return -EPIPE;
}

/* Takes the next answer. -EAGAIN: none came before `end`; -EPIPE: the reader has ended. */
static int take_answer(struct answer *ret_answer, int64_t end)
{
	struct pollfd p = {.fd = reader.fd, .events = POLLIN};
	int64_t left = end - (int64_t)loop_now();
	ssize_t len;
	int n;

	do {
		n = poll(&p, 1, left > 0 ? (int)left : 0);
		left = end - (int64_t)loop_now();
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		return -EAGAIN;
	len = recv(reader.fd, ret_answer, sizeof(*ret_answer), MSG_DONTWAIT);
	if (len != sizeof(*ret_answer))
		return ended();
	reader.answered = ret_answer->number;
	return 0;
}

/* Waits for the answers to earlier questions, which nobody needs any more, and asks. */
static int ask(const char *path, int64_t end)
{
	struct question q = {.number = reader.asked + 1};
	struct answer old;
	int ret = 0;

	if (strlen(path) >= sizeof(q.path))
		return -ENAMETOOLONG;
	strcpy(q.path, path);
	while (ret == 0 && reader.answered != reader.asked)
		ret = take_answer(&old, end);
	if (ret == 0 && reader.fd < 0)
		ret = start();
	if (ret < 0)
		return ret;
	if (send(reader.fd, &q, sizeof(q), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return errno == EPIPE || errno == ECONNRESET ? ended() : -errno;
	reader.asked = q.number;
	return 0;
}

static int copy_text(const struct answer *a, char *buf, size_t size)
{
	size_t len;

	if (a->ret < 0)
		return a->ret;
	len = (size_t)a->ret;
	/* An attribute comes whole or not at all. */
	if (len >= size || len >= sizeof(a->text))
		return -E2BIG;
	if (len && a->text[len - 1] == '\n')
		len--;
	memcpy(buf, a->text, len);
	buf[len] = '\0';
	return 0;
}

int queue_reader_read(const char *path, char *buf, size_t size, int wait_ms)
{
	bool look = wait_ms <= QUEUE_READER_LOOK_MS;
	struct answer a = {.ret = 0};
	int64_t end = (int64_t)loop_now() + wait_ms;
	int ret = -EPIPE;

	if (look) {
		if (pthread_mutex_trylock(&reader.lock) != 0)
			return -EAGAIN;
	} else {
		pthread_mutex_lock(&reader.lock);
	}
	/* Somebody may have ended the process. */
	for (int i = 0; i < 2 && ret == -EPIPE; i++) {
		ret = ask(path, look && reader.answered != reader.asked ? 0 : end);
		if (ret == 0)
			ret = take_answer(&a, end);
	}
	pthread_mutex_unlock(&reader.lock);
	return ret < 0 ? ret : copy_text(&a, buf, size);
}
