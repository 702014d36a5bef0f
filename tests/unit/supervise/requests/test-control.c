/* SPDX-License-Identifier: MIT */
/* Long: a list of cases, each read by itself. */
/* supervise/requests/control.c: the requests of commands to a supervisor, over its real socket. */
#include "transport-fixture.h"

#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "runtime/rundir.h"
#include "rundir-fixture.h"
#include "supervise/requests/control.h"
#include "skip.h"

#define INDEX 3

static struct loop *loop;
static struct control *control;

static struct {
	unsigned called;
	struct control_request request;
	bool later; /* do not answer */
} asked;

static void on_request(const struct control_request *request, void *arg)
{
	char sentence[64];

	assert_ptr_equal(arg, &asked);
	asked.called++;
	asked.request = *request;
	if (asked.later)
		return;
	snprintf(sentence, sizeof(sentence), "verb %d, force %d, prepared %d, accept %u, grace %u",
		 request->verb, request->force, request->prepared, request->accept, request->grace);
	control_answer(control, 4, sentence);
}

static int setup(void **state)
{
	struct err err;

	(void)state;
	memset(&asked, 0, sizeof(asked));
	loop = loop_new();
	return control_new(loop, INDEX, on_request, &asked, &control, &err);
}

static int teardown(void **state)
{
	(void)state;
	control_free(control);
	loop_free(loop);
	return 0;
}

/* A caller that sends given bytes; returns the answer, "" if the connection was closed. */
static int caller_new(const void *text, size_t len)
{
	struct address at = unix_address(rundir_device(INDEX, "control").text);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (void *)&at.sa, at.len), 0);
	if (text)
		assert_int_equal(send(fd, text, len, 0), len);
	return fd;
}

static void caller_answer(int fd, char *buf, size_t size)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t n;

	for (int i = 0; i < 250 && poll(&p, 1, 0) == 0; i++)
		loop_run_for(loop, 20);
	n = recv(fd, buf, size - 1, MSG_DONTWAIT);
	assert_true(n >= 0);
	buf[n] = '\0';
}

static void assert_answer(const void *text, size_t len, const char *want)
{
	int fd = caller_new(text, len);
	char answer[256];

	caller_answer(fd, answer, sizeof(answer));
	assert_string_equal(answer, want);
	/* One request and one answer. */
	caller_answer(fd, answer, sizeof(answer));
	assert_string_equal(answer, "");
	close(fd);
}

struct question {
	struct control_request request;
	unsigned limit_ms;
	int ret, status;
	struct err err;
};

static void *ask(void *arg)
{
	struct question *q = arg;

	q->ret = control_ask(INDEX, &q->request, q->limit_ms, &q->status, &q->err);
	return NULL;
}

/* Sends the request on a thread while the loop runs here. */
static void ask_meanwhile(struct question *q)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, ask, q), 0);
	for (int i = 0; i < 500 && pthread_tryjoin_np(thread, NULL) != 0; i++)
		loop_run_for(loop, 20);
}

static void requests_are_understood(void **state)
{
	static const struct {
		const char *text, *answer;
	} good[] = {
	    {"detach", "4 verb 0, force 0, prepared 0, accept 0, grace 0"},
	    {"detach force", "4 verb 0, force 1, prepared 0, accept 0, grace 0"},
	    {"detach prepared", "4 verb 0, force 0, prepared 1, accept 0, grace 0"},
	    {"detach prepared force", "4 verb 0, force 1, prepared 1, accept 0, grace 0"},
	    {"grace 10", "4 verb 3, force 0, prepared 0, accept 0, grace 10"},
	    {"grace 4294967295", "4 verb 3, force 0, prepared 0, accept 0, grace 4294967295"},
	    {"reconnect 0", "4 verb 1, force 0, prepared 0, accept 0, grace 0"},
	    {"reconnect 15", "4 verb 1, force 0, prepared 0, accept 15, grace 0"},
	    {"reconnect 4294967295", "4 verb 1, force 0, prepared 0, accept 4294967295, grace 0"},
	    {"refresh", "4 verb 2, force 0, prepared 0, accept 0, grace 0"},
	    {"resize", "4 verb 4, force 0, prepared 0, accept 0, grace 0"},
	    {"fail", "4 verb 5, force 0, prepared 0, accept 0, grace 0"},
	    {"reload", "4 verb 6, force 0, prepared 0, accept 0, grace 0"},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
		assert_answer(good[i].text, strlen(good[i].text), good[i].answer);
		assert_int_equal(asked.called, i + 1);
	}
}

