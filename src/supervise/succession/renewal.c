/* SPDX-License-Identifier: MIT */
#include "supervise/succession/renewal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/libc.h"
#include "base/protect.h"

#define MARK	  "NBD_ATTACH_HEIR"
#define DELETED	  " (deleted)" /* proc(5), of /proc/PID/exe */
#define BLOCK_MAX 262144       /* bytes of the arguments, and of the environment */
#define WORDS_MAX 2048

struct program {
	char path[PATH_MAX];
	char *argv[WORDS_MAX], *envp[WORDS_MAX];
	char arguments[BLOCK_MAX], environment[BLOCK_MAX];
};

struct renewal {
	pid_t pid;
	int pidfd; /* -1: the kernel gives none */
	struct loop_io *io;
	renewal_ended_fn *ended;
	void *arg;
};

/* What is installed now at the path of this program. 0 or -errno. */
static int find_path(char *path, bool *ret_replaced)
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
	ssize_t end = strlen(DELETED);

	if (n < 0)
		return -errno;
	*ret_replaced = n > end && strncmp(path + n - end, DELETED, (size_t)end) == 0;
	if (*ret_replaced)
		n -= end;
	path[n] = '\0';
	return access(path, X_OK) < 0 ? -errno : 0;
}

bool renewal_is_upgrade(void)
{
	char path[PATH_MAX];
	bool replaced = false;

	return find_path(path, &replaced) == 0 && replaced;
}

bool renewal_is_heir(void)
{
	bool is_heir = secure_getenv(MARK) != NULL;

	unsetenv(MARK);
	return is_heir;
}

/* Its length, which is less than BLOCK_MAX; or -errno. */
static ssize_t read_block(const char *path, char *block)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 1;
	size_t len = 0;

	while (fd >= 0 && n > 0 && len < BLOCK_MAX) {
		n = read(fd, block + len, BLOCK_MAX - len);
		len += n > 0 ? (size_t)n : 0;
	}
	if (fd < 0 || n < 0)
		return -errno;
	return len == BLOCK_MAX ? -E2BIG : (ssize_t)len;
}

/* The next string of a block; NULL: none. */
static char *next_word(char *block, size_t len, size_t *offset)
{
	char *word = block + *offset;

	if (*offset >= len)
		return NULL;
	*offset += strnlen(word, len - *offset) + 1;
	return word;
}

/* What belongs to this process alone. */
static bool is_inherited(const char *word)
{
	static const char *const own[] = {"WATCHDOG_PID=", "LISTEN_", MARK "="};

	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (strncmp(word, own[i], strlen(own[i])) == 0)
			return false;
	return true;
}

size_t renewal_environment(char *block, size_t len, char **ret_words, size_t most)
{
	static char mark[] = MARK "=1";
	size_t offset = 0, n = 0;
	char *word;

	while ((word = next_word(block, len, &offset))) {
		if (!is_inherited(word))
			continue;
		if (n + 2 >= most)
			return 0;
		ret_words[n++] = word;
	}
	ret_words[n++] = mark;
	ret_words[n] = NULL;
	return n;
}

static int read_program(struct program *p)
{
	ssize_t len = read_block("/proc/self/cmdline", p->arguments);
	size_t offset = 0, n = 0;

	if (len < 0)
		return (int)len;
	while (n + 1 < WORDS_MAX &&
	       (p->argv[n] = next_word(p->arguments, (size_t)len, &offset)) != NULL)
		n++;
	if (n == 0 || n + 1 == WORDS_MAX)
		return -E2BIG;
	len = read_block("/proc/self/environ", p->environment);
	if (len < 0)
		return (int)len;
	return renewal_environment(p->environment, (size_t)len, p->envp, WORDS_MAX) ? 0 : -E2BIG;
}

/* As when this program was started. */
static void __attribute__((noreturn)) become(struct program *p)
{
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		sigaction(i, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	closefrom(STDERR_FILENO + 1);
	execve(p->path, p->argv, p->envp);
	_exit(127);
}

/* The process in between ends at once, so that the new one gets another parent. */
static void __attribute__((noreturn)) start_between(struct program *p, int fd)
{
	pid_t pid = fork();

	if (pid == 0)
		become(p);
	_exit(pid > 0 && write(fd, &pid, sizeof(pid)) == (ssize_t)sizeof(pid) ? 0 : 1);
}

static int start_program(struct program *p, pid_t *ret_pid)
{
	_cleanup_fd_ int from = -1, to = -1;
	int fds[2], status = 0;
	pid_t between, pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	from = fds[0];
	to = fds[1];
	between = fork();
	if (between < 0)
		return -errno;
	if (between == 0)
		start_between(p, to);
	close_fdp(&to);
	to = -1;
	while (waitpid(between, &status, 0) < 0 && errno == EINTR)
		;
	if (status != 0 || read(from, &pid, sizeof(pid)) != (ssize_t)sizeof(pid))
		return -EAGAIN;
	*ret_pid = pid;
	return 0;
}

static void ended(int fd, uint32_t events, void *arg)
{
	struct renewal *r = arg;

	(void)fd;
	(void)events;
	loop_io_free(TAKE_PTR(r->io));
	r->ended(r->arg);
}

static int start(struct renewal *r, struct loop *loop)
{
	struct program *p = calloc(1, sizeof(*p));
	bool replaced = false;
	int ret = p ? find_path(p->path, &replaced) : -ENOMEM;

	if (ret == 0)
		ret = read_program(p);
	if (ret == 0)
		ret = start_program(p, &r->pid);
	free(p);
	if (ret < 0)
		return ret;
	r->pidfd = (int)syscall(SYS_pidfd_open, r->pid, 0);
	if (r->pidfd >= 0)
		r->io = loop_io_new(loop, r->pidfd, EPOLLIN, ended, r);
	return 0;
}

struct renewal *renewal_start(struct loop *loop, renewal_ended_fn *fn, void *arg, struct err *err)
{
	struct renewal *r = calloc(1, sizeof(*r));
	int ret = -ENOMEM;

	if (r) {
		*r = (struct renewal){.pidfd = -1, .ended = fn, .arg = arg};
		ret = start(r, loop);
	}
	if (ret == 0)
		return r;
	free(r);
	err_errno(err, ERR_FAILED, -ret, "cannot start a new supervisor");
	return NULL;
}

pid_t renewal_pid(const struct renewal *r)
{
	return r ? r->pid : 0;
}

void renewal_free(struct renewal *r)
{
	if (!r)
		return;
	loop_io_free(r->io);
	close_fdp(&r->pidfd);
	free(r);
}
