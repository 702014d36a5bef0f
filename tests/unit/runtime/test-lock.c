/* SPDX-License-Identifier: MIT */
/* Long: a list of cases, each read by itself. */
/*
 * The locks: who may open them, who holds them, how files of an earlier version are handled, and
 * that checking a lock does not take it. Cases with another account need root.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/libc.h"
#include "runtime/lock.h"
#include "runtime/rundir.h"
#include "skip.h"

/* include/linux/proc_ns.h, PROC_PID_INIT_INO */
#define INIT_PID_SPACE 0xeffffffcu
#define STRANGER       54321 /* any unused user ID */
#define TAKERS	       8
#define ROUNDS	       20
#define STOPS_MAX      80 /* upper bound of the stops of a process that takes a lock */

static char dir[] = "/tmp/nbd-attach-lock-XXXXXX", path[64];

static int setup(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "%s/it.lock", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) && chmod(dir, 0755) == 0 ? 0 : -1;
}

static int remove_dir(void **state)
{
	char text[96];

	(void)state;
	snprintf(text, sizeof(text), "%s/replace.lock", dir);
	unlink(text);
	return rmdir(dir);
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* A file as made by earlier versions. */
static void make_old_file(const char *content)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0644), 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	close(fd);
}

/* A process of that user that holds the file's lock, as in earlier versions. */
static pid_t hold(uid_t uid)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		int fd;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (uid && setresuid(uid, uid, uid) < 0)
			_exit(1);
		fd = open(path, O_RDONLY);
		if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void only_the_owner_can_lock(void **state)
{
	struct stat st;
	struct err err;
	mode_t mask = umask(0);
	int fd;

	(void)state;
	assert_int_equal(lock_take(path, "it", &fd, &err), 0);
	umask(mask);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	close(fd);
}

static void an_old_file_is_replaced(void **state)
{
	struct stat before, after;
	struct err err;
	int fd, other;

	(void)state;
	make_old_file("4242\n");
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(lock_holder(path), 0);
	assert_int_equal(lock_take(path, "it", &fd, &err), 0);
	assert_int_equal(stat(path, &after), 0);
	assert_int_not_equal(before.st_ino, after.st_ino);
	assert_int_equal(after.st_mode & 07777, 0600);
	assert_int_equal(lock_holder(path), getpid());
	assert_int_equal(lock_take(path, "it", &other, &err), -EBUSY);
	close(fd);
}

static void a_stranger_who_opened_it_before_is_no_holder(void **state)
{
	struct err err;
	pid_t pid;
	int fd;

	(void)state;
	if (geteuid() != 0)
		skip_because("it takes root");
	make_old_file("1\n");
	pid = hold(STRANGER);
	assert_int_equal(lock_take(path, "it", &fd, &err), 0);
	assert_int_equal(lock_holder(path), getpid());
	close(fd);
	end(pid);
}

/* Nobody else can open it, but its owner can lock it whenever they like. */
static void a_file_of_a_stranger_is_replaced(void **state)
{
	struct stat st;
	struct err err;
	pid_t pid;
	int fd;

	(void)state;
	if (geteuid() != 0)
		skip_because("it takes root");
	make_old_file("1\n");
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(chown(path, STRANGER, STRANGER), 0);
	pid = hold(STRANGER);
	assert_int_equal(lock_take(path, "it", &fd, &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 0);
	close(fd);
	end(pid);
}

static void a_supervisor_of_an_earlier_version_is_a_holder(void **state)
{
	struct err err;
	pid_t pid;
	int fd;

	(void)state;
	make_old_file("1\n");
	pid = hold(0);
	assert_int_equal(lock_holder(path), pid);
	assert_int_equal(lock_take(path, "it", &fd, &err), -EBUSY);
	assert_int_equal(err.kind, ERR_BUSY);
	end(pid);
	assert_int_equal(lock_holder(path), 0);
}

/* It is new, or its taker died before it wrote its number. */
static void a_file_without_a_number_is_left_to_the_list(void **state)
{
	pid_t pid;

	(void)state;
	make_old_file("");
	assert_int_equal(lock_holder(path), 0);
	pid = hold(0);
	assert_int_equal(lock_holder(path), pid);
	end(pid);
	assert_int_equal(lock_holder(path), 0);
}

/* Reports the result, and keeps the lock until the others have reported theirs, too. */
static void take_and_stay(int go, int said, int stay)
{
	struct err err;
	char byte;
	int fd;

	if (read(go, &byte, 1) == 0)
		byte = lock_take(path, "it", &fd, &err) == 0 ? 'w'
		       : err.kind == ERR_BUSY		     ? 'b'
							     : '?';
	if (write(said, &byte, 1) == 1 && read(stay, &byte, 1) == 0)
		_exit(0);
	_exit(1);
}

static void one_of_many_takers_of_an_old_file_wins(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		int go[2], said[2], stay[2];
		pid_t pid[TAKERS];
		unsigned winners = 0;
		char byte;

		make_old_file("1\n");
		assert_true(pipe(go) == 0 && pipe(said) == 0 && pipe(stay) == 0);
		for (int i = 0; i < TAKERS; i++)
			if ((pid[i] = fork()) == 0) {
				close(go[1]);
				close(stay[1]);
				take_and_stay(go[0], said[1], stay[0]);
			}
		close(go[0]);
		close(go[1]); /* starts all at once */
		close(said[1]);
		for (int i = 0; i < TAKERS; i++) {
			assert_int_equal(read(said[0], &byte, 1), 1);
			assert_true(byte == 'w' || byte == 'b');
			winners += byte == 'w';
		}
		assert_int_equal(winners, 1);
		close(said[0]);
		close(stay[0]);
		close(stay[1]);
		for (int i = 0; i < TAKERS; i++)
			assert_int_equal(waitpid(pid[i], NULL, 0), pid[i]);
		unlink(path);
	}
}

