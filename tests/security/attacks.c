/* SPDX-License-Identifier: MIT */
/* Long: the list of attacks. */
#include "attacks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MUCH ((size_t)768 << 20) /* bytes; more than any helper may have */

struct board *board;
struct attacker attacker;

/*
 * The terminal
 */

static bool type_into(int fd)
{
	return fd >= 0 && ioctl(fd, TIOCSTI, "x") == 0;
}

/* An empty input queue is success, too: the waiting process gets what is typed next. */
static bool read_from(int fd)
{
	char byte;

	return fd >= 0 && (read(fd, &byte, 1) > 0 || errno == EAGAIN);
}

static bool type_into_devtty(void)
{
	return type_into(open("/dev/tty", O_RDONLY | O_CLOEXEC));
}

static bool read_devtty(void)
{
	return read_from(open("/dev/tty", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
}

static bool type_into_inherited(void)
{
	for (int fd = 0; fd < 64; fd++)
		if (type_into(fd))
			return true;
	return false;
}

static bool inherited_terminal(void)
{
	struct stat st;

	for (int fd = 0; fd < 64; fd++)
		if (fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev != makedev(1, 3))
			return true;
	return false;
}

static bool type_into_path(void)
{
	return type_into(open(board->terminal, O_RDONLY | O_NOCTTY | O_CLOEXEC));
}

static bool read_path(void)
{
	return read_from(open(board->terminal, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
}

/* If /proc is within reach (no Landlock, no private root), this is the same terminal. */
static bool read_by_proc(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/0", board->caller);
	return read_from(open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
}

static bool write_path(void)
{
	int fd = open(board->terminal, O_WRONLY | O_NOCTTY | O_CLOEXEC);

	return fd >= 0 && write(fd, "", 0) == 0;
}

/*
 * Locks and the supervisor's socket
 */

/* A process that can open the lock file can hold the lock as soon as it is free. */
static bool hold_by_flock(void)
{
	int fd = open(board->lock, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno == EWOULDBLOCK);
}

static bool hold_by_fcntl(void)
{
	struct flock lock = {.l_type = F_RDLCK, .l_len = 1};
	int fd = open(board->lock, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && (fcntl(fd, F_SETLK, &lock) == 0 || errno == EAGAIN);
}

static bool connect_to(const void *sa, socklen_t len, int type)
{
	int fd = socket(((const struct sockaddr *)sa)->sa_family, type | SOCK_CLOEXEC, 0);

	return fd >= 0 && connect(fd, sa, len) == 0;
}

static bool control_socket(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", board->control);
	return connect_to(&sun, sizeof(sun), SOCK_SEQPACKET);
}

/*
 * Processes
 */

static bool signal_supervisor(void)
{
	return kill(attacker.parent, SIGCONT) == 0;
}

static bool signal_victim(void)
{
	return kill(board->victim, SIGCONT) == 0;
}

static bool signal_victims_thread(void)
{
	return syscall(SYS_tgkill, board->victim, board->victim, SIGCONT) == 0 ||
	       syscall(SYS_tkill, board->victim, SIGCONT) == 0;
}

static bool queue_signal(void)
{
	return sigqueue(board->victim, SIGCONT, (union sigval){0}) == 0;
}

static bool signal_by_pidfd(void)
{
	int fd = (int)syscall(SYS_pidfd_open, board->victim, 0);

	return fd >= 0 && syscall(SYS_pidfd_send_signal, fd, SIGCONT, NULL, 0) == 0;
}

static bool signal_all(void)
{
	return kill(-1, 0) == 0;
}

static bool signal_helper(void)
{
	return board->helper && kill(board->helper, SIGCONT) == 0;
}

static bool aim_signals(void)
{
	struct f_owner_ex owner = {F_OWNER_PID, board->victim};

	return fcntl(attacker.channel, F_SETOWN, board->victim) == 0 ||
	       fcntl(attacker.channel, F_SETOWN_EX, &owner) == 0;
}

static bool choose_signal(void)
{
	return fcntl(attacker.channel, F_SETSIG, SIGKILL) == 0;
}

static bool aim_by_ioctl(void)
{
	int on = 1, pid = board->victim;

	return ioctl(attacker.channel, FIOASYNC, &on) == 0 ||
	       ioctl(attacker.channel, FIOSETOWN, &pid) == 0 ||
	       ioctl(attacker.channel, SIOCSPGRP, &pid) == 0;
}

static bool outlive_parent(void)
{
	return prctl(PR_SET_PDEATHSIG, 0) == 0;
}

static bool other_death_signal(void)
{
	return prctl(PR_SET_PDEATHSIG, SIGWINCH) == 0;
}

static bool be_traceable(void)
{
	return prctl(PR_SET_DUMPABLE, 1) == 0;
}

static bool trace_victim(void)
{
	return ptrace(PTRACE_SEIZE, board->victim, NULL, NULL) == 0;
}

static bool trace_helper(void)
{
	return board->helper && ptrace(PTRACE_SEIZE, board->helper, NULL, NULL) == 0;
}

static bool be_traced(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0;
}

static bool read_supervisor(void)
{
	char copy[PROBE_LENGTH];
	struct iovec here = {copy, sizeof(copy)}, there = {(void *)board->probe, sizeof(copy)};

	return process_vm_readv(board->caller, &here, 1, &there, 1, 0) == (ssize_t)sizeof(copy);
}

static bool opens_of(pid_t pid, const char *name)
{
	char path[64], byte;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && (strcmp(name, "mem") == 0 || read(fd, &byte, 1) >= 0);
}

static bool supervisors_memory(void)
{
	return opens_of(board->caller, "mem");
}

static bool supervisors_environment(void)
{
	return opens_of(board->caller, "environ");
}

static bool supervisors_layout(void)
{
	return opens_of(board->caller, "maps");
}

static bool helpers_memory(void)
{
	return board->helper && (opens_of(board->helper, "mem") || opens_of(board->helper, "maps"));
}

static bool steal_descriptor(void)
{
	int fd = (int)syscall(SYS_pidfd_open, board->caller, 0);

	return fd >= 0 && syscall(SYS_pidfd_getfd, fd, 0, 0) >= 0;
}

static bool slow_victim_down(void)
{
	return setpriority(PRIO_PROCESS, (id_t)board->victim, 19) == 0;
}

static bool limit_victim(void)
{
	const struct rlimit none = {1024, 4096};

	return prlimit(board->victim, RLIMIT_NOFILE, &none, NULL) == 0;
}

static bool execute(void)
{
	execl("/bin/true", "true", (char *)NULL);
	return false; /* /bin/true ends with 0: see judge() */
}

static bool execute_memory(void)
{
	static const char script[] = "#!/bin/true\n";
	int fd = memfd_create("program", 0);
	char name[] = "x", *const argv[] = {name, NULL}, *const none[] = {NULL};

	if (fd >= 0 && write(fd, script, sizeof(script) - 1) > 0)
		syscall(SYS_execveat, fd, "", argv, none, AT_EMPTY_PATH);
	return false;
}

static bool make_process(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid > 0;
}

static bool make_process_otherwise(void)
{
	struct {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
	} args = {.exit_signal = SIGCHLD};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid == 0)
		_exit(0);
	return pid > 0;
}

static bool be_root(void)
{
	return setuid(0) == 0;
}

static bool new_user_namespace(void)
{
	return unshare(CLONE_NEWUSER) == 0;
}

static bool raise_limit(void)
{
	const struct rlimit more = {100, 100};

	return setrlimit(RLIMIT_NOFILE, &more) == 0;
}

/*
 * Sockets
 */

/* Families for which the kernel loads a module for any user. */
static const int families[] = {AF_AX25,	  AF_RDS,   AF_TIPC,   AF_BLUETOOTH, AF_ALG,
			       AF_CAIF,	  AF_VSOCK, AF_KCM,    AF_QIPCRTR,   AF_SMC,
			       AF_PHONET, AF_X25,   AF_ATMPVC, AF_CAN};

static bool got_through(int ret)
{
	return ret >= 0 || (errno != EPERM && errno != EACCES);
}

static bool pair_of_odd_family(void)
{
	int fds[2];

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		if (got_through(socketpair(families[i], SOCK_STREAM, 0, fds)))
			return true;
	return false;
}

static bool pair_of_sockets(void)
{
	int fds[2];

	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0;
}

static bool odd_family(void)
{
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		if (got_through(socket(families[i], SOCK_DGRAM, 0)))
			return true;
	return false;
}

/* For these the kernel loads modules such as "net-pf-2-proto-132". */
static bool odd_protocol(void)
{
	return got_through(socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP)) ||
	       got_through(socket(AF_INET, SOCK_SEQPACKET, 0)) ||
	       got_through(socket(AF_INET6, SOCK_DCCP, IPPROTO_DCCP)) ||
	       got_through(socket(AF_INET6, SOCK_STREAM, IPPROTO_SCTP));
}

static bool raw_socket(void)
{
	return socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP) >= 0;
}

static bool packet_socket(void)
{
	return socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0) >= 0;
}

/* All except NETLINK_ROUTE, which is 0. */
static bool netlink(void)
{
	for (int protocol = 1; protocol < 23; protocol++)
		if (got_through(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol)))
			return true;
	return false;
}

static bool connect_tcp(void)
{
	return connect_to(&board->tcp, sizeof(board->tcp), SOCK_STREAM);
}

/* Takes a socket of the helper and connects it to another peer. */
static bool redirect(void)
{
	const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
	int fd = attacker.socket ? attacker.socket : socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && connect(fd, &nowhere, sizeof(nowhere)) == 0 &&
	       connect(fd, (void *)&board->tcp, sizeof(board->tcp)) == 0;
}

static bool listen_tcp(void)
{
	struct sockaddr_in any = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && bind(fd, (void *)&any, sizeof(any)) == 0 && listen(fd, 1) == 0;
}

static bool send_elsewhere(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && sendto(fd, "x", 1, 0, (void *)&board->tcp, sizeof(board->tcp)) == 1;
}

static bool pass_descriptor(void)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {(void *)"x", 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &attacker.channel, sizeof(int));
	return sendmsg(attacker.channel, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
}

/*
 * Memory
 */

static bool take_memory(void)
{
	size_t piece = 16 << 20, had = 0;

	while (had < MUCH && mmap(NULL, piece, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) != MAP_FAILED)
		had += piece;
	return had >= MUCH;
}

static bool grow_heap(void)
{
	intptr_t piece = 16 << 20;
	size_t had = 0;

	while (had < MUCH && sbrk(piece) != (void *)-1)
		had += (size_t)piece;
	return had >= MUCH;
}

static bool share_memory(void)
{
	return mmap(NULL, MUCH, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
		    -1, 0) != MAP_FAILED;
}

static bool system_v_memory(void)
{
	int id = shmget(IPC_PRIVATE, 1 << 20, 0600);

	return id >= 0 && shmctl(id, IPC_RMID, NULL) == 0;
}

static bool file_in_memory(void)
{
	int fd = memfd_create("memory", MFD_CLOEXEC);

	return fd >= 0 && ftruncate(fd, 1 << 20) == 0;
}

static bool map_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
	       MAP_FAILED;
}

