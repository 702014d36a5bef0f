/* SPDX-License-Identifier: MIT */
/* Long: a list of cases, each read by itself. */
/* Whole attempts, against servers and helpers that misbehave. */
#include "server-fixture.h"
#include "helper-fixture.h"

#include <netdb.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "transport/attempt.h"
#include "transport/helpers.h"
#include "transport/tls-files.h"
#include "worker/resolve.h"
#include "worker/worker.h"
#include "skip.h"

struct outcome {
	struct loop *loop;
	bool called;
	bool connected;
	int ret, fd;
	struct err err;
	struct attempt_result result;
	uint64_t ms;
	unsigned listed;
	char names[256];
};

static void on_done(struct attempt *a, int ret, struct attempt_result *result,
		    const struct err *err, void *arg)
{
	struct outcome *o = arg;

	assert_false(o->called);
	o->called = true;
	o->connected = attempt_connected(a);
	o->ret = ret;
	if (ret == 0) {
		o->result = *result;
		o->fd = TAKE_FD(result->fd);
	} else {
		assert_null(result);
		assert_string_not_equal(err->message, "");
		o->err = *err;
	}
	loop_stop(o->loop, 0);
}

static void on_listed(const char *name, const char *description, void *arg)
{
	struct outcome *o = arg;
	size_t len = strlen(o->names);

	(void)description;
	o->listed++;
	snprintf(o->names + len, sizeof(o->names) - len, "%s,", name);
}

/* Runs one attempt to its end; it must leave only the result's descriptor. */
static struct outcome run_attempt(struct attempt_config *cfg, const struct helpers_config *helpers)
{
	struct outcome o = {.loop = loop_new(), .fd = -1};
	unsigned before = open_descriptors();
	uint64_t start = loop_now();
	struct attempt *a;

	if (helpers)
		assert_int_equal(helpers_new(o.loop, helpers, &cfg->helpers, &o.err), 0);
	if (!cfg->timeout_ms)
		cfg->timeout_ms = 5000;
	assert_int_equal(attempt_new(o.loop, cfg, on_done, on_listed, &o, &a, &o.err), 0);
	assert_false(o.called);
	loop_run(o.loop);
	o.ms = loop_now() - start;
	attempt_free(a);
	helpers_free(TAKE_PTR(cfg->helpers));
	assert_int_equal(open_descriptors(), before + (o.fd >= 0));
	loop_free(o.loop);
	return o;
}

static struct outcome attempt(struct attempt_config *cfg)
{
	return run_attempt(cfg, NULL);
}

static struct outcome attempt_with(struct attempt_config *cfg, struct helpers_config helpers)
{
	return run_attempt(cfg, &helpers);
}

/* An attempt with goal GO against a server of this kind on the loopback interface. */
static struct outcome go_with(void (*serve)(int fd), struct attempt_config *cfg)
{
	struct address at = literal_address("127.0.0.1", 0);
	pid_t pid = server_start(listen_at(&at, 8), serve);
	struct endpoint e;
	struct outcome o;

	tcp_endpoint(&e, "127.0.0.1", address_port(&at));
	cfg->endpoint = &e;
	o = attempt(cfg);
	server_stop(pid);
	endpoint_done(&e);
	return o;
}

static struct outcome go(void (*serve)(int fd))
{
	return go_with(serve, &(struct attempt_config){.goal = NEGO_GOAL_GO, .timeout_ms = 1000});
}

/* Describes the export, then does not answer the goodbye, as proto.md allows. */
static void server_without_goodbye(int fd)
{
	uint8_t out[200];
	uint32_t which = greet(fd);

	if (!which)
		return;
	(void)!write(fd, out, put_grant(out, which, NBD_TX_HAS_FLAGS));
	pause();
}

static void assert_ready_for_the_kernel(int fd)
{
	struct timeval tv = {.tv_sec = 9};
	socklen_t len = sizeof(tv);
	char in[16];

	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, &len), 0);
	assert_int_equal(tv.tv_sec, 0);
	/* No byte was read ahead, and the other direction works. */
	assert_int_equal(recv(fd, in, 12, MSG_WAITALL), 12);
	assert_memory_equal(in, "TRANSMISSION", 12);
	assert_int_equal(send(fd, "echo", 4, 0), 4);
	assert_int_equal(recv(fd, in, 4, MSG_WAITALL), 4);
	assert_memory_equal(in, "echo", 4);
	/* This is the only descriptor: the peer sees the end when it is shut. */
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	assert_int_equal(recv(fd, in, 1, 0), 0);
	close(fd);
}

static void go_tcp(void **state)
{
	struct address at = literal_address("127.0.0.1", 0);
	pid_t pid = server_start(listen_at(&at, 8), good_server);
	struct attempt_config cfg = {.goal = NEGO_GOAL_GO};
	struct endpoint e;
	struct outcome o;

	(void)state;
	tcp_endpoint(&e, "127.0.0.1", address_port(&at));
	cfg.endpoint = &e;
	o = attempt(&cfg);
	assert_int_equal(o.ret, 0);
	assert_int_equal(o.result.export.size, 1 << 20);
	assert_int_equal(o.result.export.flags, NBD_TX_HAS_FLAGS | NBD_TX_SEND_FLUSH);
	assert_int_equal(o.result.addresses.n, 1);
	assert_true(address_equal(&o.result.peer, &at));
	assert_ready_for_the_kernel(o.fd);
	server_stop(pid);
	endpoint_done(&e);
}