static void be_traced(void)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 || raise(SIGSTOP) != 0)
		_exit(20);
}

static void __attribute__((noreturn)) take_traced(void)
{
	struct err err;
	int fd, ret;

	be_traced();
	ret = lock_take(path, "it", &fd, &err);
	raise(SIGSTOP); /* it keeps the lock until the others have been checked */
	_exit(ret == 0 ? 10 : err.kind == ERR_BUSY ? 11 : 12);
}

/*
 * One taker is stopped after `stops` beginnings and ends of system calls. Meanwhile another one
 * takes the lock, and then keeps it, or removes the file and frees it. In the end exactly one has
 * the lock: exit status 0. TOO_LATE: it makes fewer calls.
 */
#define TOO_LATE 1

static void clean(unsigned when)
{
	static const char *const names[] = {"/it.lock", "/replace.lock", ""};
	char text[128];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(text, sizeof(text), "%s/%u%s", dir, when, names[i]);
		remove(text);
	}
}

static int interleave(unsigned when, bool old, bool removed)
{
	unsigned stops = 0, winners = 0;
	int fd = -1, third, status;
	struct err err;
	pid_t pid;

	/*
	 * In a separate directory: a process that is stopped while it replaces a file keeps others
	 * from replacing files there.
	 */
	snprintf(path, sizeof(path), "%s/%u", dir, when);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/%u/it.lock", dir, when);
	if (old)
		make_old_file("1\n");
	pid = fork();
	if (pid == 0)
		take_traced();
	waitpid(pid, &status, 0);
	while (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) == 0 && waitpid(pid, &status, 0) == pid &&
	       WIFSTOPPED(status) && WSTOPSIG(status) != SIGSTOP) {
		if (stops++ != when)
			continue;
		if (lock_take(path, "it", &fd, &err) < 0)
			continue;
		if (removed)
			unlink(path);
		if (removed)
			close(fd);
		else
			winners++;
	}
	third = lock_take(path, "it", &(int){-1}, &err);
	clean(when);
	ptrace(PTRACE_CONT, pid, NULL, NULL);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) > 11)
		return 2;
	winners += WEXITSTATUS(status) == 10;
	if (third != -EBUSY || winners != 1)
		return 3;
	return stops > when ? 0 : TOO_LATE;
}

static void interleave_all(bool old, bool removed)
{
	pid_t pid[STOPS_MAX];
	unsigned done = 0;
	int status;

#if defined(FOR_VALGRIND)
	skip_because("it cannot be traced");
#endif
	for (unsigned when = 0; when < STOPS_MAX; when++)
		if ((pid[when] = fork()) == 0)
			_exit(interleave(when, old, removed));
	for (unsigned when = 0; when < STOPS_MAX; when++) {
		assert_int_equal(waitpid(pid[when], &status, 0), pid[when]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= TOO_LATE);
		done += WEXITSTATUS(status) == 0;
	}
	assert_true(done > 4 && done < STOPS_MAX);
}

static void two_takers_of_a_file(void **state)
{
	(void)state;
	interleave_all(false, false);
}

static void two_takers_of_an_old_file(void **state)
{
	(void)state;
	interleave_all(true, false);
}

static void a_file_removed_while_it_is_taken(void **state)
{
	(void)state;
	interleave_all(false, true);
}

/*
 * The checking process is traced, and at the beginning and the end of each of its system calls
 * another process takes the lock.
 */