/*
 * Files
 */

static bool opens(const char *path, int flags)
{
	return open(path, flags | O_CLOEXEC, 0600) >= 0;
}

static bool read_shadow(void)
{
	return opens("/etc/shadow", O_RDONLY);
}

static bool read_secret(void)
{
	return opens(board->secret, O_RDONLY);
}

static bool read_passwd(void)
{
	return opens("/etc/passwd", O_RDONLY);
}

static bool read_proc(void)
{
	return opens("/proc/self/maps", O_RDONLY);
}

static bool open_device(void)
{
	return opens("/dev/nbd0", O_RDONLY);
}

/* Devices that every user may open: the kernel loads modules for some of them. */
static bool open_node(void)
{
	return opens("/dev/ptmx", O_RDONLY | O_NOCTTY);
}

static bool write_file(void)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/tmp/attack.%d", getpid());
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	return fd >= 0 && write(fd, "x", 1) == 1 && unlink(path) == 0;
}

static bool make_socket_file(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "/tmp/attack.%d", getpid());
	return fd >= 0 && bind(fd, (void *)&sun, sizeof(sun)) == 0 && unlink(sun.sun_path) == 0;
}

static bool change_mode(void)
{
	return chmod(board->secret, 0600) == 0;
}

static bool list_directory(void)
{
	return opens("/tmp", O_RDONLY | O_DIRECTORY);
}