static void other_requests_are_not_known(void **state)
{
	static const char *const bad[] = {
	    "detach forces",
	    "detach  force",
	    "Detach",
	    "reconnect",
	    "reconnect x",
	    "reconnect 1x",
	    "reconnect 1 ",
	    "refresh now",
	    "grace",
	    "grace 10s",
	    "detach force prepared",
	    "detach prepared ",
	    "\xff\xfe",
	    "detachdetachdetachdetachdetachdetach",
	    "resize 5",
	    "resizes",
	    "reload now",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_answer(bad[i], strlen(bad[i]),
			      "2 the supervisor does not know that request: it may be of another "
			      "version");
	assert_int_equal(asked.called, 0);
	/* Nothing at all. */
	assert_answer("", 0, "");
	assert_int_equal(asked.called, 0);
}

static void one_caller_at_a_time(void **state)
{
	struct question q = {.limit_ms = 5000};
	int first, second;
	char answer[256];

	(void)state;
	asked.later = true;
	first = caller_new("detach", 6);
	loop_run_for(loop, 50);
	assert_int_equal(asked.called, 1);
	second = caller_new("detach force", 12);
	caller_answer(second, answer, sizeof(answer));
	assert_string_equal(answer, "3 another command is talking to this device's supervisor: try "
				    "again");
	close(second);
	/* It gets the same answer before it can send a request. */
	second = caller_new(NULL, 0);
	caller_answer(second, answer, sizeof(answer));
	assert_string_equal(answer, "3 another command is talking to this device's supervisor: try "
				    "again");
	assert_int_equal(send(second, "detach", 6, MSG_NOSIGNAL), -1);
	close(second);
	/* A command of ours. */
	ask_meanwhile(&q);
	assert_int_equal(q.ret, 0);
	assert_int_equal(q.status, 3);
	assert_int_equal(asked.called, 1);
	/* More data from the first caller is not a second request. */
	assert_int_equal(send(first, "refresh", 7, 0), 7);
	loop_run_for(loop, 50);
	assert_int_equal(asked.called, 1);
	control_answer(control, 0, "done");
	caller_answer(first, answer, sizeof(answer));
	assert_string_equal(answer, "0 done");
	close(first);
	control_answer(control, 0, "nobody waits");
}

/* Commands that were stopped before they could ask: the supervisor hears others. */
static void callers_that_ask_nothing_keep_nobody_away(void **state)
{
	char answer[256];
	int silent[12];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(silent); i++) {
		silent[i] = caller_new(NULL, 0);
		loop_run_for(loop, 20);
		assert_answer("refresh", 7, "4 verb 2, force 0, prepared 0, accept 0, grace 0");
	}
	/* The latest of them may still ask, and the oldest see that they were not heard. */
	assert_int_equal(send(silent[11], "resize", 6, MSG_NOSIGNAL), 6);
	caller_answer(silent[11], answer, sizeof(answer));
	assert_string_equal(answer, "4 verb 4, force 0, prepared 0, accept 0, grace 0");
	assert_int_equal(send(silent[0], "resize", 6, MSG_NOSIGNAL), -1);
	/* Not while another request is carried out. */
	asked.later = true;
	assert_int_equal(send(silent[10], "detach", 6, MSG_NOSIGNAL), 6);
	loop_run_for(loop, 50);
	assert_int_equal(send(silent[9], "detach", 6, MSG_NOSIGNAL), 6);
	caller_answer(silent[9], answer, sizeof(answer));
	assert_string_equal(answer, "3 another command is talking to this device's supervisor: try "
				    "again");
	control_answer(control, 0, "done");
	caller_answer(silent[10], answer, sizeof(answer));
	assert_string_equal(answer, "0 done");
	for (size_t i = 0; i < ARRAY_SIZE(silent); i++)
		close(silent[i]);
}

