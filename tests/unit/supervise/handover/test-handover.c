/* SPDX-License-Identifier: MIT */
/*
 * The part alone: its kernel is a struct kernel_ops of this test, the device's mark a file, and the
 * kernel's log one end of a socket pair.
 *
 * Long: one fixture, which every case needs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop-fixture.h"
#include "runtime/state.h"
#include "supervise/handover/handover.h"

#define BELIEVED_MS 2500 /* a kernel that needs no socket is believed that long after a death */

struct fixture {
	struct kernel kernel;
	struct attachment at;
	struct part_env env;
	struct links *links;
	struct handover *h;
	int log_fd; /* our end of the kernel's log */

	/* The kernel's answers. */
	bool takes;
	bool sends;  /* a request, on the socket that it does not say it has */
	int refuses; /* an errno */
	/* The requests to the kernel. */
	unsigned offered, changed;
	struct kernel_change last;

	/* The events of the part. */
	unsigned begun, ended, taken, idle, gone;
	bool declined;
	bool status_first; /* `begins` came before the kernel had the socket */
};

static struct fixture *of(struct kernel *k)
{
	return (struct fixture *)k;
}

static void *log_reconnect(void *arg)
{
	static const char record[] = "6,1,1,-;block nbd7: reconnected socket";
	struct fixture *f = arg;

	assert_int_equal(write(f->log_fd, record, sizeof(record) - 1), sizeof(record) - 1);
	return NULL;
}

static void *log_late(void *arg)
{
	usleep(250 * 1000);
	return log_reconnect(arg);
}

static int change(struct kernel *k, const struct kernel_change *c, struct err *err)
{
	struct fixture *f = of(k);

	f->changed++;
	f->last = *c;
	if (f->refuses)
		return err_set(err, ERR_FAILED, f->refuses, "refused");
	if (c->fd < 0)
		return 0;
	f->offered++;
	if (f->sends)
		assert_int_equal(write(c->fd, "request", 7), 7);
	f->status_first = f->begun > 0;
	if (f->takes)
		log_reconnect(f);
	return 0;
}

static void end(struct fixture *f)
{
	loop_stop(f->env.loop, 0);
}

static void begins(void *arg)
{
	((struct fixture *)arg)->begun++;
}

static void ended(unsigned taken, bool declined, void *arg)
{
	struct fixture *f = arg;

	f->ended++;
	f->taken += taken;
	f->declined = declined;
	end(f);
}

static void idle(void *arg)
{
	struct fixture *f = arg;

	f->idle++;
	end(f);
}

static void gone(void *arg)
{
	struct fixture *f = arg;

	f->gone++;
	end(f);
}

static bool is_greeting(void *arg)
{
	(void)arg;
	return false;
}

static void link_died(unsigned alive, const char *why, void *arg)
{
	(void)alive;
	(void)why;
	(void)arg;
}

static int end_of_pair(int *ret_other)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	*ret_other = pair[1];
	return pair[0];
}

static int setup(void **state)
{
	static const struct kernel_ops ops = {.name = "test", .change = change};
	static const struct handover_events events = {.begins = begins,
						      .ended = ended,
						      .idle = idle,
						      .gone = gone,
						      .is_greeting = is_greeting};
	struct fixture *f = calloc(1, sizeof(*f));
	struct handover_config cfg = {.timeout = 0, .dead_timeout = 77};
	int kmsg[2], other;

	f->kernel.ops = &ops;
	attachment_init(&f->at, "here");
	f->at.index = 7;
	f->at.mark = memfd_create("mark", MFD_CLOEXEC);
	assert_int_equal(write(f->at.mark, "1", 1), 1);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, kmsg), 0);
	f->at.kmsg = kmsg_new(kmsg[0], 7);
	f->log_fd = kmsg[1];
	f->env = (struct part_env){.loop = loop_new(), .kernel = &f->kernel, .at = &f->at};
	f->env.offload = offload_new(f->env.loop);
	/* One connection, whose server has closed. */
	f->links = links_new(f->env.loop, link_died, f);
	assert_int_equal(links_add(f->links, end_of_pair(&other)), 0);
	assert_int_equal(links_watch(f->links), 0);
	cfg.links = f->links;
	f->h = handover_new(&f->env, &cfg, &events, f);
	assert_non_null(f->h);
	close(other);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	assert_true(offload_free(f->env.offload));
	handover_free(f->h);
	links_free(f->links);
	loop_free(f->env.loop);
	attachment_close(&f->at);
	close(f->log_fd);
	free(f);
	return 0;
}