/* The caller has a descriptor 50 that is not close-on-exec. */
static bool other_descriptor(void)
{
	for (int fd = 0; fd < 64; fd++) {
		struct pollfd p = {.fd = fd};

		if (!(attacker.given >> fd & 1) && poll(&p, 1, 0) >= 0 && !(p.revents & POLLNVAL))
			return true;
	}
	return false;
}

#define W	 1U << KIND_WORKER
#define T	 1U << KIND_TLS
#define L	 1U << KIND_RELAY
#define R	 1U << KIND_RESOLVER
#define K	 1U << KIND_KEYS
#define Z	 1U << KIND_ZYGOTE
#define S	 1U << KIND_SERVER
#define U	 1U << KIND_USER
#define WORKERS	 (W | T | L)
#define FILTERED (WORKERS | R | K)
#define HELPERS	 (FILTERED | Z)
#define OTHERS	 (HELPERS | S)

const struct attack attacks[] = {
    {"type into /dev/tty", type_into_devtty, OTHERS, true},
    {"read /dev/tty", read_devtty, OTHERS, true},
    {"type into an inherited terminal", type_into_inherited, OTHERS, true},
    {"have an inherited terminal", inherited_terminal, OTHERS, true},
    {"type into the terminal by its path", type_into_path, OTHERS | U, true},
    {"read the terminal by its path", read_path, OTHERS | U, true},
    {"read the terminal through /proc", read_by_proc, OTHERS | U, true},
    {"write to the terminal by its path", write_path, OTHERS | U, true},
    {"hold a lock by flock", hold_by_flock, OTHERS | U, false},
    {"hold a lock by fcntl", hold_by_fcntl, OTHERS | U, false},
    {"connect to the supervisor", control_socket, OTHERS | U, false},
    {"signal the supervisor", signal_supervisor, OTHERS | U, true},
    {"signal a process of the same user", signal_victim, HELPERS, true},
    {"signal a thread of the same user", signal_victims_thread, HELPERS, true},
    {"queue a signal", queue_signal, HELPERS, true},
    {"signal by a pidfd", signal_by_pidfd, HELPERS, true},
    {"signal all", signal_all, HELPERS, true},
    {"signal another helper", signal_helper, HELPERS | S | U, false},
    {"aim a socket's signals", aim_signals, HELPERS, true},
    {"choose a socket's signal", choose_signal, HELPERS, true},
    {"aim a socket's signals by ioctl", aim_by_ioctl, HELPERS, true},
    {"outlive the parent", outlive_parent, W | R | K, true},
    {"change the signal of the parent's end", other_death_signal, FILTERED, true},
    {"become traceable", be_traceable, FILTERED, true},
    {"trace a process of the same user", trace_victim, HELPERS, true},
    {"trace another helper", trace_helper, HELPERS | S | U, false},
    {"be traced", be_traced, FILTERED, true},
    {"read the supervisor's memory", read_supervisor, OTHERS | U, true},
    {"open the supervisor's memory", supervisors_memory, OTHERS | U, true},
    {"read the supervisor's environment", supervisors_environment, OTHERS | U, true},
    {"read the supervisor's layout", supervisors_layout, OTHERS | U, true},
    {"read another helper's memory", helpers_memory, HELPERS | S | U, false},
    {"steal a descriptor of the supervisor", steal_descriptor, OTHERS | U, true},
    {"slow another process down", slow_victim_down, HELPERS, true},
    {"limit another process", limit_victim, HELPERS, true},
    {"execute a program", execute, HELPERS, true},
    {"execute memory as a program", execute_memory, HELPERS, true},
    {"make a process", make_process, FILTERED, true},
    {"make a process by clone3", make_process_otherwise, HELPERS, true},
    {"be root", be_root, OTHERS | U, false},
    {"make a user namespace", new_user_namespace, HELPERS, true},
    {"raise a limit", raise_limit, FILTERED, true},
    {"make a pair of sockets of an odd family", pair_of_odd_family, FILTERED, true},
    {"make a pair of sockets", pair_of_sockets, FILTERED, true},
    {"open a socket of an odd family", odd_family, FILTERED, true},
    {"open a socket of an odd protocol", odd_protocol, FILTERED, true},
    {"open a raw socket", raw_socket, HELPERS | U, false},
    {"open a packet socket", packet_socket, HELPERS | U, false},
    {"open netlink other than for routes", netlink, FILTERED, true},
    {"connect by TCP", connect_tcp, WORKERS | K, true},
    {"connect a socket elsewhere", redirect, WORKERS | K, true},
    {"listen", listen_tcp, FILTERED, true},
    {"send to an address", send_elsewhere, WORKERS | K, true},
    {"pass a descriptor to the supervisor", pass_descriptor, WORKERS, true},
    {"take memory by mmap", take_memory, HELPERS, true},
    {"take memory by brk", grow_heap, HELPERS, true},
    {"take shared memory", share_memory, FILTERED, true},
    {"take memory of System V", system_v_memory, FILTERED, true},
    {"take a file in memory", file_in_memory, FILTERED, true},
    {"map code", map_code, WORKERS | K, true},
    {"read /etc/shadow", read_shadow, OTHERS | U, false},
    {"read a file of the caller's", read_secret, OTHERS | U, true},
    {"read /etc/passwd", read_passwd, WORKERS | K, true},
    {"read /proc", read_proc, FILTERED, true},
    {"open the device", open_device, OTHERS | U, false},
    {"open a device node", open_node, FILTERED, true},
    {"write a file", write_file, HELPERS, true},
    {"make a socket file", make_socket_file, FILTERED, true},
    {"change a file's mode", change_mode, OTHERS | U, true},
    {"open a directory", list_directory, FILTERED, true},
    {"have another descriptor", other_descriptor, OTHERS, true},
};

const size_t n_attacks = sizeof(attacks) / sizeof(attacks[0]);