static void go_owned(void **state)
{
	const uid_t mine = geteuid(), other = mine + 1;
	struct outcome o =
	    go_with(good_server, &(struct attempt_config){.goal = NEGO_GOAL_GO, .peer_uid = &mine});

	(void)state;
	assert_int_equal(o.ret, 0);
	close(o.fd);
	o = go_with(good_server,
		    &(struct attempt_config){.goal = NEGO_GOAL_GO, .peer_uid = &other});
	assert_int_equal(o.ret, -EPERM);
	assert_int_equal(o.err.kind, ERR_PERMANENT);
	assert_non_null(strstr(o.err.message, "another user's server answers"));
}

static void go_unix(void **state)
{
	char dir[] = "/tmp/test-attempt.XXXXXX", path[64];
	struct attempt_config cfg = {.goal = NEGO_GOAL_GO};
	struct endpoint e;
	struct address at;
	struct outcome o;
	pid_t pid;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/socket", dir);
	at = unix_address(path);
	pid = server_start(listen_at(&at, 8), good_server);
	endpoint_init(&e);
	e.type = ENDPOINT_UNIX;
	e.path = strdup(path);
	e.path_len = strlen(path);
	cfg.endpoint = &e;
	o = attempt(&cfg);
	assert_int_equal(o.ret, 0);
	assert_int_equal(o.result.unix_uid, geteuid());
	assert_ready_for_the_kernel(o.fd);
	server_stop(pid);
	unlink(path);
	rmdir(dir);
	endpoint_done(&e);
}

static void info_without_goodbye(void **state)
{
	struct attempt_config cfg = {.goal = NEGO_GOAL_INFO, .timeout_ms = 3000};
	struct outcome o = go_with(server_without_goodbye, &cfg);

	(void)state;
	assert_int_equal(o.ret, 0);
	assert_int_equal(o.result.export.size, 1 << 20);
	assert_in_range(o.ms, 95, 2000);
}

/* A name goes through the resolver process. */
static void go_localhost(void **state)
{
	struct address at = literal_address("127.0.0.1", 0);
	pid_t pid = server_start(listen_at(&at, 8), good_server);
	struct attempt_config cfg = {.goal = NEGO_GOAL_GO};
	struct endpoint e;
	struct outcome o;

	(void)state;
	tcp_endpoint(&e, "localhost", address_port(&at));
	cfg.endpoint = &e;
	cfg.timeout_ms = 8000;
	o = attempt(&cfg);
	assert_int_equal(o.ret, 0);
	close(o.fd);
	server_stop(pid);
	endpoint_done(&e);
}

static void name_unknown(void **state)
{
	struct attempt_config cfg = {.goal = NEGO_GOAL_GO, .timeout_ms = 8000};
	struct endpoint e;
	struct outcome o;

	(void)state;
	tcp_endpoint(&e, "nonexistent.invalid", 10809);
	cfg.endpoint = &e;
	o = attempt(&cfg);
	assert_true(o.ret < 0);
	assert_int_equal(o.err.kind, ERR_RETRY);
	assert_non_null(strstr(o.err.message, "nonexistent.invalid"));
	endpoint_done(&e);
}

static void refused(void **state)
{
	struct attempt_config cfg = {.goal = NEGO_GOAL_GO};
	struct endpoint e;
	struct outcome o;

	(void)state;
	tcp_endpoint(&e, "127.0.0.1", unused_port("127.0.0.1"));
	cfg.endpoint = &e;
	o = attempt(&cfg);
	assert_int_equal(o.ret, -ECONNREFUSED);
	assert_int_equal(o.err.kind, ERR_RETRY);
	assert_true(o.ms < 900);
	endpoint_done(&e);
}

/* Given addresses are dialled; the name is not looked up, so nothing notices this resolver. */
static void no_resolver(int fd, pid_t parent, const void *setup, size_t len)
{
	(void)parent;
	(void)setup;
	(void)len;
	(void)!send(fd, "x", 1, 0);
}

static void addresses_given(void **state)
{
	struct address at = literal_address("127.0.0.1", 0);
	pid_t pid = server_start(listen_at(&at, 8), good_server);
	struct address_list list = {.n = 1, .item = {at}};
	struct attempt_config cfg = {.addresses = &list};
	struct endpoint e;
	struct outcome o;

	(void)state;
	tcp_endpoint(&e, "nonexistent.invalid", 1);
	cfg.endpoint = &e;
	o = attempt_with(&cfg, (struct helpers_config){.resolver = helper_kind(no_resolver, 0)});
	assert_int_equal(o.ret, 0);
	close(o.fd);
	server_stop(pid);
	endpoint_done(&e);
}

