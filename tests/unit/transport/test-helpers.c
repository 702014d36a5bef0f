/* SPDX-License-Identifier: MIT */
/* Long: a list of cases, each read by itself. */
#include "transport-fixture.h"
#include "helper-fixture.h"

#include <poll.h>
#include <sys/auxv.h>
#include <sys/syscall.h>

#include "transport/attempt.h"
#include "transport/helpers.h"
#include "worker/tls/lib.h"
#include "worker/worker.h"
#include "skip.h"

static struct helpers *new_helpers(struct loop *loop, struct helpers_config cfg)
{
	struct helpers *h;
	struct err err;

	assert_int_equal(helpers_new(loop, &cfg, &h, &err), 0);
	return h;
}

static void fill(struct helpers *h)
{
	struct err err;

	assert_int_equal(helpers_fill(h, &err), 0);
}

static void await_ready(struct loop *loop, const struct helpers *h, size_t n)
{
	for (int i = 0; i < 250 && helpers_ready(h) != n; i++)
		loop_run_for(loop, 20);
	assert_int_equal(helpers_ready(h), n);
}

static void spares(void **state)
{
	struct loop *loop = loop_new();
	struct helpers *h = new_helpers(loop, (struct helpers_config){.spares = 3});
	struct helper *w;
	struct err err;

	(void)state;
	assert_int_equal(helpers_spares(h), 0);
	fill(h);
	fill(h);
	assert_int_equal(helpers_spares(h), 3);
	await_ready(loop, h, 3);
	assert_int_equal(helpers_take(h, &w, &err), 0);
	assert_int_equal(helpers_ready(h), 2);
	helper_release(w);
	fill(h);
	assert_int_equal(helpers_spares(h), 3);
	await_ready(loop, h, 3);
	helpers_free(h);
	loop_free(loop);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* Like a helper that a server has taken over: it ignores its job. */
static struct helper *stopped(struct helpers *h)
{
	struct helper *w;
	struct err err;

	assert_int_equal(helpers_take(h, &w, &err), 0);
	kill(w->process.pid, SIGSTOP);
	return w;
}

static void relays_end(void **state)
{
	struct loop *loop = loop_new();
	struct helpers *h = new_helpers(loop, (struct helpers_config){.relay = true});
	uint64_t since = loop_now();
	struct helper *w;
	struct err err;
	pid_t pid;

	(void)state;
	helpers_end_relays(NULL);
	helpers_end_relays(h);
	assert_int_equal(helpers_take(h, &w, &err), 0);
	helper_let_go(w);
	helpers_end_relays(h);
	assert_true(loop_now() - since < 2500);
	w = stopped(h);
	pid = w->process.pid;
	helper_let_go(w);
	helpers_end_relays(h);
	assert_int_equal(kill(pid, 0), -1);
	helpers_free(h);
	loop_free(loop);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void relays_do_not_add_up(void **state)
{
	struct loop *loop = loop_new();
	struct helpers *h = new_helpers(loop, (struct helpers_config){.relay = true});
	struct helper *w = NULL;
	struct err err;

	(void)state;
	for (int i = 0; i < 64; i++)
		helper_let_go(stopped(h));
	assert_int_equal(helpers_take(h, &w, &err), -EAGAIN);
	assert_null(w);
	assert_int_equal(err.kind, ERR_RETRY);
	helpers_end_relays(h);
	assert_int_equal(helpers_take(h, &w, &err), 0);
	helper_release(w);
	helpers_free(h);
	loop_free(loop);
}

/* The oldest child of this process, or 0. */
static pid_t first_child(void)
{
	char path[64];
	pid_t pid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	f = fopen(path, "re");
	assert_non_null(f);
	if (fscanf(f, "%d", &pid) != 1)
		pid = 0;
	fclose(f);
	return pid;
}

/* KiB that a process has locked, or -1. */
static long locked_by(pid_t pid)
{
	char path[64], line[128];
	long locked = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		sscanf(line, "VmLck: %ld", &locked);
	fclose(f);
	return locked;
}

static void locked_in_memory(void **state)
{
	struct helpers_config cfg = {.spares = 1, .lock_memory = true};
	struct loop *loop;
	struct helpers *h;
	struct helper *w;
	struct err err;

	(void)state;
	if (geteuid() != 0)
		skip_because("it takes root");
#if defined(__SANITIZE_ADDRESS__)
	skip_because("the sanitizer's shadow takes terabytes");
#endif
	/* Started anew; then by a zygote, which itself is locked whatever is asked for. */
	for (int round = 0; round < 2; round++) {
		loop = loop_new();
		cfg.zygote = round == 1;
		h = new_helpers(loop, cfg);
		fill(h);
		await_ready(loop, h, 1);
		assert_int_equal(helpers_take(h, &w, &err), 0);
		assert_true(!cfg.lock_memory || locked_by(w->process.pid) > 0);
		helper_release(w);
		assert_true(!cfg.zygote || locked_by(first_child()) > 0);
		helpers_free(h);
		loop_free(loop);
		cfg.lock_memory = false;
	}
}

/*
 * A spare ignores the signals by which a terminal or a service manager ends a group; SIGKILL from
 * outside is noticed.
 */
static void signals(void **state)
{
	static const int harmless[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE};
	struct loop *loop = loop_new();
	struct helpers *h = new_helpers(loop, (struct helpers_config){.spares = 1});
	struct helper *w;
	struct err err;

	(void)state;
	assert_int_equal(helpers_take(h, &w, &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
		kill(w->process.pid, harmless[i]);
	{
		struct worker_answer a;
		struct pollfd p = {.fd = w->process.fd, .events = POLLIN};

		assert_int_equal(poll(&p, 1, 5000), 1);
		/* They may have come before the child ignored them: then uses another child. */
		if (worker_receive(w->process.fd, &a, sizeof(a)) == 1) {
			assert_int_equal(a.type, WORKER_READY);
			for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
				kill(w->process.pid, harmless[i]);
			p = (struct pollfd){.fd = w->process.pidfd, .events = POLLIN};
			assert_int_equal(poll(&p, 1, 100), 0);
		}
	}
	helper_release(w);
	fill(h);
	await_ready(loop, h, 1);
	helpers_free(h);
	loop_free(loop);
}

/* A worker may change how long its socket takes to close until it has ended. */
static void its_socket_outlives_it(void **state)
{
	struct loop *loop = loop_new();
	struct helpers *h = new_helpers(loop, (struct helpers_config){.spares = 1});
	struct helper *w;
	struct err err;
	unsigned early = 0;

	(void)state;
	for (int i = 0; i < 20; i++) {
		int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		pid_t pid;

		assert_true(sock >= 0);
		fill(h);
		await_ready(loop, h, 1);
		assert_int_equal(helpers_take(h, &w, &err), 0);
		pid = w->process.pid;
		helper_release_with(w, sock);
		/* It exists until it is reaped. */
		if (kill(pid, 0) == 0) {
			assert_true(fcntl(sock, F_GETFD) >= 0);
			early++;
		}
		for (int k = 0; k < 250 && kill(pid, 0) == 0; k++)
			loop_run_for(loop, 1);
		assert_int_equal(fcntl(sock, F_GETFD), -1);
	}
	assert_true(early > 0);
	helper_release_with(NULL, -1);
	helpers_free(h);
	loop_free(loop);
}

/* Copies of a zygote are our children, confined, each a new process; a dead zygote is replaced. */
static void from_a_zygote(void **state)
{
	struct loop *loop = loop_new();
	struct helpers *h = new_helpers(loop, (struct helpers_config){.spares = 2, .zygote = true});
	struct helper *one, *two;
	char path[64], name[32] = "";
	struct err err;
	pid_t zygote = 0;
	int score;
	FILE *f;

	(void)state;
	fill(h);
	await_ready(loop, h, 2);
	assert_int_equal(helpers_take(h, &one, &err), 0);
	assert_int_equal(helpers_take(h, &two, &err), 0);
	assert_int_not_equal(one->process.pid, two->process.pid);
	/* If memory is short, the zygote is not ended first; a worker may be. */
	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", one->process.pid);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &score), 1);
	fclose(f);
	assert_true(score >= 0);
	assert_int_equal(kill(one->process.pid, SIGKILL), 0);
	process_wait(&one->process);
	helper_release(one);
	helper_release(two);
	/* The zygote is the child that is left. */
	loop_run_for(loop, 50);
	zygote = first_child();
	snprintf(path, sizeof(path), "/proc/%d/comm", zygote);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%31s", name), 1);
	fclose(f);
	assert_string_equal(name, "nbd-zygote");
	kill(zygote, SIGKILL);
	fill(h);
	await_ready(loop, h, 2);
	helpers_free(h);
	loop_free(loop);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* The real and the effective uid of a process. */
static void uids_of(pid_t pid, unsigned *ret_real, unsigned *ret_effective)
{
	char path[64], line[128];
	int n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	assert_non_null(f);
	while (n != 2 && fgets(line, sizeof(line), f))
		n = sscanf(line, "Uid: %u %u", ret_real, ret_effective);
	fclose(f);
	assert_int_equal(n, 2);
}

/*
 * At the end of a shutdown systemd spares processes with root's real uid and an @ as the first
 * letter: all helpers of the root file system's device. Their other ids are not root's.
 */
static void the_root_file_systems_are_spared(void **state)
{
	static const struct helpers_config cfg = {.spares = 1, .zygote = true};
	char first = program_invocation_name[0];
	unsigned real, effective;
	struct loop *loop;
	struct helpers *h;
	struct helper *w;
	struct err err;

	(void)state;
	if (geteuid() != 0)
		skip_because("it takes root");
	for (int marked = 0; marked < 2; marked++) {
		program_invocation_name[0] = marked ? '@' : first;
		loop = loop_new();
		h = new_helpers(loop, cfg);
		fill(h);
		await_ready(loop, h, 1);
		program_invocation_name[0] = first;
		uids_of(first_child(), &real, &effective);
		assert_int_equal(real == 0, marked);
		assert_int_not_equal(effective, 0);
		assert_int_equal(helpers_take(h, &w, &err), 0);
		uids_of(w->process.pid, &real, &effective);
		assert_int_equal(real == 0, marked);
		assert_int_not_equal(effective, 0);
		helper_release(w);
		helpers_free(h);
		loop_free(loop);
	}
}

/*
 * In another process whose root is an empty directory. Returns how many of 100 workers could be
 * started there.
 */
static int workers_without_files(bool zygote, const char *dir)
{
	struct loop *loop = loop_new();
	struct helpers *h =
	    new_helpers(loop, (struct helpers_config){.spares = 2, .zygote = zygote});
	struct helper *w;
	struct err err;
	int n = 0;

	fill(h);
	await_ready(loop, h, 2);
	if (chroot(dir) < 0 || chdir("/") < 0)
		return -1;
	/* The first two were ready before. */
	for (int i = 0; i < 102; i++) {
		for (int k = 0; k < 500 && helpers_ready(h) == 0 && helpers_spares(h); k++)
			loop_run_for(loop, 2);
		if (helpers_ready(h) == 0 || helpers_take(h, &w, &err) < 0)
			break;
		n++;
		helper_release(w);
		(void)!helpers_fill(h, &err);
	}
	helpers_free(h);
	loop_free(loop);
	return n - 2;
}

static int in_a_child(bool zygote)
{
	char dir[] = "/tmp/test-helpers.XXXXXX";
	int status;
	pid_t pid;

	assert_non_null(mkdtemp(dir));
	pid = fork();
	if (pid == 0)
		_exit(workers_without_files(zygote, dir));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(rmdir(dir), 0);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/*
 * A device under swap or the root file system: in an outage, no file may be readable. With Landlock
 * a zygote cannot open a file itself; here its starter cannot, either.
 */
static void a_zygote_needs_no_file(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip_because("it takes root");
#if defined(FOR_VALGRIND)
	skip_because("it has files of its own");
#endif
	assert_int_equal(in_a_child(true), 100);
	assert_int_equal(in_a_child(false), 0); /* only a zygote helps */
}

/* A copy like the zygote's, which no handler of a library notices. */
static void random_of_a_copy(const struct tls_lib *lib, uint8_t out[2][16])
{
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0) {
		lib->rnd_refresh();
		lib->rnd(GNUTLS_RND_RANDOM, out[0], 16);
		lib->rnd(GNUTLS_RND_NONCE, out[1], 16);
		_exit(write(fds[1], out, 32) != 32);
	}
	assert_int_equal(read(fds[0], out, 32), 32);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(fds[0]);
	close(fds[1]);
}

/* Otherwise two servers would get the same keys from a device's workers. */
static void copies_share_no_random_numbers(void **state)
{
	uint8_t one[2][16], two[2][16];
	struct tls_lib lib;
	struct err err;

	(void)state;
	assert_int_equal(tls_lib_load(&lib, &err), 0);
	random_of_a_copy(&lib, one);
	random_of_a_copy(&lib, two);
	assert_memory_not_equal(one[0], two[0], 16);
	assert_memory_not_equal(one[1], two[1], 16);
}

/* The environment of a helper at its start. */
struct found {
	uint8_t random[16];    /* the kernel's random bytes, the source of the stack canary */
	uintptr_t text, stack; /* addresses */
	bool session;	       /* it is a session leader */
	bool terminal;	       /* it could open one */
	unsigned descriptors;
	char environment[256];
};

static void look_around(struct found *ret_found)
{
	struct found f = {
	    .text = (uintptr_t)look_around,
	    .stack = (uintptr_t)&f,
	    .session = getsid(0) == getpid(),
	    .descriptors = open_descriptors(),
	};
	size_t len = 0;

	memcpy(f.random, (const void *)getauxval(AT_RANDOM), sizeof(f.random));
	f.terminal = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC) >= 0;
	for (char **e = environ; *e && len < sizeof(f.environment); e++)
		len +=
		    (size_t)snprintf(f.environment + len, sizeof(f.environment) - len, "%s\n", *e);
	*ret_found = f;
}

static void tell_what_there_is(int fd, pid_t parent, const void *setup, size_t len)
{
	struct found found;

	(void)parent;
	(void)setup;
	(void)len;
	look_around(&found);
	(void)!send(fd, &found, sizeof(found), 0);
}

static struct found ask_a_helper(void)
{
	struct process_job job = {.kind = helper_kind(tell_what_there_is, 0), .name = "nosy"};
	struct process_seed seed;
	struct process p;
	struct pollfd ready;
	struct found found;
	struct err err;

	assert_int_equal(process_seed_open(&seed, &err), 0);
	assert_int_equal(process_start(&p, &seed, &job, &err), 0);
	ready = (struct pollfd){.fd = p.fd, .events = POLLIN};
	assert_int_equal(poll(&ready, 1, 10000), 1);
	assert_int_equal(recv(p.fd, &found, sizeof(found), 0), sizeof(found));
	process_wait(&p);
	process_done(&p);
	process_seed_close(&seed);
	return found;
}

/*
 * Helpers are executed anew: an address that one reveals to a server does not help against another,
 * or against the process that started it.
 */
static void nothing_is_inherited(void **state)
{
	int kept = dup(STDERR_FILENO); /* not close-on-exec */
	struct found ours, one, two;

	(void)state;
	setenv("SSLKEYLOGFILE", "/tmp/keys", 1);
	setenv("GNUTLS_DEBUG_LEVEL", "9", 1);
	look_around(&ours);
	one = ask_a_helper();
	two = ask_a_helper();
	close(kept);
#if defined(FOR_VALGRIND)
	return; /* sanitizers choose addresses and need descriptors */
#endif
	assert_memory_not_equal(one.random, ours.random, sizeof(one.random));
	assert_memory_not_equal(one.random, two.random, sizeof(one.random));
	assert_int_not_equal(one.text, ours.text);
	assert_int_not_equal(one.text, two.text);
	assert_int_not_equal(one.stack, two.stack);
	assert_string_equal(one.environment, "PATH=/usr/sbin:/usr/bin:/sbin:/bin\nLC_ALL=C\n");
	assert_int_equal(one.descriptors, 4); /* the standard ones, and the socket */
	assert_true(one.session);
	assert_false(one.terminal);
}

/* The private argument does nothing for a user, whatever descriptor the user opens for it. */
static void users_start_no_helper(void **state)
{
	char *const argv[] = {(char[]){"nbd-attach"}, (char[]){"--helper=worker"}, NULL};
	static struct process_call call;
	int kept = fcntl(3, F_DUPFD_CLOEXEC, 20), fds[2];

	(void)state;
	close(3);
	assert_false(process_accept(2, argv, &call));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(dup2(fds[0], 3), 3);
	assert_false(process_accept(2, argv, &call));
	close(fds[0] == 3 ? fds[1] : fds[0]);
	/* One's own socket pair is not the parent's. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	assert_int_equal(dup2(fds[0], 3), 3);
	assert_int_equal(send(fds[1], "a long enough first message, or so it is hoped here", 48, 0),
			 48);
	assert_false(process_accept(2, argv, &call));
	close(fds[1]);
	if (kept >= 0)
		dup2(kept, 3);
	close(kept);
}

static void die_at_once(int fd, pid_t parent, const void *setup, size_t len)
{
	(void)fd;
	(void)parent;
	(void)setup;
	(void)len;
	raise(SIGKILL);
}

static void fail_to_confine(int fd, pid_t parent, const void *setup, size_t len)
{
	static struct worker_answer a = {.type = WORKER_FAILED, .ret = -EPERM};

	(void)parent;
	(void)setup;
	(void)len;
	a.err.kind = ERR_SYSTEM;
	strcpy(a.err.message, "this message is part of the test");
	(void)!send(fd, &a, sizeof(a), 0);
}

static void speak_twice(int fd, pid_t parent, const void *setup, size_t len)
{
	static struct worker_answer a = {.type = WORKER_READY};

	(void)parent;
	(void)setup;
	(void)len;
	(void)!send(fd, &a, sizeof(a), 0);
	(void)!send(fd, &a, sizeof(a), 0);
	for (;;)
		pause();
}

static void bad_spares_are_dropped(void **state)
{
	process_fn *const kinds[] = {die_at_once, fail_to_confine, speak_twice};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct loop *loop = loop_new();
		struct helpers *h = new_helpers(loop, (struct helpers_config){
							  .spares = 2,
							  .worker = helper_kind(kinds[i], 0),
						      });

		fill(h);
		for (int n = 0; n < 250 && helpers_spares(h); n++)
			loop_run_for(loop, 20);
		assert_int_equal(helpers_spares(h), 0);
		helpers_free(h);
		loop_free(loop);
		assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	}
}

struct family {
	pid_t spare, holder;
};

/*
 * Starts a spare, and a process that keeps its socket open, so the end of the socket does not end
 * it.
 */
static void __attribute__((noreturn)) supervisor(int pipe_fd)
{
	struct loop *loop = loop_new();
	struct helpers *h = new_helpers(loop, (struct helpers_config){.spares = 1});
	struct family f;
	struct helper *w;
	struct err err;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fill(h);
	await_ready(loop, h, 1);
	f.holder = fork();
	if (f.holder == 0)
		for (;;)
			pause();
	if (helpers_take(h, &w, &err) == 0) {
		f.spare = w->process.pid;
		(void)!write(pipe_fd, &f, sizeof(f));
	}
	for (;;)
		pause();
}

/* Even if a supervisor is killed, none of its helpers is left. */
static void they_die_with_their_parent(void **state)
{
	int pipe_fd[2], status = 0;
	pid_t parent, ended = 0;
	struct family f;

	(void)state;
	/* Orphans become our children. */
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	assert_int_equal(pipe2(pipe_fd, O_CLOEXEC), 0);
	parent = fork();
	if (parent == 0)
		supervisor(pipe_fd[1]);
	assert_int_equal(read(pipe_fd[0], &f, sizeof(f)), sizeof(f));
	usleep(50000);
	assert_int_equal(kill(f.spare, 0), 0);
	kill(parent, SIGKILL);
	assert_int_equal(waitpid(parent, NULL, 0), parent);
	for (int i = 0; i < 250 && ended == 0; i++) {
		usleep(20000);
		ended = waitpid(f.spare, &status, WNOHANG);
	}
	kill(f.spare, SIGKILL);
	kill(f.holder, SIGKILL);
	assert_int_equal(waitpid(f.holder, NULL, 0), f.holder);
	assert_int_equal(ended, f.spare);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

/* With a spare, a redial needs no fork. */
static void on_done(struct attempt *a, int ret, struct attempt_result *result,
		    const struct err *err, void *arg)
{
	(void)a;
	(void)result;
	(void)err;
	loop_stop(arg, ret);
}

static void refused_attempt_keeps_spares(void **state)
{
	struct loop *loop = loop_new();
	struct helpers *h = new_helpers(loop, (struct helpers_config){.spares = 1});
	struct endpoint e;
	struct attempt_config cfg = {.endpoint = &e, .timeout_ms = 1000, .helpers = h};
	struct attempt *a;
	struct err err;

	(void)state;
	endpoint_init(&e);
	e.host = strdup("127.0.0.1");
	e.port = unused_port("127.0.0.1");
	fill(h);
	await_ready(loop, h, 1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(attempt_new(loop, &cfg, on_done, NULL, loop, &a, &err), 0);
		assert_int_equal(loop_run(loop), -ECONNREFUSED);
		attempt_free(a);
		assert_int_equal(helpers_ready(h), 1);
	}
	helpers_free(h);
	loop_free(loop);
	endpoint_done(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(spares),
	    cmocka_unit_test(relays_end),
	    cmocka_unit_test(relays_do_not_add_up),
	    cmocka_unit_test(locked_in_memory),
	    cmocka_unit_test(signals),
	    cmocka_unit_test(its_socket_outlives_it),
	    cmocka_unit_test(from_a_zygote),
	    cmocka_unit_test(the_root_file_systems_are_spared),
	    cmocka_unit_test(a_zygote_needs_no_file),
	    cmocka_unit_test(copies_share_no_random_numbers),
	    cmocka_unit_test(nothing_is_inherited),
	    cmocka_unit_test(users_start_no_helper),
	    cmocka_unit_test(bad_spares_are_dropped),
	    cmocka_unit_test(they_die_with_their_parent),
	    cmocka_unit_test(refused_attempt_keeps_spares),
	};

	return cmocka_run_group_tests_name("transport-helpers", tests, NULL, NULL);
}
