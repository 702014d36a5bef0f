/* SPDX-License-Identifier: MIT */
/* Long: a list of cases, each read by itself. */
/*
 * Tries to break the sandbox. Each attack runs in its own process: confined, where it must fail,
 * and without the sandbox, where it must succeed, or it proves nothing. Most attacks need root;
 * without root the others are tested.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "helper-fixture.h"

#include "base/capability.h"
#include "base/cleanup.h"
#include "transport/helpers.h"
#include "worker/landlock.h"
#include "base/process.h"
#include "worker/sandbox.h"
#include "skip.h"

#define SUCCEEDED 42
#define DENIED	  43
#define SETUP	  44

#define USER_ID 54321 /* any unused user ID */

/* The targets of the attacks; the test makes them once for all attacks. */
static struct {
	char dir[64], secret[96], fresh[96], own[96], unix_path[96];
	struct sockaddr_in tcp;
	int tcp_fd, unix_fd;
	pid_t victim; /* runs as the attacker's user without a sandbox */
	int fd;	      /* the attacker's end of its socket pair */
	char *probe;  /* in the memory of the attacker's parent */
} target;

static char probe[8];
static struct process_seed seed = {-1, -1};

static bool opens(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool write_file(void)
{
	int fd = open(target.fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	return fd >= 0 && write(fd, "x", 1) == 1;
}

static bool overwrite_file(void)
{
	return opens(target.own, O_WRONLY | O_TRUNC);
}

static bool delete_file(void)
{
	return unlink(target.own) == 0;
}

static bool read_secret(void)
{
	return opens(target.secret, O_RDONLY);
}

static bool read_shadow(void)
{
	return opens("/etc/shadow", O_RDONLY);
}

static bool read_passwd(void)
{
	return opens("/etc/passwd", O_RDONLY);
}

static bool read_own_proc(void)
{
	return opens("/proc/self/maps", O_RDONLY);
}

static bool read_parents_memory_file(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", getppid());
	return opens(path, O_RDONLY);
}

static bool read_parents_memory(void)
{
	char copy[sizeof(probe)];
	struct iovec here = {copy, sizeof(copy)}, there = {target.probe, sizeof(copy)};

	return process_vm_readv(getppid(), &here, 1, &there, 1, 0) == (ssize_t)sizeof(copy);
}

static bool trace_victim(void)
{
	return ptrace(PTRACE_SEIZE, target.victim, NULL, NULL) == 0;
}

static bool be_root(void)
{
	return setuid(0) == 0;
}

static bool be_root_again(void)
{
	return setresuid((uid_t)-1, 0, (uid_t)-1) == 0 && geteuid() == 0;
}

static bool limit_victim(void)
{
	const struct rlimit more = {100, 100};

	return prlimit(target.victim, RLIMIT_NOFILE, &more, NULL) == 0;
}

static bool execute(void)
{
	execl("/bin/sh", "sh", "-c", "exit 42", (char *)NULL);
	return false;
}

static bool make_process(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid > 0;
}

static bool connect_tcp(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && connect(fd, (void *)&target.tcp, sizeof(target.tcp)) == 0;
}

static bool connect_unix(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(sun.sun_path, target.unix_path, sizeof(target.unix_path));
	return fd >= 0 && connect(fd, (void *)&sun, sizeof(sun)) == 0;
}

static bool listen_tcp(void)
{
	struct sockaddr_in any = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && bind(fd, (void *)&any, sizeof(any)) == 0 && listen(fd, 1) == 0;
}

static bool packet_socket(void)
{
	return socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0) >= 0;
}

static bool signal_parent(void)
{
	return kill(getppid(), 0) == 0;
}

static bool signal_victim(void)
{
	return kill(target.victim, 0) == 0;
}

static bool map_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
	       MAP_FAILED;
}

static bool take_memory(void)
{
	return mmap(NULL, 1 << 26, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
	       MAP_FAILED;
}

static bool pass_descriptor(void)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	char byte = 'x';
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {
	    .msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &target.fd, sizeof(int));
	return sendmsg(target.fd, &msg, 0) == 1;
}