/* Slow servers. */

static void silent(int fd)
{
	(void)fd;
	pause();
}

static void tarpit(int fd)
{
	static const char greeting[] = "NBDMAGICIHAVEOPT";

	for (size_t i = 0;; i++) {
		if (write(fd, &greeting[i % 16], 1) != 1)
			return;
		usleep(50000);
	}
}

static void stalls_after_greeting(int fd)
{
	send_greeting(fd);
	pause();
}

static void deadline_holds(void **state)
{
	void (*const servers[])(int) = {silent, tarpit, stalls_after_greeting};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(servers); i++) {
		struct attempt_config cfg = {.timeout_ms = 700};
		struct outcome o = go_with(servers[i], &cfg);

		assert_int_equal(o.ret, -ETIMEDOUT);
		assert_int_equal(o.err.kind, ERR_RETRY);
		assert_in_range(o.ms, 695, 2500);
		assert_non_null(strstr(o.err.message, "no answer from 127.0.0.1:"));
		assert_non_null(strstr(o.err.message, " within 0.700 s: the server may be "
						      "stopped, overloaded, or not an NBD server"));
	}
}

static int __attribute__((noreturn))
stuck_lookup(const char *host, uint16_t port, struct address_list *list)
{
	(void)host;
	(void)port;
	(void)list;
	for (;;)
		pause();
}

static int huge_lookup(const char *host, uint16_t port, struct address_list *list)
{
	(void)host;
	list->n = 3;
	for (size_t i = 0; i < list->n; i++)
		list->item[i] = literal_address("127.0.0.1", (uint16_t)(port + i));
	return 0;
}

static int *volatile nowhere;

static int crash_lookup(const char *host, uint16_t port, struct address_list *list)
{
	(void)host;
	(void)port;
	(void)list;
	signal(SIGSEGV, SIG_DFL); /* a sanitizer's handler would make an exit of it */
	*nowhere = 1;
	return 0;
}

static int exit_lookup(const char *host, uint16_t port, struct address_list *list)
{
	(void)host;
	(void)port;
	(void)list;
	_exit(3);
}

/* A name service module that tries forbidden calls, and works without them. */
static int greedy_lookup(const char *host, uint16_t port, struct address_list *list)
{
	int fds[2];

	(void)host;
	(void)port;
	(void)list;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0 || errno != EPERM)
		return 0; /* and no address */
	return EAI_AGAIN;
}

static resolve_lookup_fn *const lookups[] = {stuck_lookup, huge_lookup, crash_lookup, exit_lookup,
					     greedy_lookup};
enum { STUCK, HUGE, CRASHES, EXITS, GREEDY };

static void bad_resolver(int fd, pid_t parent, const void *setup, size_t len)
{
	resolve_serve(fd, parent, setup, len, lookups[helper_number]);
}

static struct outcome look_up(unsigned lookup)
{
	struct attempt_config cfg = {.timeout_ms = 500};
	struct endpoint e;
	struct outcome o;

	tcp_endpoint(&e, "some.host", 10809);
	cfg.endpoint = &e;
	o = attempt_with(&cfg,
			 (struct helpers_config){.resolver = helper_kind(bad_resolver, lookup)});
	endpoint_done(&e);
	return o;
}

static void resolver_misbehaves(void **state)
{
	struct outcome o = look_up(STUCK);
	char call[64];

	(void)state;
	(void)call;
	assert_int_equal(o.ret, -ETIMEDOUT);
	assert_int_equal(o.err.kind, ERR_RETRY);
	assert_in_range(o.ms, 495, 2500);
	assert_non_null(strstr(o.err.message, "some.host:10809 could not be resolved"));
	o = look_up(HUGE);
	assert_int_equal(o.ret, -EPROTO);
	assert_int_equal(o.err.kind, ERR_PERMANENT);
#if !defined(FOR_VALGRIND)
	o = look_up(GREEDY);
	assert_int_equal(o.ret, -EAGAIN);
	assert_non_null(strstr(o.err.message, "no name server answers"));
	snprintf(call, sizeof(call), "made system call %d, which is not allowed", SYS_socketpair);
	assert_non_null(strstr(o.err.message, call));
#endif
	o = look_up(EXITS);
	assert_int_equal(o.ret, -ECHILD);
	assert_int_equal(o.err.kind, ERR_RETRY);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_UNDEFINED__)
	o = look_up(CRASHES);
	assert_int_equal(o.ret, -ECHILD);
	assert_int_equal(o.err.kind, ERR_PERMANENT);
#endif
}

static void closes(int fd)
{
	(void)fd;
}

static void not_nbd(int fd)
{
	(void)!write(fd, "SSH-2.0-OpenSSH_9.2p1\r\n and more", 32);
	pause();
}

static void server_misbehaves(void **state)
{
	struct outcome o = go(closes);

	(void)state;
	assert_true(o.ret < 0);
	assert_int_equal(o.err.kind, ERR_RETRY);
	assert_non_null(strstr(o.err.message, "127.0.0.1:"));
	o = go(not_nbd);
	assert_true(o.ret < 0);
	assert_int_equal(o.err.kind, ERR_PERMANENT);
	assert_true(o.ms < 900);
}