static void count(void *arg)
{
	++*(unsigned *)arg;
}

/* A caller that cannot be accepted waits; the loop rests meanwhile. */
static void without_descriptors_the_loop_rests(void **state)
{
	struct rlimit limit, none;
	char answer[256];
	unsigned calls = 0;
	int fd;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = limit.rlim_max};
	fd = caller_new("refresh", 7);
	loop_after_each(loop, count, &calls);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	loop_run_for(loop, 400);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	loop_after_each(loop, NULL, NULL);
	assert_int_equal(asked.called, 0);
	assert_in_range(calls, 1, 10);
	caller_answer(fd, answer, sizeof(answer));
	assert_string_equal(answer, "4 verb 2, force 0, prepared 0, accept 0, grace 0");
	close(fd);
}

/* Ctrl-C: the caller has closed, and the next one is served. */
static void a_caller_that_leaves_frees_the_place(void **state)
{
	int fd;

	(void)state;
	asked.later = true;
	fd = caller_new("detach", 6);
	loop_run_for(loop, 50);
	close(fd);
	fd = caller_new(NULL, 0); /* and one that never sends a request */
	loop_run_for(loop, 50);
	close(fd);
	loop_run_for(loop, 50);
	control_answer(control, 0, "of the first");
	asked.later = false;
	assert_answer("refresh", 7, "4 verb 2, force 0, prepared 0, accept 0, grace 0");
}

/* It has told its user that nothing was detached; other requests go on. */
static void a_detach_whose_caller_has_gone_does_not_arrive(void **state)
{
	static const char *const detach[] = {"detach", "detach force", "detach prepared",
					     "detach prepared force"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(detach); i++) {
		close(caller_new(detach[i], strlen(detach[i])));
		loop_run_for(loop, 50);
		assert_int_equal(asked.called, 0);
	}
	close(caller_new("grace 10", 8));
	loop_run_for(loop, 50);
	assert_int_equal(asked.called, 1);
	assert_answer("refresh", 7, "4 verb 2, force 0, prepared 0, accept 0, grace 0");
}

static void an_unanswered_caller_sees_the_end(void **state)
{
	struct rundir_path path = rundir_device(INDEX, "control");
	char answer[16];
	struct err err;
	int fd;

	(void)state;
	asked.later = true;
	fd = caller_new("detach", 6);
	loop_run_for(loop, 50);
	control_free(control);
	assert_int_equal(access(path.text, F_OK), -1);
	caller_answer(fd, answer, sizeof(answer));
	assert_string_equal(answer, "");
	close(fd);
	assert_int_equal(control_new(loop, INDEX, on_request, &asked, &control, &err), 0);
}