/* Makes a new socket ready and returns our end of it. */
static int add_socket(struct fixture *f)
{
	int other, fd = end_of_pair(&other);

	assert_true(handover_has_room(f->h));
	handover_add(f->h, fd);
	return other;
}

static bool is_closed(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static void bury_the_dead(struct fixture *f)
{
	loop_run_for(f->env.loop, 100);
	assert_int_equal(links_alive(f->links), 0);
}

static void test_taken(void **state)
{
	struct fixture *f = *state;
	struct state r = {.index = 0};
	int other;

	bury_the_dead(f);
	other = add_socket(f);
	f->takes = true;
	assert_int_equal(handover_ready(f->h), 1);
	handover_start(f->h);
	assert_int_equal(handover_ready(f->h), 0);
	assert_true(handover_is_handing_over(f->h));
	assert_int_equal(handover_under_way(f->h), 1);
	loop_run_until_stopped(f->env.loop);
	assert_false(handover_is_busy(f->h));
	assert_true(f->status_first);
	assert_int_equal(f->ended, 1);
	assert_int_equal(f->taken, 1);
	assert_false(f->declined);
	assert_int_equal(links_alive(f->links), 1);
	assert_int_equal(f->offered, 1);
	/* The timeouts are unchanged. */
	assert_false(f->last.set_timeout);
	assert_false(f->last.set_dead_timeout);
	assert_string_equal(f->last.identifier, "here");
	handover_report(f->h, &r);
	assert_int_equal(r.reconnects, 1);
	close(other);
}

static void test_declined(void **state)
{
	struct fixture *f = *state;
	int fd, other;

	bury_the_dead(f);
	fd = end_of_pair(&other);
	handover_add(f->h, fd);
	handover_start(f->h);
	loop_run_until_stopped(f->env.loop);
	assert_int_equal(f->ended, 1);
	assert_int_equal(f->taken, 0);
	assert_true(f->declined);
	assert_int_equal(links_alive(f->links), 0);
	/* The socket is not used again. */
	assert_true(is_closed(other));
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	close(other);
}

/* The number of connections is a guess: the driver has none for a socket that it does not need. */
static void test_declined_after_a_guess(void **state)
{
	struct fixture *f = *state;
	uint64_t begin = loop_now();
	int other;

	f->at.taken_over = true;
	f->at.guessed = true;
	bury_the_dead(f);
	while (loop_now() - begin < BELIEVED_MS) {
		other = add_socket(f);
		handover_start(f->h);
		loop_run_until_stopped(f->env.loop);
		assert_true(f->declined);
		close(other);
	}
	assert_true(f->ended > 3);
	assert_int_equal(links_alive(f->links), 0);
}

static int tcp_pair(int *ret_other)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(at);

	assert_int_equal(bind(listener, (void *)&at, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (void *)&at, &len), 0);
	assert_int_equal(connect(fd, (void *)&at, len), 0);
	*ret_other = accept(listener, NULL, NULL);
	assert_true(*ret_other >= 0);
	close(listener);
	return fd;
}

/* The driver says nothing, but it has sent a request: the server may be carrying it out. */
static void test_taken_unsaid(void **state)
{
	struct fixture *f = *state;
	int other;

	for (int sends = 0; sends < 2; sends++) {
		bury_the_dead(f);
		handover_add(f->h, tcp_pair(&other));
		f->sends = sends;
		handover_start(f->h);
		loop_run_until_stopped(f->env.loop);
		assert_int_equal(f->taken, 0);
		assert_true(f->declined);
		assert_int_equal(links_graves(f->links), sends);
		close(other);
	}
}