static void another_service(int fd)
{
	char byte;

	(void)!write(fd, "SSH-2.0-OpenSSH_9.2p1\r\n and more", 32);
	while (read(fd, &byte, 1) > 0)
		;
}

/* One name, three addresses, and only one of them is an NBD server's. */
static void another_address(void **state)
{
	struct address at[3] = {literal_address("127.0.0.1", 0), literal_address("127.0.0.2", 0),
				literal_address("127.0.0.3", 0)};
	pid_t pid[3] = {server_start(listen_at(&at[0], 8), another_service),
			server_start(listen_at(&at[1], 8), closes),
			server_start(listen_at(&at[2], 8), good_server)};
	struct address_list list = {.n = 3, .item = {at[0], at[1], at[2]}};
	struct attempt_config cfg = {.addresses = &list, .timeout_ms = 3000};
	struct endpoint e;
	struct outcome o;

	(void)state;
	tcp_endpoint(&e, "some.host", 1);
	cfg.endpoint = &e;
	o = attempt(&cfg);
	assert_int_equal(o.ret, 0);
	assert_true(address_equal(&o.result.peer, &at[2]));
	assert_int_equal(o.result.addresses.n, 3);
	close(o.fd);
	/* No address is left: the first failure counts, even if the last address refuses. */
	server_stop(pid[2]);
	o = attempt(&cfg);
	assert_true(o.ret < 0);
	assert_int_equal(o.err.kind, ERR_PERMANENT);
	assert_non_null(strstr(o.err.message, "127.0.0.1:"));
	list.n = 2;
	o = attempt(&cfg);
	assert_int_equal(o.err.kind, ERR_PERMANENT);
	assert_non_null(strstr(o.err.message, "127.0.0.1:"));
	list.item[0] = at[1];
	list.item[1] = at[0];
	o = attempt(&cfg);
	assert_int_equal(o.err.kind, ERR_RETRY);
	assert_non_null(strstr(o.err.message, "127.0.0.2:"));
	/* The deadline is one for all. */
	at[2] = literal_address("127.0.0.3", 0);
	pid[2] = server_start(listen_at(&at[2], 8), silent);
	list.item[1] = at[2];
	cfg.timeout_ms = 500;
	o = attempt(&cfg);
	assert_int_equal(o.err.kind, ERR_RETRY);
	assert_non_null(strstr(o.err.message, "127.0.0.2:"));
	assert_in_range(o.ms, 495, 2500);
	for (size_t i = 0; i < ARRAY_SIZE(pid); i++)
		server_stop(pid[i]);
	endpoint_done(&e);
}

static void slow_server(int fd)
{
	usleep(700000);
	good_server(fd);
}

/* A silent address gets a share of the time, if others are left that do not refuse connections. */
static void silent_address(void **state)
{
	struct address at[3] = {literal_address("127.0.0.1", 0), literal_address("127.0.0.2", 0),
				literal_address("127.0.0.3", 0)};
	int mute = listen_at(&at[0], 8);
	pid_t slow = server_start(listen_at(&at[1], 8), slow_server), good;
	struct address_list list;
	struct attempt_config cfg = {
	    .addresses = &list, .timeout_ms = 2700, .goal = NEGO_GOAL_INFO};
	struct endpoint e;
	struct outcome o;
	char byte;
	int fd;

	(void)state;
	tcp_endpoint(&e, "some.host", 1);
	cfg.endpoint = &e;
	good = server_start(listen_at(&at[2], 8), good_server);
	list = (struct address_list){.n = 2, .item = {at[0], at[2]}};
	o = attempt(&cfg);
	assert_int_equal(o.ret, 0);
	assert_true(address_equal(&o.result.peer, &at[2]));
	assert_in_range(o.ms, 1300, 2690);
	/* Its connection is closed. */
	fd = accept(mute, NULL, NULL);
	assert_int_equal(recv(fd, &byte, 1, 0), 0);
	close(fd);
	/* Unless the caller tries the others itself. */
	cfg.patient = true;
	o = attempt(&cfg);
	assert_int_equal(o.ret, -ETIMEDOUT);
	assert_non_null(strstr(o.err.message, "within 2.700 s"));
	cfg.patient = false;
	/* Two that are silent: the first is reported, with its share. */
	kill(good, SIGSTOP);
	o = attempt(&cfg);
	assert_int_equal(o.ret, -ETIMEDOUT);
	assert_int_equal(o.err.kind, ERR_RETRY);
	assert_non_null(strstr(o.err.message, "no answer from 127.0.0.1:"));
	assert_non_null(strstr(o.err.message, "within 1."));
	assert_in_range(o.ms, 2690, 6000);
	/* No time is kept for an address that refuses. */
	server_stop(good);
	list = (struct address_list){.n = 2, .item = {at[2], at[1]}};
	cfg.timeout_ms = 1200;
	o = attempt(&cfg);
	assert_int_equal(o.ret, 0);
	close(mute);
	server_stop(slow);
	endpoint_done(&e);
}