/* Sends to an address of its choice through an inherited datagram socket, if it has one. */
static bool send_elsewhere(void)
{
	return sendto(target.fd, "x", 1, 0, (void *)&target.tcp, 0) == 1;
}

static bool set_option(void)
{
	const int big = 1 << 20;

	return setsockopt(target.fd, SOL_SOCKET, SO_RCVBUF, &big, sizeof(big)) == 0;
}

static bool new_namespace(void)
{
	return unshare(CLONE_NEWUSER) == 0;
}

static bool raise_limit(void)
{
	const struct rlimit more = {100, 100};

	return setrlimit(RLIMIT_NOFILE, &more) == 0;
}

static bool pair_of_sockets(void)
{
	int fds[2];

	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0;
}

static bool aim_signals(void)
{
	return fcntl(target.fd, F_SETOWN, target.victim) == 0;
}

static bool choose_signal(void)
{
	return fcntl(target.fd, F_SETSIG, SIGKILL) == 0;
}

static bool outlive_the_parent(void)
{
	return prctl(PR_SET_PDEATHSIG, SIGWINCH) == 0;
}

static bool generic_netlink(void)
{
	return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 16) >= 0;
}

static bool control_a_device(void)
{
	int on = 1;

	return ioctl(target.fd, FIOASYNC, &on) == 0;
}

static bool share_memory(void)
{
	return mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0) !=
	       MAP_FAILED;
}