/* Whether the kernel has done what it was asked for is unknown. */
static void test_answer_lost(void **state)
{
	struct fixture *f = *state;
	int other;

	bury_the_dead(f);
	other = add_socket(f);
	f->refuses = EIO;
	handover_start(f->h);
	loop_run_until_stopped(f->env.loop);
	assert_int_equal(f->taken, 0);
	assert_true(links_graves(f->links));
	close(other);
}

/* The server has ended while the new connection waited. The next one is taken. */
static void test_ended_meanwhile(void **state)
{
	struct fixture *f = *state;
	int ended, other;

	bury_the_dead(f);
	f->takes = true;
	ended = add_socket(f);
	assert_int_equal(shutdown(ended, SHUT_WR), 0);
	other = add_socket(f);
	handover_start(f->h);
	loop_run_until_stopped(f->env.loop);
	assert_int_equal(f->offered, 1);
	assert_int_equal(f->taken, 1);
	assert_false(f->declined);
	assert_true(is_closed(ended));
	assert_int_equal(links_alive(f->links), 1);
	close(ended);
	close(other);
}

/* With several connections a socket is offered once, so its record is waited for. */
static void test_taken_late(void **state)
{
	struct fixture *f = *state;
	pthread_t late;
	int other;

	f->at.guessed = true;
	bury_the_dead(f);
	other = add_socket(f);
	assert_int_equal(pthread_create(&late, NULL, log_late, f), 0);
	handover_start(f->h);
	loop_run_until_stopped(f->env.loop);
	assert_int_equal(f->offered, 1);
	assert_int_equal(f->taken, 1);
	assert_false(f->declined);
	assert_int_equal(links_alive(f->links), 1);
	assert_int_equal(pthread_join(late, NULL), 0);
	close(other);
}

/* A device that another program has attached meanwhile is not touched. */
static void test_gone(void **state)
{
	struct fixture *f = *state;
	int other;

	bury_the_dead(f);
	other = add_socket(f);
	assert_int_equal(ftruncate(f->at.mark, 0), 0);
	handover_start(f->h);
	loop_run_until_stopped(f->env.loop);
	assert_int_equal(f->gone, 1);
	assert_int_equal(f->ended, 0);
	assert_int_equal(f->changed, 0);
	assert_true(is_closed(other));
	close(other);
}

/* Another program has disconnected the device while it is in use. */
static void test_check(void **state)
{
	struct fixture *f = *state;

	f->refuses = ENODEV;
	handover_check(f->h);
	loop_run_until_stopped(f->env.loop);
	assert_int_equal(f->gone, 1);
	assert_int_equal(f->last.fd, -1);
}

/* I/O fails; the next connection makes the kernel wait again. */
static void test_fails_io(void **state)
{
	struct fixture *f = *state;
	int other;

	bury_the_dead(f);
	handover_fail_io(f->h);
	assert_true(handover_fails_io(f->h));
	assert_true(handover_is_busy(f->h));
	assert_false(handover_is_handing_over(f->h));
	/* A second request during the job does not repeat it. */
	handover_fail_io(f->h);
	loop_run_until_stopped(f->env.loop);
	assert_int_equal(f->idle, 1);
	assert_true(f->last.set_dead_timeout);
	assert_int_equal(f->last.dead_timeout, 0);
	assert_int_equal(f->last.timeout, 1);

	other = add_socket(f);
	f->takes = true;
	handover_start(f->h);
	loop_run_until_stopped(f->env.loop);
	assert_int_equal(f->taken, 1);
	assert_true(f->last.set_dead_timeout);
	assert_int_equal(f->last.dead_timeout, 77);
	assert_false(handover_fails_io(f->h));
	close(other);
}