static void looking_takes_nothing(void **state)
{
	unsigned stops = 0;
	struct err err;
	int fd, status;
	pid_t pid;

	(void)state;
#if defined(FOR_VALGRIND)
	skip_because("it cannot be traced");
#endif
	assert_int_equal(lock_take(path, "it", &fd, &err), 0);
	close(fd);
	pid = fork();
	if (pid == 0) {
		be_traced();
		lock_holder(path);
		fd = lock_pidfd(path);
		_exit(fd < 0 ? 0 : 4);
	}
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		assert_true(++stops < 10000);
		assert_int_equal(lock_take(path, "it", &fd, &err), 0);
		close(fd);
		if (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) < 0)
			break;
	}
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_true(stops > 4);
}

/* What every user can see of it without opening the file. */
static void a_stranger_sees_the_holder(void **state)
{
	struct err err;
	int fd, status;
	pid_t pid, me = getpid();

	(void)state;
	if (geteuid() != 0)
		skip_because("it takes root");
	assert_int_equal(lock_take(path, "it", &fd, &err), 0);
	pid = fork();
	if (pid == 0) {
		if (setresuid(STRANGER, STRANGER, STRANGER) < 0)
			_exit(3);
		_exit(open(path, O_RDONLY) >= 0 ? 2 : lock_holder(path) == me ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close(fd);
}

static bool leads_to(int pidfd, pid_t pid)
{
	siginfo_t info = {0};

	assert_int_equal(syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0), 0);
	assert_int_equal(waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED), 0);
	return info.si_pid == pid;
}

/* Its helper has the lock for a moment longer, which is no reason to say that it is in charge. */
static void a_holder_that_has_ended(void **state)
{
	int started[2], fd;
	struct err err;
	pid_t pid;
	char byte;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, started), 0);
	pid = fork();
	if (pid == 0) {
		close(started[0]);
		if (lock_take(path, "it", &fd, &err) < 0)
			_exit(1);
		if (fork() == 0) { /* the helper */
			(void)!write(started[1], "", 1);
			(void)!read(started[1], &byte, 1);
			_exit(0);
		}
		pause();
	}
	close(started[1]);
	assert_int_equal(read(started[0], &byte, 1), 1);
	assert_int_equal(lock_live_holder(path), pid);
	end(pid);
	assert_int_equal(lock_holder(path), pid);
	assert_int_equal(lock_live_holder(path), 0);
	close(started[0]);
}

/* A holder that gives the lock up, and ends 5 ms later. */
static int ending_holder(void)
{
	int ready[2], holder;
	struct err err;
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		int fd;

		if (lock_take(path, "it", &fd, &err) < 0)
			_exit(1);
		close(fd);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		usleep(5000);
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	holder = lock_holder(path);
	waitpid(pid, NULL, 0);
	close(ready[0]);
	close(ready[1]);
	return holder;
}

/* A list that says that each process holds it, where the kernel has its own. */
static bool pretend_locks(void)
{
	char list[80], line[128];
	struct stat st;
	int fd, len;

	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return false;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || fstat(fd, &st) < 0)
		return false;
	close(fd);
	snprintf(list, sizeof(list), "%s.list", path);
	len = snprintf(line, sizeof(line), "1: FLOCK  ADVISORY  WRITE 1 %02x:%02x:%lu 0 EOF\n",
		       major(st.st_dev), minor(st.st_dev), (unsigned long)st.st_ino);
	fd = open(list, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, line, (size_t)len) != len)
		return false;
	close(fd);
	return mount(list, "/proc/locks", NULL, MS_BIND, NULL) == 0 && unlink(list) == 0;
}