static bool take_all_memory(void)
{
	return mmap(NULL, 1 << 29, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
	       MAP_FAILED;
}

static bool change_mode(void)
{
	return chmod(target.own, 0777) == 0;
}

enum { HANDSHAKE = 1, RESOLVE = 2, BOTH = 3, ZYGOTE = 4, ALL = 7 };

/*
 * The profiles against which each attack runs; whether an ordinary user could do it without a
 * sandbox.
 */
static const struct attack {
	const char *name;
	bool (*run)(void);
	int against;
	bool memory; /* sanitizers need this right: not tested in their builds */
} attacks[] = {
    {"write a new file", write_file, BOTH, false},
    {"overwrite a file", overwrite_file, BOTH, false},
    {"change a file's mode", change_mode, BOTH, false},
    {"delete a file", delete_file, BOTH, false},
    {"read another's file", read_secret, ALL, false},
    {"read /etc/shadow", read_shadow, ALL, false},
    {"read /etc/passwd", read_passwd, HANDSHAKE, false},
    {"read /proc/self", read_own_proc, HANDSHAKE, false},
    {"open the parent's memory through /proc", read_parents_memory_file, ALL, false},
    {"read the parent's memory", read_parents_memory, ALL, false},
    {"trace a process", trace_victim, ALL, false},
    {"setuid(0)", be_root, ALL, false},
    {"setresuid(-1, 0, -1)", be_root_again, ALL, false},
    {"limit another process", limit_victim, ALL, false},
    {"execve", execute, ALL, false},
    {"fork", make_process, BOTH, false},
    {"connect by TCP", connect_tcp, HANDSHAKE, false},
    {"connect to a Unix socket", connect_unix, HANDSHAKE, false},
    {"listen", listen_tcp, BOTH, false},
    {"open a packet socket", packet_socket, ALL, false},
    {"signal the parent", signal_parent, ALL, false},
    {"signal another process", signal_victim, ALL, false},
    {"map executable memory", map_code, HANDSHAKE, true},
    {"take memory", take_memory, HANDSHAKE, true},
    {"pass a descriptor out", pass_descriptor, HANDSHAKE, false},
    {"send to an address of its choice", send_elsewhere, HANDSHAKE, false},
    {"set a socket option", set_option, HANDSHAKE, false},
    {"make a namespace", new_namespace, ALL, false},
    {"make a pair of sockets", pair_of_sockets, BOTH, false},
    {"send signals by a socket", aim_signals, BOTH, false},
    {"choose the signal of a socket", choose_signal, BOTH, false},
    {"outlive the parent", outlive_the_parent, BOTH, false},
    {"open generic netlink", generic_netlink, BOTH, false},
    {"control a device", control_a_device, BOTH, false},
    {"share memory", share_memory, BOTH, true},
    {"take all memory", take_all_memory, BOTH, true},
    {"raise its limits", raise_limit, ALL, false},
};

struct run {
	bool (*attack)(void);
	const struct sandbox *sandbox; /* NULL: the control run, or make one as USER_ID */
	enum sandbox_profile profile;
	uid_t uid; /* the user before the sandbox */
	bool confine;
};

/* The attacker's arguments. Its program is a copy of this one. */
struct order {
	struct run run;
	intptr_t attack; /* from main() */
	struct sandbox sandbox;
	char target[sizeof(target)];
};

int main(void);

static void fill_order(struct order *order, const struct run *run)
{
	memset(order, 0, sizeof(*order));
	order->run = *run;
	order->attack = (intptr_t)(uintptr_t)run->attack - (intptr_t)(uintptr_t)main;
	if (run->sandbox)
		order->sandbox = *run->sandbox;
	target.probe = probe;
	memcpy(order->target, &target, sizeof(target));
}

static void attacker(int fd, pid_t parent, const void *setup, size_t len)
{
	const struct order *order = setup;
	const struct run *run = &order->run;
	struct sandbox *own = NULL;
	const struct sandbox *s = run->sandbox ? &order->sandbox : NULL;
	bool (*attack)(void) =
	    (bool (*)(void))(uintptr_t)((intptr_t)(uintptr_t)main + order->attack);
	struct err err = {0};

	if (len != sizeof(*order))
		_exit(SETUP);
	memcpy(&target, order->target, sizeof(target));
	target.fd = fd;
	if (run->uid && (setresgid(run->uid, run->uid, run->uid) < 0 ||
			 setresuid(run->uid, run->uid, run->uid) < 0))
		_exit(SETUP);
	/* The state after execve() by that user. */
	if (run->uid)
		prctl(PR_SET_DUMPABLE, 1);
	if (run->confine && !s) {
		if (sandbox_new(&own, &err) < 0)
			_exit(SETUP);
		s = own;
	}
	if (run->confine && sandbox_enter(s, run->profile, parent, &err) < 0) {
		(void)!send(fd, err.message, strlen(err.message), 0);
		_exit(SETUP);
	}
	if (send(fd, "ready", 5, 0) != 5)
		_exit(SETUP);
	_exit(attack() ? SUCCEEDED : DENIED);
}

static void start_attacker(struct process *p, const struct run *run)
{
	struct order order;
	struct process_job job = {
	    .kind = helper_kind(attacker, 0),
	    .name = "attacker",
	    .setup = &order,
	    .len = sizeof(order),
	};
	struct err err;

	fill_order(&order, run);
	assert_int_equal(process_start(p, &seed, &job, &err), 0);
}

static struct process_end perform(const struct run *run)
{
	struct process p;
	struct process_end end;
	struct pollfd ended;
	char hello[512] = "";

	start_attacker(&p, run);
	ended = (struct pollfd){.fd = p.pidfd, .events = POLLIN};
	assert_int_equal(poll(&ended, 1, 10000), 1);
	(void)!recv(p.fd, hello, sizeof(hello) - 1, MSG_DONTWAIT);
	/* The attack has started: the outcome is its own, not that of the set-up. */
	assert_string_equal(hello, "ready");
	assert_true(process_reap(&p, &end));
	process_done(&p);
	return end;
}

static bool defeated(const struct process_end *end)
{
	return end->exited ? end->value == DENIED : end->value == SIGSYS;
}

static void make_file(const char *path, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static pid_t start_victim(uid_t uid)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (uid && (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0))
			_exit(1);
		/* As after execve(): its own user can trace it. */
		prctl(PR_SET_DUMPABLE, 1);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	assert_true(pid > 0);
	return pid;
}

static int listener(const struct sockaddr *sa, socklen_t len)
{
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, sa, len), 0);
	assert_int_equal(listen(fd, 64), 0);
	return fd;
}