/* The name of a supervisor that was killed is taken over. Only its user may talk to it. */
static void the_socket_is_private_and_replaced(void **state)
{
	struct rundir_path path = rundir_device(INDEX, "control");
	struct control *other;
	struct err err;
	struct stat st;

	(void)state;
	assert_int_equal(stat(path.text, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(control_new(loop, INDEX, on_request, &asked, &other, &err), 0);
	control_free(control);
	control = other;
	assert_int_equal(setenv("NBD_ATTACH_RUNDIR", "/nonexistent", 1), 0);
	assert_true(control_new(loop, INDEX, on_request, &asked, &other, &err) < 0);
	assert_int_equal(err.kind, ERR_SYSTEM);
	assert_int_equal(setenv("NBD_ATTACH_RUNDIR", dir, 1), 0);
}

static void speak_as_nobody(void)
{
	struct address at = unix_address(rundir_device(INDEX, "control").text);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (setresuid(65534, 65534, 65534) < 0 || connect(fd, (void *)&at.sa, at.len) < 0)
		_exit(1);
	(void)!send(fd, "detach force", 12, MSG_NOSIGNAL);
	_exit(recv(fd, &(char){0}, 1, 0) <= 0 ? 0 : 2);
}

/* Even if the mode of the socket is wrong, the kernel's credentials of the caller decide. */
static void another_user_is_not_heard(void **state)
{
	struct rundir_path path = rundir_device(INDEX, "control");
	int status = -1;
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip_because("it takes root");
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(chmod(path.text, 0666), 0);
	pid = fork();
	if (pid == 0)
		speak_as_nobody();
	for (int i = 0; i < 250 && waitpid(pid, &status, WNOHANG) == 0; i++)
		loop_run_for(loop, 20);
	assert_int_equal(chmod(dir, 0700), 0);
	assert_int_equal(status, 0);
	assert_int_equal(asked.called, 0);
	assert_answer("refresh", 7, "4 verb 2, force 0, prepared 0, accept 0, grace 0");
}

/* --- the command's side -------------------------------------------------------------------- */

static void commands_and_supervisors_agree(void **state)
{
	static const struct control_request requests[] = {
	    {.verb = CONTROL_DETACH},
	    {.verb = CONTROL_DETACH, .force = true},
	    {.verb = CONTROL_RECONNECT},
	    {.verb = CONTROL_RECONNECT, .accept = 9},
	    {.verb = CONTROL_REFRESH},
	    {.verb = CONTROL_DETACH, .prepared = true},
	    {.verb = CONTROL_GRACE, .grace = 10},
	};
	char want[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		struct question q = {.request = requests[i], .limit_ms = 5000, .ret = 7};

		ask_meanwhile(&q);
		assert_int_equal(q.ret, 0);
		assert_int_equal(q.status, 4);
		assert_int_equal(asked.request.verb, requests[i].verb);
		assert_int_equal(asked.request.force, requests[i].force);
		assert_int_equal(asked.request.accept, requests[i].accept);
		snprintf(want, sizeof(want), "verb %d, force %d, prepared %d, accept %u, grace %u",
			 requests[i].verb, requests[i].force, requests[i].prepared,
			 requests[i].accept, requests[i].grace);
		assert_string_equal(q.err.message, want);
	}
}

static void nobody_listens(void **state)
{
	struct question q = {.limit_ms = 1000};

	(void)state;
	/*
	 * A name without a listener, left by a killed supervisor, does not count as a supervisor,
	 * either.
	 */
	struct address at = unix_address(rundir_device(INDEX, "control").text);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	control_free(control);
	control = NULL;
	ask(&q);
	assert_int_equal(q.ret, -ENOENT);
	assert_int_equal(bind(fd, (void *)&at.sa, at.len), 0);
	close(fd);
	q.ret = 0;
	ask(&q);
	assert_int_equal(q.ret, -ENOENT);
	unlink(rundir_device(INDEX, "control").text);
}

/*
 * The loop does not run, as in a stopped supervisor. However many callers there are, each returns.
 */
static void a_stopped_supervisor_is_not_waited_for(void **state)
{
	struct question q = {.limit_ms = 300};
	uint64_t start;
	int fds[16];

	(void)state;
	start = loop_now();
	ask(&q);
	assert_int_equal(q.ret, -EAGAIN);
	assert_int_equal(q.err.kind, ERR_FAILED);
	assert_non_null(strstr(q.err.message, "it may be stopped"));
	assert_in_range(loop_now() - start, 290, 2500);

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		struct address at = unix_address(rundir_device(INDEX, "control").text);

		fds[i] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)!connect(fds[i], (void *)&at.sa, at.len); /* until the backlog is full */
	}
	q.ret = 0;
	start = loop_now();
	ask(&q);
	assert_int_equal(q.ret, -EAGAIN);
	assert_int_equal(q.err.kind, ERR_FAILED);
	assert_non_null(strstr(q.err.message, "it may be stopped"));
	assert_in_range(loop_now() - start, 290, 2500);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

static void *serve_badly(void *arg)
{
	int fd = accept(*(int *)arg, NULL, NULL);
	char in[64];

	(void)!recv(fd, in, sizeof(in), 0);
	close(fd);
	fd = accept(*(int *)arg, NULL, NULL);
	(void)!recv(fd, in, sizeof(in), 0);
	(void)!send(fd, "nonsense", 8, MSG_NOSIGNAL);
	close(fd);
	return NULL;
}

static void an_end_before_the_answer_is_an_error(void **state)
{
	struct address at = unix_address(rundir_device(INDEX, "control").text);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	pthread_t thread;

	(void)state;
	control_free(control);
	control = NULL;
	assert_int_equal(bind(fd, (void *)&at.sa, at.len), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(pthread_create(&thread, NULL, serve_badly, &fd), 0);
	for (int i = 0; i < 2; i++) {
		struct question q = {.limit_ms = 5000};

		ask(&q);
		assert_int_equal(q.ret, -EPIPE);
		assert_string_equal(q.err.message, "the supervisor ended before it answered");
	}
	pthread_join(thread, NULL);
	close(fd);
	unlink(rundir_device(INDEX, "control").text);
}

/* Ends with an unread request, like a killed supervisor; then there is no listener. */
static void *end_unread(void *arg)
{
	int fd = *(int *)arg;
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (poll(&p, 1, 5000) == 1)
		usleep(100000); /* the request follows the connection */
	close(fd);
	return NULL;
}

static void a_killed_supervisor_is_none(void **state)
{
	struct address at = unix_address(rundir_device(INDEX, "control").text);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct question q = {.limit_ms = 5000};
	pthread_t thread;

	(void)state;
	control_free(control);
	control = NULL;
	assert_int_equal(bind(fd, (void *)&at.sa, at.len), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(pthread_create(&thread, NULL, end_unread, &fd), 0);
	ask(&q);
	assert_int_equal(q.ret, -ENOENT);
	pthread_join(thread, NULL);
	unlink(rundir_device(INDEX, "control").text);
}

#define WITH_CONTROL(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

/* The next supervisor listens there, perhaps before this one has ended. */
static void the_name_of_a_successor_stays(void **state)
{
	struct rundir_path path = rundir_device(INDEX, "control");
	struct loop *other = loop_new();
	struct control *first;
	struct err err;

	(void)state;
	assert_int_equal(control_new(other, INDEX, on_request, &asked, &first, &err), 0);
	control_leave(first);
	control_free(first);
	assert_int_equal(access(path.text, F_OK), 0);
	assert_int_equal(unlink(path.text), 0);
	loop_free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_CONTROL(requests_are_understood),
	    WITH_CONTROL(other_requests_are_not_known),
	    WITH_CONTROL(one_caller_at_a_time),
	    WITH_CONTROL(callers_that_ask_nothing_keep_nobody_away),
	    WITH_CONTROL(without_descriptors_the_loop_rests),
	    WITH_CONTROL(a_caller_that_leaves_frees_the_place),
	    WITH_CONTROL(a_detach_whose_caller_has_gone_does_not_arrive),
	    WITH_CONTROL(an_unanswered_caller_sees_the_end),
	    WITH_CONTROL(the_socket_is_private_and_replaced),
	    WITH_CONTROL(another_user_is_not_heard),
	    WITH_CONTROL(commands_and_supervisors_agree),
	    WITH_CONTROL(nobody_listens),
	    WITH_CONTROL(a_stopped_supervisor_is_not_waited_for),
	    WITH_CONTROL(an_end_before_the_answer_is_an_error),
	    WITH_CONTROL(a_killed_supervisor_is_none),
	    cmocka_unit_test(the_name_of_a_successor_stays),
	};

	return cmocka_run_group_tests(tests, rundir_make_own, rundir_remove_own);
}