/* The kernel cannot be told to fail I/O, for want of a descriptor: it is told as soon as it can be.
 */
static void test_fails_io_late(void **state)
{
	struct fixture *f = *state;

	bury_the_dead(f);
	f->refuses = EMFILE;
	handover_fail_io(f->h);
	loop_run_until_stopped(f->env.loop);
	assert_int_equal(f->idle, 1);
	assert_true(handover_fails_io(f->h));
	f->refuses = 0;
	f->offered = 0;
	loop_run_until_stopped(f->env.loop);
	assert_int_equal(f->idle, 2);
	assert_true(f->offered > 0);
	assert_int_equal(f->last.timeout, 1);

	/* A detach has begun: nothing is tried again. */
	f->refuses = EMFILE;
	handover_fail_io(f->h);
	handover_stop(f->h);
	loop_run_until_stopped(f->env.loop);
	assert_int_equal(f->idle, 3);
	f->changed = 0;
	loop_run_for(f->env.loop, 1500);
	assert_int_equal(f->changed, 0);
}

/* Failing I/O early does not end the wait for an old connection: a server may still write. */
static void test_release(void **state)
{
	struct fixture *f = *state;

	bury_the_dead(f);
	links_inherit(f->links, true); /* it is unknown whether its server has finished */
	handover_fail_io(f->h);
	assert_true(links_unproved(f->links));
	handover_release(f->h);
	assert_false(links_unproved(f->links));
	loop_run_until_stopped(f->env.loop);
	assert_int_equal(f->idle, 1);
}

/* Two jobs at a time would lose sockets: the second one begins when the first is over. */
static void test_one_job(void **state)
{
	struct fixture *f = *state;
	int other;

	bury_the_dead(f);
	handover_fail_io(f->h);
	other = add_socket(f);
	f->takes = true;
	handover_start(f->h);
	assert_int_equal(f->begun, 0);
	assert_int_equal(handover_ready(f->h), 1);
	loop_run_until_stopped(f->env.loop);
	assert_int_equal(f->idle, 0); /* it continued with the hand-over by itself */
	assert_int_equal(f->ended, 1);
	assert_int_equal(f->taken, 1);
	close(other);
}

/* A detach begins: no more sockets are handed over. */
static void test_stopped(void **state)
{
	struct fixture *f = *state;
	int other;

	bury_the_dead(f);
	handover_fail_io(f->h);
	other = add_socket(f);
	handover_start(f->h);
	handover_stop(f->h);
	assert_true(is_closed(other));
	loop_run_until_stopped(f->env.loop);
	assert_int_equal(f->idle, 1);
	assert_int_equal(f->begun, 0);
	assert_int_equal(f->ended, 0);
	close(other);
}

static void test_kept(void **state)
{
	struct fixture *f = *state;
	int other[3];

	for (size_t i = 0; i < 3; i++)
		other[i] = add_socket(f);
	handover_keep(f->h, 1);
	assert_int_equal(handover_ready(f->h), 1);
	assert_false(is_closed(other[0]));
	assert_true(is_closed(other[1]));
	assert_true(is_closed(other[2]));
	for (size_t i = 0; i < 3; i++)
		close(other[i]);
}

/* A part that is left out. */
static void test_null(void **state)
{
	(void)state;
	handover_free(NULL);
	handover_stop(NULL);
	handover_keep(NULL, 0);
	handover_check(NULL);
	handover_fail_io(NULL);
	handover_release(NULL);
	handover_restore(NULL);
	assert_int_equal(handover_ready(NULL), 0);
	assert_int_equal(handover_under_way(NULL), 0);
	assert_false(handover_is_busy(NULL));
	assert_false(handover_fails_io(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_taken, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_declined, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_declined_after_a_guess, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_taken_unsaid, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_answer_lost, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_ended_meanwhile, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_taken_late, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_gone, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_check, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_fails_io, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_fails_io_late, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_release, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_one_job, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_stopped, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_kept, setup, teardown),
	    cmocka_unit_test(test_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