static int set_up(void **state)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(target.tcp);
	struct err err;

	(void)state;
	assert_int_equal(process_seed_open(&seed, &err), 0);
	if (geteuid() != 0)
		return 0;
	/* Groups that it must lose. */
	assert_int_equal(setgroups(2, (const gid_t[]){4, 24}), 0);
	strcpy(target.dir, "/tmp/test-sandbox.XXXXXX");
	assert_non_null(mkdtemp(target.dir));
	assert_int_equal(chmod(target.dir, 0777), 0);
	snprintf(target.secret, sizeof(target.secret), "%s/secret", target.dir);
	snprintf(target.fresh, sizeof(target.fresh), "%s/fresh", target.dir);
	snprintf(target.own, sizeof(target.own), "%s/own", target.dir);
	snprintf(target.unix_path, sizeof(target.unix_path), "%s/socket", target.dir);
	make_file(target.secret, 0600);
	target.tcp = (struct sockaddr_in){
	    .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	target.tcp_fd = listener((void *)&target.tcp, sizeof(target.tcp));
	assert_int_equal(getsockname(target.tcp_fd, (void *)&target.tcp, &len), 0);
	memcpy(sun.sun_path, target.unix_path, sizeof(target.unix_path));
	target.unix_fd = listener((void *)&sun, sizeof(sun));
	assert_int_equal(chmod(target.unix_path, 0666), 0);
	target.victim = start_victim(0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	process_seed_close(&seed);
	if (!target.victim)
		return 0;
	kill(target.victim, SIGKILL);
	waitpid(target.victim, NULL, 0);
	close(target.tcp_fd);
	close(target.unix_fd);
	unlink(target.secret);
	unlink(target.fresh);
	unlink(target.own);
	unlink(target.unix_path);
	return rmdir(target.dir);
}

#if defined(__SANITIZE_ADDRESS__)
#define INSTRUMENTED true
#else
#define INSTRUMENTED false
#endif

static void attack_all(const struct sandbox *s, enum sandbox_profile profile, uid_t uid)
{
	int bit = profile == SANDBOX_RESOLVE  ? RESOLVE
		  : profile == SANDBOX_ZYGOTE ? ZYGOTE
					      : HANDSHAKE;
	unsigned failures = 0;

	for (size_t i = 0; i < ARRAY_SIZE(attacks); i++) {
		struct run run = {attacks[i].run, s, profile, uid, true};
		struct process_end end;

		if (!(attacks[i].against & bit) || (attacks[i].memory && INSTRUMENTED))
			continue;
		make_file(target.own, 0666);
		end = perform(&run);
		if (!defeated(&end)) {
			print_error("%s: %s %d\n", attacks[i].name, end.exited ? "exit" : "signal",
				    end.value);
			failures++;
		}
	}
	assert_int_equal(failures, 0);
}

/* Without the sandbox each attack succeeds, so that its failure means something. */
static void control(void **state)
{
	unsigned failures = 0;

	(void)state;
	if (geteuid() != 0)
		skip_because("it takes root");
	for (size_t i = 0; i < ARRAY_SIZE(attacks); i++) {
		struct run run = {.attack = attacks[i].run};
		struct process_end end;

		make_file(target.own, 0666);
		end = perform(&run);
		if (!end.exited || end.value != SUCCEEDED) {
			print_error("%s: %s %d\n", attacks[i].name, end.exited ? "exit" : "signal",
				    end.value);
			failures++;
		}
	}
	assert_int_equal(failures, 0);
}

static void attack_as_root(enum sandbox_profile profile, bool keep_real_uid)
{
	struct sandbox *s;
	struct err err;

	if (geteuid() != 0)
		skip_because("it takes root");
	assert_int_equal(sandbox_new(&s, &err), 0);
	assert_non_null(sandbox_account(s));
	s->keep_real_uid = keep_real_uid;
	attack_all(s, profile, 0);
	sandbox_free(s);
}

static void handshake_as_root(void **state)
{
	(void)state;
	attack_as_root(SANDBOX_HANDSHAKE, false);
}

/* The additional rights for GnuTLS do not help an intruder. */
static void tls_as_root(void **state)
{
	(void)state;
	attack_as_root(SANDBOX_TLS, false);
}

/* Root's real uid, by which systemd spares the helpers of the root file system, helps nobody. */
static void with_roots_real_uid(void **state)
{
	(void)state;
	attack_as_root(SANDBOX_ZYGOTE, true);
	attack_as_root(SANDBOX_HANDSHAKE, true);
	attack_as_root(SANDBOX_TLS, true);
}

static void resolve_as_root(void **state)
{
	(void)state;
	attack_as_root(SANDBOX_RESOLVE, false);
}

/* --list and --info by an ordinary user: no change of account, all the rest. */
static void as_user(void **state)
{
	pid_t victim = target.victim;

	(void)state;
	if (geteuid() != 0)
		skip_because("it takes root");
	target.victim = start_victim(USER_ID);
	attack_all(NULL, SANDBOX_HANDSHAKE, USER_ID);
	attack_all(NULL, SANDBOX_RESOLVE, USER_ID);
	kill(target.victim, SIGKILL);
	waitpid(target.victim, NULL, 0);
	target.victim = victim;
}

/* Each other layer without the filter, because the filter would hide that a layer is missing. */
static void check_landlock(int fd, pid_t parent, const void *setup, size_t len)
{
	int ret;

	(void)parent;
	if (len != sizeof(target))
		_exit(SETUP);
	memcpy(&target, setup, len);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	target.fd = fd;
	ret = landlock_enter(SANDBOX_HANDSHAKE);
	if (ret == 0)
		_exit(SETUP);
	_exit(ret == 1 && !read_passwd() && errno == EACCES && !write_file() && !delete_file()
		  ? DENIED
		  : SUCCEEDED);
}

/* No filter rule prevents this: the resolver binds netlink sockets. */
static bool make_socket_file(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", target.fresh);
	unlink(target.fresh);
	return fd >= 0 && bind(fd, (void *)&sun, sizeof(sun)) == 0;
}

static void landlock_alone(void **state)
{
	struct process_job job = {
	    .kind = helper_kind(check_landlock, 0),
	    .name = "landlock",
	    .setup = &target,
	    .len = sizeof(target),
	};
	struct process p;
	struct process_end end;
	struct pollfd ended;
	struct err err;

	(void)state;
	assert_int_equal(process_start(&p, &seed, &job, &err), 0);
	ended = (struct pollfd){.fd = p.pidfd, .events = POLLIN};
	assert_int_equal(poll(&ended, 1, 10000), 1);
	assert_true(process_reap(&p, &end));
	process_done(&p);
	assert_true(end.exited);
	if (end.value == SETUP)
		skip_because("this kernel has no Landlock");
	assert_int_equal(end.value, DENIED);
	if (geteuid() != 0)
		skip_because("it takes root");
	/* It is part of the sandbox; here it is the only layer. */
	{
		struct run control_run = {.attack = make_socket_file};
		struct run confined = {make_socket_file, NULL, SANDBOX_RESOLVE, USER_ID, true};

		unlink(target.fresh);
		end = perform(&confined);
		assert_true(defeated(&end));
		end = perform(&control_run);
		assert_int_equal(end.value, SUCCEEDED);
	}
}

static bool __attribute__((noreturn)) stay(void)
{
	for (;;)
		poll(NULL, 0, -1);
}

/*
 * An ordinary user's worker: it does not change its account, so something else protects it from
 * tracing.
 */
static void same_user_cannot_trace(void **state)
{
	struct run victim = {stay, NULL, SANDBOX_HANDSHAKE, USER_ID, true};
	struct run tracer = {.attack = trace_victim, .uid = USER_ID};
	pid_t old = target.victim, free_one;
	struct process p;
	struct pollfd ready;
	struct process_end end;

	(void)state;
	if (geteuid() != 0)
		skip_because("it takes root");
	start_attacker(&p, &victim);
	ready = (struct pollfd){.fd = p.fd, .events = POLLIN};
	assert_int_equal(poll(&ready, 1, 10000), 1);
	target.victim = p.pid;
	end = perform(&tracer);
	assert_true(defeated(&end));
	free_one = target.victim = start_victim(USER_ID);
	usleep(50000);
	end = perform(&tracer);
	assert_int_equal(end.value, SUCCEEDED);
	target.victim = old;
	kill(free_one, SIGKILL);
	waitpid(free_one, NULL, 0);
	process_kill(&p);
	process_wait(&p);
	process_done(&p);
}

/* One line of /proc/PID/status, without its name. */
static void status_line(pid_t pid, const char *name, char *buf, size_t size)
{
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	assert_non_null(f);
	buf[0] = '\0';
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
			snprintf(buf, size, "%s", line + strlen(name) + 1);
	fclose(f);
}

/* Both values of a line of /proc/PID/limits. */
static void assert_limit(pid_t pid, const char *name, unsigned long long wanted)
{
	unsigned long long soft = wanted + 1, hard = wanted + 1;
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/limits", pid);
	f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, name, strlen(name)) == 0)
			sscanf(line + strlen(name), "%llu %llu", &soft, &hard);
	fclose(f);
	assert_int_equal(soft, wanted);
	assert_int_equal(hard, wanted);
}