/* Workers that a server has taken over. Each gets the job, then misbehaves. */

static struct worker_answer lie;

static void tell(int fd, uint32_t type)
{
	lie.type = type;
	(void)!send(fd, &lie, sizeof(lie), MSG_NOSIGNAL);
}

static void tell_done(int fd)
{
	tell(fd, WORKER_DONE);
}

static void tell_nothing(int fd)
{
	shutdown(fd, SHUT_RDWR);
}

static void tell_garbage(int fd)
{
	memset(&lie, 0xa5, sizeof(lie));
	tell(fd, WORKER_DONE);
}

static void tell_little(int fd)
{
	(void)!send(fd, "x", 1, 0);
}

static void tell_much(int fd)
{
	static char much[2 * sizeof(struct worker_answer)];

	(void)!send(fd, much, sizeof(much), 0);
}

static void tell_for_ever(int fd)
{
	for (;;)
		tell(fd, WORKER_READY);
}

static void tell_an_export(int fd)
{
	tell(fd, WORKER_LISTED);
}

static void tell_of_no_sandbox(int fd)
{
	lie.ret = -EPERM;
	lie.err.kind = ERR_SYSTEM;
	strcpy(lie.err.message, "cannot confine the helper process: because");
	tell(fd, WORKER_FAILED);
}

static void fail_with(int fd, int number, enum err_kind kind)
{
	lie.ret = -number;
	lie.err.kind = kind;
	strcpy(lie.err.message, "because");
	tell(fd, WORKER_FAILED);
}

/* In plain text: an answer that would make the parent start a process that may live forever. */
static void ask_for_a_relay(int fd)
{
	fail_with(fd, TLS_NOT_IN_KERNEL, ERR_SYSTEM);
}

static void ask_for_another_tls(int fd)
{
	fail_with(fd, TLS_RENEWS_KEYS, ERR_PERMANENT);
}

static void tell_a_number(int fd)
{
	fail_with(fd, 4000, ERR_RETRY);
}

static const struct liar {
	void (*say)(int fd); /* NULL: it ends before it sends anything */
	int ends;	     /* its exit status, minus a signal's number, or: */
#define LINGERS 256	     /* with a copy of the socket that the kernel is to use */
	int ret;
	enum err_kind kind;
} liars[] = {
    {NULL, -SIGKILL, -ECHILD, ERR_RETRY},
    {tell_done, -SIGSYS, -ECHILD, ERR_PERMANENT},
    {tell_done, 1, -ECHILD, ERR_RETRY},
    {tell_done, LINGERS, -ETIMEDOUT, ERR_RETRY},
    {tell_nothing, LINGERS, -ETIMEDOUT, ERR_RETRY},
    {tell_garbage, LINGERS, -EPROTO, ERR_PERMANENT},
    {tell_little, LINGERS, -EPROTO, ERR_PERMANENT},
    {tell_much, LINGERS, -EPROTO, ERR_PERMANENT},
    {tell_for_ever, LINGERS, -EPROTO, ERR_PERMANENT},
    {tell_an_export, LINGERS, -EPROTO, ERR_PERMANENT},
    {tell_of_no_sandbox, 0, -EPERM, ERR_PERMANENT}, /* too late: it is confined */
    {ask_for_a_relay, LINGERS, -EPROTO, ERR_PERMANENT},
    {ask_for_another_tls, LINGERS, -EPROTO, ERR_PERMANENT},
    {tell_a_number, 0, -EIO, ERR_RETRY},
};

static void lying_worker(int fd, pid_t parent, const void *setup, size_t len)
{
	const struct liar *liar = &liars[helper_number];
	struct worker_job job;

	(void)parent;
	(void)setup;
	(void)len;
	tell(fd, WORKER_READY);
	(void)!recv(fd, &job, sizeof(job), 0);
	memset(&lie, 0, sizeof(lie));
	lie.export.size = 4096;
	lie.export.style = NBD_STYLE_FIXED_NEW;
	if (liar->say)
		liar->say(fd);
	if (liar->ends < 0) {
		signal(-liar->ends, SIG_DFL);
		raise(-liar->ends);
	}
	while (liar->ends == LINGERS)
		pause();
	_exit(liar->ends);
}