/* It needs none of the kernel's list, which takes longer. On a busy machine some may be late. */
static void a_holder_that_is_ending_is_waited_for(void **state)
{
	int status, list_asked = 0;
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip_because("it takes root");
	pid = fork();
	if (pid == 0) {
		if (!pretend_locks())
			_exit(100);
		for (int i = 0; i < 9; i++)
			list_asked += ending_holder() != 0;
		_exit(list_asked);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_in_range(WEXITSTATUS(status), 0, 4);
}

/* A helper, or a thread that is blocked in the kernel, has the lock's file open. */
static void a_lock_that_outlives_its_holder_may_be_tried_again(void **state)
{
	int ready[2], fd;
	pid_t holder, helper;
	struct err err;
	struct stat st;

	(void)state;
	if (stat("/proc/self/ns/pid", &st) < 0 || st.st_ino != INIT_PID_SPACE)
		skip_because(
		    "the kernel lists no dead holder in another PID namespace than the first");
	assert_int_equal(pipe(ready), 0);
	holder = fork();
	if (holder == 0) {
		if (lock_take(path, "it", &fd, &err) < 0)
			_exit(1);
		helper = fork();
		if (helper == 0)
			for (;;)
				pause();
		_exit(write(ready[1], &helper, sizeof(helper)) != sizeof(helper));
	}
	assert_int_equal(read(ready[0], &helper, sizeof(helper)), sizeof(helper));
	assert_int_equal(waitpid(holder, NULL, 0), holder);
	assert_int_equal(lock_take(path, "/dev/nbd7", &fd, &err), -EBUSY);
	kill(helper, SIGKILL);
	assert_int_equal(err.kind, ERR_RETRY);
	assert_non_null(strstr(err.message, "/dev/nbd7 cannot be attached yet"));
	close(ready[0]);
	close(ready[1]);
}

static void a_number_in_the_file_is_not_believed(void **state)
{
	pid_t innocent = fork(), holder;
	char text[16];
	int pidfd;

	(void)state;
	if (innocent == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	snprintf(text, sizeof(text), "%d\n", innocent);
	make_old_file(text);
	assert_int_equal(lock_pidfd(path), -1);
	holder = hold(0);
	pidfd = lock_pidfd(path);
	assert_true(pidfd >= 0);
	assert_true(leads_to(pidfd, holder));
	close(pidfd);
	assert_int_equal(lock_pidfd(path), -1);
	assert_int_equal(waitpid(innocent, NULL, WNOHANG), 0);
	end(innocent);
}

/* Also if the kernel's list of locks is hidden, as in the unit. */
static void an_identified_holder_is_found(void **state)
{
	int ready[2], pidfd, fd;
	struct flock process = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = 1};
	struct err err;
	char byte;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (lock_take(path, "it", &fd, &err) < 0 || lock_identify(fd) < 0 ||
		    write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GETLK, &process), 0);
	assert_int_equal(process.l_pid, pid);
	close(fd);
	pidfd = lock_pidfd(path);
	assert_true(pidfd >= 0);
	assert_true(leads_to(pidfd, pid));
	close(pidfd);
	close(ready[0]);
	close(ready[1]);
}

/* By a supervisor that gets the descriptor from another one. */
static void a_lock_is_inherited_by_its_open_file(void **state)
{
	struct err err;
	int fd, same, other;

	(void)state;
	assert_int_equal(lock_take(path, "it", &fd, &err), 0);
	same = dup(fd);
	other = open(path, O_RDWR | O_CLOEXEC);
	assert_true(same >= 0 && other >= 0);
	assert_int_equal(lock_inherit(path, same), 0);
	assert_int_equal(lock_inherit(path, other), -EBUSY);
	/* Another process would take the lock of the new file. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(lock_inherit(path, same), -ENOENT);
	make_old_file("");
	assert_int_equal(lock_inherit(path, same), -ESTALE);
	close(same);
	close(other);
	close(fd);
}

static void a_link_is_no_lock(void **state)
{
	char target[96];
	struct err err;
	int fd;

	(void)state;
	snprintf(target, sizeof(target), "%s/target", dir);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(lock_take(path, "it", &fd, &err), -ELOOP);
	assert_int_equal(access(target, F_OK), -1);
}

static void nobody_else_writes_in_the_directory(void **state)
{
	struct stat st;
	struct err err;

	(void)state;
	assert_int_equal(setenv("NBD_ATTACH_RUNDIR", dir, 1), 0);
	assert_int_equal(chmod(dir, 0777), 0);
	assert_int_equal(rundir_make(&err), 0);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	if (geteuid() == 0) {
		assert_int_equal(chown(dir, STRANGER, 0), 0);
		assert_true(rundir_make(&err) < 0);
		assert_int_equal(err.kind, ERR_SYSTEM);
		assert_non_null(strstr(err.message, "user 54321"));
		assert_int_equal(chown(dir, 0, 0), 0);
	}
	unsetenv("NBD_ATTACH_RUNDIR");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(only_the_owner_can_lock, setup, teardown),
	    cmocka_unit_test_setup_teardown(an_old_file_is_replaced, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_stranger_who_opened_it_before_is_no_holder, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(a_file_of_a_stranger_is_replaced, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_supervisor_of_an_earlier_version_is_a_holder, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(a_file_without_a_number_is_left_to_the_list, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(one_of_many_takers_of_an_old_file_wins, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(two_takers_of_a_file, setup, teardown),
	    cmocka_unit_test_setup_teardown(two_takers_of_an_old_file, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_file_removed_while_it_is_taken, setup, teardown),
	    cmocka_unit_test_setup_teardown(looking_takes_nothing, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_stranger_sees_the_holder, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_holder_that_has_ended, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_holder_that_is_ending_is_waited_for, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_lock_that_outlives_its_holder_may_be_tried_again,
					    setup, teardown),
	    cmocka_unit_test_setup_teardown(a_number_in_the_file_is_not_believed, setup, teardown),
	    cmocka_unit_test_setup_teardown(an_identified_holder_is_found, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_lock_is_inherited_by_its_open_file, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_link_is_no_lock, setup, teardown),
	    cmocka_unit_test(nobody_else_writes_in_the_directory),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