static void stop_loop(void *arg)
{
	loop_stop(arg, 0);
}

/* The kernel's view of a ready worker. */
static void worker_as_the_kernel_sees_it(void **state)
{
	static const char *const sets[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"};
	struct helpers_config cfg = {.spares = 1};
	struct loop *loop = loop_new();
	struct loop_timer *timer = loop_timer_new(loop, stop_loop, loop);
	struct helpers *h;
	struct helper *w;
	struct err err;
	char line[256], path[64];
	unsigned r, e, s, f;

	(void)state;
	if (geteuid() != 0)
		skip_because("it takes root");
	assert_int_equal(helpers_new(loop, &cfg, &h, &err), 0);
	assert_int_equal(helpers_fill(h, &err), 0);
	for (int i = 0; i < 200 && helpers_ready(h) == 0; i++) {
		loop_timer_set(timer, 20);
		loop_run(loop);
	}
	assert_int_equal(helpers_ready(h), 1);
	assert_int_equal(helpers_take(h, &w, &err), 0);
	status_line(w->process.pid, "Uid", line, sizeof(line));
	assert_int_equal(sscanf(line, "%u %u %u %u", &r, &e, &s, &f), 4);
	assert_true(r != 0 && r == e && e == s && s == f);
	status_line(w->process.pid, "Gid", line, sizeof(line));
	assert_int_equal(sscanf(line, "%u %u %u %u", &r, &e, &s, &f), 4);
	assert_true(r != 0 && r == e && e == s && s == f);
	status_line(w->process.pid, "Groups", line, sizeof(line));
	assert_int_equal(strspn(line, " \t\n"), strlen(line));
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		status_line(w->process.pid, sets[i], line, sizeof(line));
		assert_string_equal(line, "\t0000000000000000\n");
	}
	status_line(w->process.pid, "NoNewPrivs", line, sizeof(line));
	assert_string_equal(line, "\t1\n");
	status_line(w->process.pid, "Seccomp", line, sizeof(line));
	assert_string_equal(line, "\t2\n");
	assert_limit(w->process.pid, "Max core file size", 0);
	assert_limit(w->process.pid, "Max processes", 0);
	assert_limit(w->process.pid, "Max msgqueue size", 0);
#if !defined(FOR_VALGRIND)
	assert_limit(w->process.pid, "Max file size", 0);
	assert_limit(w->process.pid, "Max open files", 8);
	if (!INSTRUMENTED)
		assert_limit(w->process.pid, "Max data size", 16 << 20);
#endif
	/* Only the three standard descriptors and its own socket. */
	for (int fd = 4; fd < 64; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", w->process.pid, fd);
		assert_int_equal(readlink(path, line, sizeof(line)), -1);
	}
	/* The same account's other processes cannot trace it. */
	assert_int_equal(target.victim > 0, true);
	{
		pid_t old = target.victim, free_one = start_victim(r);
		struct run run = {.attack = trace_victim, .uid = r};
		struct process_end end;

		target.victim = w->process.pid;
		end = perform(&run);
		assert_true(defeated(&end));
		target.victim = free_one;
		usleep(50000);
		end = perform(&run);
		assert_int_equal(end.value, SUCCEEDED);
		kill(free_one, SIGKILL);
		waitpid(free_one, NULL, 0);
		target.victim = old;
	}
	helper_release(w);
	helpers_free(h);
	loop_timer_free(timer);
	loop_free(loop);
}