static void worker_misbehaves(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(liars); i++) {
		struct helpers_config helpers_cfg = {
		    .worker = helper_kind(lying_worker, (unsigned)i),
		};
		/* Enough for a busy machine, unless the limit is what is awaited. */
		struct attempt_config cfg = {
		    .timeout_ms = liars[i].ret == -ETIMEDOUT ? 300 : 10000,
		};
		struct loop *loop = loop_new();
		struct err err;
		struct outcome o;

		/* Helpers on another loop: their remaining children are reaped at their end. */
		assert_int_equal(helpers_new(loop, &helpers_cfg, &cfg.helpers, &err), 0);
		{
			struct address at = literal_address("127.0.0.1", 0);
			pid_t pid = server_start(listen_at(&at, 8), silent);
			struct endpoint e;
			struct attempt *a;

			tcp_endpoint(&e, "127.0.0.1", address_port(&at));
			cfg.endpoint = &e;
			o = (struct outcome){.loop = loop, .fd = -1};
			assert_int_equal(attempt_new(loop, &cfg, on_done, on_listed, &o, &a, &err),
					 0);
			loop_run(loop);
			attempt_free(a);
			server_stop(pid);
			endpoint_done(&e);
		}
		helpers_free(cfg.helpers);
		loop_free(loop);
		if (o.ret != liars[i].ret || o.err.kind != liars[i].kind)
			print_error("worker %zu: %d, kind %d: %s\n", i, o.ret, o.err.kind,
				    o.err.message);
		assert_int_equal(o.ret, liars[i].ret);
		assert_int_equal(o.err.kind, liars[i].kind);
		assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
	}
}

/* The disk with the keys does not answer: the server, which waits, is not to blame. */
static void keys_that_cannot_be_read(void **state)
{
	struct address at = literal_address("127.0.0.1", 0);
	int listening = listen_at(&at, 8);
	struct attempt_config cfg = {.timeout_ms = 2500, .goal = NEGO_GOAL_GO};
	struct outcome o = {.loop = loop_new(), .fd = -1};
	struct endpoint e;
	struct attempt *a;
	bool waits;

	(void)state;
	tcp_endpoint(&e, "127.0.0.1", address_port(&at));
	cfg.endpoint = &e;
	e.tls = true;
	e.tls_type = TLS_TYPE_PSK;
	e.tls_psk_file = strdup("/nowhere/psk");
	assert_int_equal(
	    helpers_new(o.loop, &(struct helpers_config){.tls = &e}, &cfg.helpers, &o.err), 0);
	tls_files_refresh(helpers_tls_files(cfg.helpers));
	assert_true(only_child() > 0);
	assert_int_equal(kill(only_child(), SIGSTOP), 0);
	assert_int_equal(attempt_new(o.loop, &cfg, on_done, on_listed, &o, &a, &o.err), 0);
	loop_run_for(o.loop, 700);
	waits = attempt_waits_for_keys(a) && !attempt_connected(a);
	loop_run(o.loop);
	attempt_free(a);
	helpers_free(cfg.helpers); /* ends the stopped process, too */
	assert_true(waits);
	assert_int_equal(o.ret, -ETIMEDOUT);
	assert_int_equal(o.err.kind, ERR_RETRY);
	assert_non_null(
	    strstr(o.err.message, "could not be read within 2.500 s, such as /nowhere/"));
	assert_null(strstr(o.err.message, "no answer"));
	assert_false(o.connected);
	loop_free(o.loop);
	close(listening);
	endpoint_done(&e);
}

/* For the delays of the next attempts: only a server that was reached can be slow. */
static void what_was_reached(void **state)
{
	struct attempt_config cfg = {.timeout_ms = 1000};
	struct endpoint e;

	(void)state;
	assert_true(go(silent).connected);
	tcp_endpoint(&e, "127.0.0.1", unused_port("127.0.0.1"));
	cfg.endpoint = &e;
	assert_false(attempt(&cfg).connected);
	endpoint_done(&e);
}

#define LINGER_S 8 /* how long close() would wait; an attempt of these takes 2 s at most */

/* How a worker ends that has made its copy of the socket slow to close. */
enum slow_close { SLOW_FAILED, SLOW_DONE, SLOW_KILLED, SLOW_WAYS };

static int receive_socket(int fd)
{
	struct worker_job job;
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {&job, sizeof(job)};
	struct msghdr msg = {
	    .msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof(control),
	};
	int sock = -1;

	if (recvmsg(fd, &msg, MSG_CMSG_CLOEXEC) > 0 && CMSG_FIRSTHDR(&msg))
		memcpy(&sock, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(sock));
	return sock;
}

