/* SPDX-License-Identifier: MIT */
#include "verbs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pty.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "relays.h"

#define KEPT_FD 50 /* a descriptor of the caller that is not meant for helpers */

static const char *const kinds[KINDS] = {
    [KIND_WORKER] = "worker",	  [KIND_TLS] = "tls",	[KIND_RELAY] = "relay",
    [KIND_RESOLVER] = "resolver", [KIND_KEYS] = "keys", [KIND_ZYGOTE] = "zygote",
    [KIND_SERVER] = "server",	  [KIND_USER] = "user", [KIND_CONTROL] = "control",
};

static enum kind kind_named(const char *name)
{
	enum kind k = 0;

	while (k < KINDS && strcmp(kinds[k], name) != 0)
		k++;
	return k;
}

/* set NAME VALUE: sets a field of the board. */
static int set(const char *name, const char *value)
{
	long number = strtol(value, NULL, 0);

	if (strcmp(name, "round") == 0)
		board->round = (uint32_t)number;
	else if (strcmp(name, "by-user") == 0)
		board->by_user = number;
	else if (strcmp(name, "victim") == 0)
		board->victim = (pid_t)number;
	else if (strcmp(name, "helper") == 0)
		board->helper = (pid_t)number;
	else if (strcmp(name, "caller") == 0)
		board->caller = (pid_t)number;
	else if (strcmp(name, "answer") == 0)
		board->answer = (uint32_t)number;
	else if (strcmp(name, "relays") == 0)
		board->relays = number;
	else if (strcmp(name, "terminal") == 0)
		snprintf(board->terminal, sizeof(board->terminal), "%s", value);
	else if (strcmp(name, "secret") == 0)
		snprintf(board->secret, sizeof(board->secret), "%s", value);
	else if (strcmp(name, "lock") == 0)
		snprintf(board->lock, sizeof(board->lock), "%s", value);
	else if (strcmp(name, "control") == 0)
		snprintf(board->control, sizeof(board->control), "%s", value);
	else if (strcmp(name, "port") == 0)
		board->tcp = (struct sockaddr_in){.sin_family = AF_INET,
						  .sin_port = htons((uint16_t)number),
						  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	else
		return 2;
	return 0;
}

/* terminal COMMAND...: runs it in a new terminal, with a descriptor not meant for helpers. */
static int terminal(char **command)
{
	char buf[512];
	int master, status = -1;
	ssize_t n;
	pid_t pid = forkpty(&master, NULL, NULL, NULL);

	if (pid < 0)
		return 2;
	if (pid == 0) {
		int fd = open("/etc/passwd", O_RDONLY);

		if (fd < 0 || dup2(fd, KEPT_FD) < 0)
			_exit(2);
		close(fd);
		snprintf(board->terminal, sizeof(board->terminal), "%s", ttyname(0));
		execv(command[0], command);
		_exit(127);
	}
	do {
		n = read(master, buf, sizeof(buf));
		if (n > 0)
			fwrite(buf, 1, (size_t)n, stdout);
	} while (n > 0 || (n < 0 && errno == EINTR));
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/*
 * without-landlock COMMAND...: for the command, the kernel is like one before 5.13. Only root may
 * do so, because a user would need no_new_privs, which the helpers would see.
 */
static int without_landlock(char **command)
{
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 444, 0, 2),
	    BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 446, 1, 0),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ||
	    syscall(SYS_landlock_create_ruleset, NULL, 0, 1) != -1 || errno != ENOSYS)
		return 2;
	execvp(command[0], command);
	return 127;
}

/* control, user, server: runs the attacks in this process. */
static int unconfined(enum kind kind)
{
	attacker.given = 0xf;
	attacker.parent = kind == KIND_SERVER ? getppid() : getpid();
	if (kind == KIND_USER)
		attacker.parent = board->caller;
	else
		board->caller = attacker.parent;
	attack_unconfined(kind);
	return 0;
}

static bool as_it_should(enum kind kind, enum outcome o)
{
	return kind == KIND_CONTROL ? o == OUTCOME_SUCCEEDED
				    : o == OUTCOME_DENIED || o == OUTCOME_KILLED;
}

/* report ROUND KIND: prints a line for each wrong outcome and the counts; 1 if one is wrong. */
static int report(uint32_t round, enum kind kind)
{
	static const char *const words[] = {"not tried", "denied", "killed", "SUCCEEDED",
					    "ended in another way"};
	unsigned tried = 0, bad = 0;

	for (size_t i = 0; i < n_attacks; i++) {
		enum outcome o = board->outcome[round][kind][i];

		if (o == OUTCOME_NONE)
			continue;
		tried++;
		if (as_it_should(kind, o))
			continue;
		bad++;
		printf("%s: %s: %s (0x%x)\n", kinds[kind], attacks[i].name, words[o],
		       (unsigned)board->status[round][kind][i]);
	}
	printf("%s: %u attacks, %u went wrong\n", kinds[kind], tried, bad);
	return bad > 0 || tried == 0 || !board->done[round][kind];
}

static bool shares(const struct layout *a, const struct layout *b)
{
	return a->text == b->text || a->stack == b->stack || a->library == b->library ||
	       a->canary == b->canary;
}

/* layouts N: at least N processes, and no two have the same memory layout. */
static int layouts(uint32_t wanted)
{
	uint32_t n = board->layouts < LAYOUTS_MAX ? board->layouts : LAYOUTS_MAX;
	int bad = n < wanted;

	for (uint32_t i = 0; i < n; i++)
		for (uint32_t k = 0; k < i; k++) {
			const struct layout *a = &board->layout[i], *b = &board->layout[k];

			if (!shares(a, b))
				continue;
			printf("%s (%d) and %s (%d) share a layout or a canary\n", kinds[a->kind],
			       a->pid, kinds[b->kind], b->pid);
			bad = 1;
		}
	printf("%u processes\n", n);
	return bad;
}

int attack_verb(int argc, char **argv)
{
	const char *verb = argv[0];
	enum kind kind = kind_named(argv[argc - 1]);

	if (strcmp(verb, "set") == 0 && argc == 3)
		return set(argv[1], argv[2]);
	if (strcmp(verb, "relays") == 0)
		return relays_report();
	if (strcmp(verb, "terminal") == 0)
		return terminal(argv + 1);
	if (strcmp(verb, "without-landlock") == 0)
		return without_landlock(argv + 1);
	if (strcmp(verb, "layouts") == 0)
		return layouts((uint32_t)atoi(argv[1]));
	if (kind == KINDS)
		return 2;
	if (strcmp(verb, "as") == 0)
		return unconfined(kind);
	if (strcmp(verb, "done") == 0)
		return !board->done[board->round][kind];
	if (strcmp(verb, "report") == 0 && argc == 3)
		return report((uint32_t)atoi(argv[1]), kind);
	return 2;
}