/* An ordinary user who was given capabilities for good, as by a service manager. */
static bool become_capable(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct word[_LINUX_CAPABILITY_U32S_3] = {0};

	word[0].permitted = word[0].effective = word[0].inheritable =
	    CAP_TO_MASK(CAP_NET_RAW) | CAP_TO_MASK(CAP_SYS_ADMIN);
	return prctl(PR_SET_KEEPCAPS, 1) == 0 && setgroups(0, NULL) == 0 &&
	       setresgid(USER_ID, USER_ID, USER_ID) == 0 &&
	       setresuid(USER_ID, USER_ID, USER_ID) == 0 &&
	       syscall(SYS_capset, &header, word) == 0 &&
	       prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0) == 0 &&
	       prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0) == 0;
}

static bool has_capabilities(pid_t pid, const char *set)
{
	char line[256];

	status_line(pid, set, line, sizeof(line));
	return strcmp(line, "\t0000000000000000\n") != 0;
}

/* In another process. 0: a worker of such a user has none of these. */
static int start_from_a_capable_user(void)
{
	static const char *const sets[] = {"CapInh", "CapPrm", "CapEff", "CapAmb"};
	struct helpers_config cfg = {.spares = 1};
	struct loop *loop = loop_new();
	struct loop_timer *timer = loop_timer_new(loop, stop_loop, loop);
	struct helpers *h;
	struct helper *w;
	struct err err;

	if (!become_capable() || helpers_new(loop, &cfg, &h, &err) < 0 || helpers_fill(h, &err) < 0)
		return 10;
	for (int i = 0; i < 500 && helpers_ready(h) == 0; i++) {
		loop_timer_set(timer, 20);
		loop_run(loop);
	}
	if (helpers_ready(h) != 1 || helpers_take(h, &w, &err) < 0)
		return 11;
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		if (!has_capabilities(getpid(), sets[i]))
			return 20 + (int)i; /* then this test proves nothing */
		if (has_capabilities(w->process.pid, sets[i]))
			return 30 + (int)i;
	}
	helper_release(w);
	helpers_free(h);
	loop_timer_free(timer);
	loop_free(loop);
	return 0;
}

static void worker_of_a_capable_user(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip_because("it takes root");
	pid = fork();
	if (pid == 0)
		_exit(start_from_a_capable_user());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(control),
	    cmocka_unit_test(handshake_as_root),
	    cmocka_unit_test(tls_as_root),
	    cmocka_unit_test(with_roots_real_uid),
	    cmocka_unit_test(resolve_as_root),
	    cmocka_unit_test(as_user),
	    cmocka_unit_test(landlock_alone),
	    cmocka_unit_test(same_user_cannot_trace),
	    cmocka_unit_test(worker_as_the_kernel_sees_it),
	    cmocka_unit_test(worker_of_a_capable_user),
	};

#if defined(FOR_VALGRIND)
	(void)tests;
	return 0; /* that build has no filter to break */
#endif
	return cmocka_run_group_tests_name("sandbox", tests, set_up, tear_down);
}