/* Fills the buffers on the way to a server that does not read. */
static void worker_that_lingers(int fd, pid_t parent, const void *setup, size_t len)
{
	static const char much[1 << 16];
	const struct linger slow = {.l_onoff = 1, .l_linger = LINGER_S};
	int sock;

	(void)parent;
	(void)setup;
	(void)len;
	tell(fd, WORKER_READY);
	sock = receive_socket(fd);
	while (send(sock, much, sizeof(much), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		;
	if (setsockopt(sock, SOL_SOCKET, SO_LINGER, &slow, sizeof(slow)) < 0)
		_exit(1);
	memset(&lie, 0, sizeof(lie));
	lie.export.size = 4096;
	lie.export.style = NBD_STYLE_FIXED_NEW;
	if (helper_number == SLOW_FAILED)
		fail_with(fd, EIO, ERR_RETRY);
	else if (helper_number == SLOW_DONE)
		tell(fd, WORKER_DONE);
	while (helper_number == SLOW_KILLED)
		pause();
	_exit(0); /* an ending process does not wait for its sockets */
}

/* The last copy of a socket is ours, with the options that a worker has set. */
static void no_close_waits(void **state)
{
	static const int expected[SLOW_WAYS] = {-EIO, 0, -ETIMEDOUT};

	(void)state;
	for (unsigned i = 0; i < SLOW_WAYS * 2; i++) {
		struct attempt_config cfg = {
		    .timeout_ms = expected[i % SLOW_WAYS] == -ETIMEDOUT ? 300 : 2000,
		    .goal = i < SLOW_WAYS ? NEGO_GOAL_GO : NEGO_GOAL_INFO,
		};
		struct address at = literal_address("127.0.0.1", 0);
		pid_t pid = server_start(listen_at(&at, 8), silent);
		uint64_t start = loop_now();
		struct endpoint e;
		struct outcome o;

		tcp_endpoint(&e, "127.0.0.1", address_port(&at));
		cfg.endpoint = &e;
		o = attempt_with(&cfg,
				 (struct helpers_config){
				     .worker = helper_kind(worker_that_lingers, i % SLOW_WAYS)});
		assert_int_equal(o.ret, expected[i % SLOW_WAYS]);
		close_fdp(&o.fd); /* as links do with one that is dead */
		print_message("%u: %u ms\n", i, (unsigned)(loop_now() - start));
		assert_in_range(loop_now() - start, 0, LINGER_S * 1000 / 2);
		server_stop(pid);
		endpoint_done(&e);
	}
}

/* Freed at any moment, an attempt leaves no process and no descriptor. */
static void freed_at_any_time(void **state)
{
	static const char *const hosts[] = {"127.0.0.1", "localhost"};
	struct address at = literal_address("127.0.0.1", 0);
	pid_t pid = server_start(listen_at(&at, 64), stalls_after_greeting);
	unsigned before = open_descriptors();

	(void)state;
	for (uint64_t ms = 0; ms < 16; ms++) {
		struct attempt_config cfg = {.timeout_ms = 5000};
		struct outcome o = {.loop = loop_new()};
		struct endpoint e;
		struct attempt *a;

		tcp_endpoint(&e, hosts[ms & 1], address_port(&at));
		cfg.endpoint = &e;
		assert_int_equal(attempt_new(o.loop, &cfg, on_done, NULL, &o, &a, &o.err), 0);
		loop_run_for(o.loop, ms / 2);
		attempt_free(a);
		loop_free(o.loop);
		endpoint_done(&e);
		assert_false(o.called);
		assert_int_equal(open_descriptors(), before);
		assert_int_equal(waitpid(-1, NULL, WNOHANG), 0); /* only the server */
	}
	server_stop(pid);
}

static enum err_kind refused_at_once(const struct attempt_config *cfg)
{
	struct outcome o = {.loop = loop_new()};
	struct attempt *a = (void *)8;

	assert_true(attempt_new(o.loop, cfg, on_done, NULL, &o, &a, &o.err) < 0);
	assert_ptr_equal(a, (void *)8);
	loop_free(o.loop);
	return o.err.kind;
}

static void wrong_configuration(void **state)
{
	struct endpoint e;
	struct attempt_config cfg = {.endpoint = &e, .timeout_ms = 100};

	(void)state;
	tcp_endpoint(&e, "127.0.0.1", 1);
	e.tls = true;
	e.tls_priority = malloc(5000);
	memset(e.tls_priority, 'x', 4999);
	e.tls_priority[4999] = '\0';
	assert_int_equal(refused_at_once(&cfg), ERR_USAGE);
	free(TAKE_PTR(e.tls_priority));
	e.tls = false;
	cfg.source = "no interface";
	assert_int_equal(refused_at_once(&cfg), ERR_USAGE);
	cfg.source = "lo";
	e.type = ENDPOINT_VSOCK;
	assert_int_equal(refused_at_once(&cfg), ERR_USAGE);
	e.type = ENDPOINT_TCP;
	cfg.source = NULL;
	free(e.export_name);
	e.export_name = calloc(1, NBD_STRING_MAX + 2);
	memset(e.export_name, 'x', NBD_STRING_MAX + 1);
	assert_int_equal(refused_at_once(&cfg), ERR_USAGE);
	e.export_name[1] = '\0';
	free(e.host);
	e.host = strdup("");
	assert_int_equal(refused_at_once(&cfg), ERR_USAGE);
	free(e.host);
	e.host = calloc(1, 300);
	memset(e.host, 'x', 254);
	assert_int_equal(refused_at_once(&cfg), ERR_USAGE);
	endpoint_done(&e);
}

/* Real servers, if they are installed. */

static bool can_connect(const struct address *a)
{
	int fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool can = connect(fd, (const void *)&a->sa, a->len) == 0;

	close(fd);
	return can;
}

/* 0: not installed, or it did not start. */
/* 0: that server is not installed. */
static pid_t run_server(const char *const argv[], const struct address *at)
{
	pid_t pid = fork();
	int null;

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		null = open("/dev/null", O_RDWR);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		execvp(argv[0], (char **)argv);
		_exit(127);
	}
	for (int i = 0; i < 500; i++) {
		int status;

		if (waitpid(pid, &status, WNOHANG) == pid) {
			if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
				return 0;
			fail_msg("%s ended with status %x", argv[0], status);
		}
		if (can_connect(at))
			return pid;
		usleep(20000);
	}
	server_stop(pid);
	fail_msg("%s does not listen", argv[0]);
	return 0;
}

static void assert_served(const struct endpoint *e)
{
	struct attempt_config cfg = {.endpoint = e};
	struct outcome o;

	cfg.goal = NEGO_GOAL_GO;
	o = attempt(&cfg);
	if (o.ret < 0)
		print_error("%s\n", o.err.message);
	assert_int_equal(o.ret, 0);
	assert_int_equal(o.result.export.size, 3 << 20);
	close(o.fd);
	cfg.goal = NEGO_GOAL_INFO;
	o = attempt(&cfg);
	assert_int_equal(o.ret, 0);
	assert_int_equal(o.fd, -1);
	assert_int_equal(o.result.export.size, 3 << 20);
	cfg.goal = NEGO_GOAL_LIST;
	o = attempt(&cfg);
	assert_int_equal(o.ret, 0);
	assert_int_equal(o.listed, 1);
}

static void nbdkit_tcp(void **state)
{
	static const char *const hosts[] = {"127.0.0.1", "::1"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
		char port[8];
		struct address at = literal_address(hosts[i], unused_port(hosts[i]));
		const char *const argv[] = {"nbdkit", "-f",	"-i", hosts[i], "-p",
					    port,     "memory", "3M", NULL};
		struct endpoint e;
		pid_t pid;

		snprintf(port, sizeof(port), "%u", address_port(&at));
		pid = run_server(argv, &at);
		if (!pid)
			skip_because("the server is not installed");
		tcp_endpoint(&e, hosts[i], address_port(&at));
		assert_served(&e);
		endpoint_done(&e);
		server_stop(pid);
	}
}

static void qemu_nbd_unix(void **state)
{
	char dir[] = "/tmp/test-attempt.XXXXXX", path[64], image[64];
	const char *const argv[] = {"qemu-nbd", "-f", "raw", "-t", "-e",  "8",
				    "-k",	path, "-x",  "",   image, NULL};
	struct address at;
	struct endpoint e;
	pid_t pid;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/socket", dir);
	snprintf(image, sizeof(image), "%s/image", dir);
	fd = open(image, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, 3 << 20), 0);
	close(fd);
	at = unix_address(path);
	pid = run_server(argv, &at);
	if (pid) {
		endpoint_init(&e);
		e.type = ENDPOINT_UNIX;
		e.path = strdup(path);
		e.path_len = strlen(path);
		e.export_name = strdup("");
		assert_served(&e);
		endpoint_done(&e);
		server_stop(pid);
	}
	unlink(path);
	unlink(image);
	rmdir(dir);
	if (!pid)
		skip_because("the server is not installed");
}

/* A server that exists but does not run: the listen queue answers, the process does not. */
static void stopped_server(void **state)
{
	struct address at = literal_address("127.0.0.1", 0);
	pid_t pid = server_start(listen_at(&at, 8), good_server);
	struct attempt_config cfg = {.timeout_ms = 400};
	struct endpoint e;
	struct outcome o;

	(void)state;
	kill(pid, SIGSTOP);
	tcp_endpoint(&e, "127.0.0.1", address_port(&at));
	cfg.endpoint = &e;
	o = attempt(&cfg);
	assert_int_equal(o.ret, -ETIMEDOUT);
	assert_in_range(o.ms, 395, 2500);
	kill(pid, SIGCONT);
	cfg.timeout_ms = 2000;
	o = attempt(&cfg);
	assert_int_equal(o.ret, 0);
	close(o.fd);
	server_stop(pid);
	endpoint_done(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(go_tcp),
	    cmocka_unit_test(go_owned),
	    cmocka_unit_test(go_unix),
	    cmocka_unit_test(info_without_goodbye),
	    cmocka_unit_test(go_localhost),
	    cmocka_unit_test(name_unknown),
	    cmocka_unit_test(refused),
	    cmocka_unit_test(addresses_given),
	    cmocka_unit_test(deadline_holds),
	    cmocka_unit_test(resolver_misbehaves),
	    cmocka_unit_test(server_misbehaves),
	    cmocka_unit_test(another_address),
	    cmocka_unit_test(silent_address),
	    cmocka_unit_test(worker_misbehaves),
	    cmocka_unit_test(keys_that_cannot_be_read),
	    cmocka_unit_test(what_was_reached),
	    cmocka_unit_test(no_close_waits),
	    cmocka_unit_test(freed_at_any_time),
	    cmocka_unit_test(wrong_configuration),
	    cmocka_unit_test(nbdkit_tcp),
	    cmocka_unit_test(qemu_nbd_unix),
	    cmocka_unit_test(stopped_server),
	};

	return cmocka_run_group_tests_name("transport-attempt", tests, NULL, NULL);
}
