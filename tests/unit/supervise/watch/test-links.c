/* SPDX-License-Identifier: MIT */
/* Long: a list of cases, each read by itself. */
/* supervise/watch/links.c and diag.c: the kernel's connections, with real sockets. */
#include "transport-fixture.h"

#include <linux/capability.h>
#include <linux/filter.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "supervise/watch/diag.h"
#include "supervise/watch/ended.h"
#include "supervise/watch/links.h"
#include "skip.h"

/* The arguments of the callback. */
static struct {
	unsigned called, alive;
	char why[128];
} died;

static struct loop *loop;
static struct links *links;

static void on_death(unsigned alive, const char *why, void *arg)
{
	assert_ptr_equal(arg, &died);
	died.called++;
	died.alive = alive;
	snprintf(died.why, sizeof(died.why), "%s", why);
}

static int setup(void **state)
{
	(void)state;
	memset(&died, 0, sizeof(died));
	loop = loop_new();
	links = links_new(loop, on_death, &died);
	return loop && links ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	links_free(links);
	loop_free(loop);
	return 0;
}

/* Runs the loop until that many deaths were reported, at most 5 s. */
static void await_deaths(unsigned n)
{
	for (int i = 0; i < 500 && died.called < n; i++)
		loop_run_for(loop, 10);
	assert_int_equal(died.called, n);
}

static void unix_pair(int *ret_ours, int *ret_theirs)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	*ret_ours = pair[0];
	*ret_theirs = pair[1];
}

/* Two ends of a TCP connection on the loopback interface, `from` a local address or NULL. */
static void tcp_pair_from(struct address *at, int listen_fd, const struct address *from,
			  int *ret_ours, int *ret_theirs)
{
	int one = 1, fd = socket(at->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
	if (from)
		assert_int_equal(bind(fd, (const void *)&from->sa, from->len), 0);
	assert_int_equal(connect(fd, (void *)&at->sa, at->len), 0);
	*ret_theirs = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(*ret_theirs >= 0);
	*ret_ours = fd;
}

static void tcp_pair(const char *host, int *ret_ours, int *ret_theirs)
{
	struct address at = literal_address(host, 0);
	int fd = listen_at(&at, 1);

	tcp_pair_from(&at, fd, NULL, ret_ours, ret_theirs);
	close(fd);
}

/* Closes so that the peer gets a RST. */
static void reset(int fd)
{
	const struct linger now = {.l_onoff = 1};

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	close(fd);
}

static void a_hang_up_is_told(void **state)
{
	int ours[3], theirs[3];
	size_t n;

	(void)state;
	unix_pair(&ours[0], &theirs[0]);
	tcp_pair("127.0.0.1", &ours[1], &theirs[1]);
	tcp_pair("::1", &ours[2], &theirs[2]);
	for (int i = 0; i < 3; i++)
		assert_int_equal(links_add(links, ours[i]), 0);
	assert_int_equal(links_wanted(links), 0);
	assert_int_equal(links_last_death(links), 0);
	assert_int_equal(links_watch(links), 0);
	assert_int_equal(links_wanted(links), 3);
	assert_int_equal(links_alive(links), 3);
	assert_memory_equal(links_fds(links, &n), ours, sizeof(ours));
	assert_int_equal(n, 3);

	/* The bytes belong to the kernel: they wake no process here and are not read. */
	assert_int_equal(write(theirs[0], "x", 1), 1);
	assert_int_equal(write(theirs[1], "x", 1), 1);
	loop_run_for(loop, 50);
	assert_int_equal(died.called, 0);

	close(theirs[1]);
	await_deaths(1);
	assert_int_equal(died.alive, 2);
	assert_string_equal(died.why, "the server closed the connection");
	assert_int_equal(links_wanted(links), 3);
	assert_in_range(links_last_death(links), loop_now() - 5000, loop_now());
	assert_int_equal(links_fds(links, &n)[0], ours[0]);
	assert_int_equal(links_fds(links, &n)[1], ours[2]);
	assert_int_equal(n, 2);
	assert_int_equal(fcntl(ours[1], F_GETFD), -1);

	reset(theirs[2]);
	await_deaths(2);
	assert_int_equal(died.alive, 1);
	assert_string_equal(died.why, strerror(ECONNRESET));
	close(theirs[0]);
	await_deaths(3);
	assert_int_equal(died.alive, 0);
	assert_true(links_settled(links, loop_now())); /* we have cut none */
}

/* The server may still carry out the request. */
static void a_reset_after_our_fin_takes_the_settling_time(void **state)
{
	uint64_t now;
	int ours, theirs, driver;

	(void)state;
	tcp_pair("127.0.0.1", &ours, &theirs);
	driver = fcntl(ours, F_DUPFD_CLOEXEC, 3);
	assert_int_equal(links_add(links, ours), 0);
	assert_int_equal(links_watch(links), 0);
	assert_int_equal(write(driver, "request", 7), 7);
	assert_int_equal(shutdown(driver, SHUT_RDWR), 0);
	assert_int_equal(send(theirs, "reply", 5, MSG_NOSIGNAL), 5);
	usleep(20000);
	await_deaths(1);
	assert_string_equal(died.why, strerror(ECONNRESET));
	now = loop_now();
	assert_false(links_settled(links, now));
	assert_true(links_settled(links, now + ENDED_SETTLE_MS));
	assert_int_equal(links_given_up(links), 1);
	close(driver);
	close(theirs);
}

/* A peer that shuts down only its sending side counts as dead: no reply will come. */
static void half_a_hang_up_is_one(void **state)
{
	int ours, theirs;

	(void)state;
	tcp_pair("127.0.0.1", &ours, &theirs);
	assert_int_equal(links_add(links, ours), 0);
	assert_int_equal(links_watch(links), 0);
	shutdown(theirs, SHUT_WR);
	await_deaths(1);
	/* The driver may be blocked in a send on its own reference, so ours was shut down. */
	assert_int_equal(recv(theirs, &(char){0}, 1, 0), 0);
	close(theirs);
}

static void a_peer_that_left_before_is_found(void **state)
{
	int ours, theirs;

	(void)state;
	unix_pair(&ours, &theirs);
	assert_int_equal(links_add(links, ours), 0);
	close(theirs);
	loop_run_for(loop, 20);
	assert_int_equal(died.called, 0);
	assert_int_equal(links_watch(links), 0);
	await_deaths(1);
}

static void a_replacement_is_watched_at_once(void **state)
{
	int ours, theirs, ours2, theirs2;

	(void)state;
	unix_pair(&ours, &theirs);
	assert_int_equal(links_add(links, ours), 0);
	assert_int_equal(links_watch(links), 0);
	close(theirs);
	await_deaths(1);
	unix_pair(&ours2, &theirs2);
	assert_int_equal(links_add(links, ours2), 0);
	assert_int_equal(links_alive(links), 1);
	assert_int_equal(links_wanted(links), 1);
	close(theirs2);
	await_deaths(2);
	assert_int_equal(died.alive, 0);
	assert_int_equal(links_wanted(links), 1);
}

static void there_is_room_for_sixteen(void **state)
{
	int ours[LINKS_MAX + 1], theirs[LINKS_MAX + 1];
	const struct diag_socket none = {.inode = 1};

	(void)state;
	for (int i = 0; i <= LINKS_MAX; i++) {
		unix_pair(&ours[i], &theirs[i]);
		assert_int_equal(links_add(links, ours[i]), i < LINKS_MAX ? 0 : -ENOSPC);
	}
	assert_int_equal(fcntl(ours[LINKS_MAX], F_GETFD), FD_CLOEXEC); /* still ours */
	assert_int_equal(links_add_foreign(links, &none), -ENOSPC);
	close(ours[LINKS_MAX]);
	assert_int_equal(links_watch(links), 0);
	links_shutdown(links);
	for (int i = 0; i < LINKS_MAX; i++) {
		assert_int_equal(recv(theirs[i], &(char){0}, 1, 0), 0);
		close(theirs[i]);
	}
	close(theirs[LINKS_MAX]);
	await_deaths(LINKS_MAX);
	links_clear(links);
	assert_int_equal(links_wanted(links), 0);
}

static void clearing_closes_all(void **state)
{
	unsigned before = open_descriptors();
	int ours, theirs;

	(void)state;
	for (int i = 0; i < 2; i++) {
		tcp_pair("127.0.0.1", &ours, &theirs);
		assert_int_equal(links_add(links, ours), 0);
		if (i == 1)
			assert_int_equal(links_watch(links), 0);
		links_clear(links);
		assert_int_equal(links_alive(links), 0);
		assert_int_equal(recv(theirs, &(char){0}, 1, 0), 0);
		close(theirs);
	}
	assert_int_equal(open_descriptors(), before);
}

static void facts_come_from_tcp(void **state)
{
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);
	int ours[2], theirs[2];
	struct link_facts f;
	char in[1000];

	(void)state;
	tcp_pair("127.0.0.1", &ours[0], &theirs[0]);
	unix_pair(&ours[1], &theirs[1]);
	assert_int_equal(links_add(links, ours[0]), 0);
	assert_int_equal(links_add(links, ours[1]), 0);
	memset(in, 0, sizeof(in));
	assert_int_equal(write(ours[0], in, 1000), 1000);
	assert_int_equal(write(theirs[0], in, 10), 10);
	assert_int_equal(recv(theirs[0], in, 1000, MSG_WAITALL), 1000);
	for (int i = 0; i < 500; i++) {
		links_facts(links, 0, &f);
		if (f.sent >= 1000)
			break;
		usleep(10000); /* time for the acknowledgement */
	}
	assert_in_range(f.sent, 1000, 1001); /* the SYN is counted by some kernels */
	assert_int_equal(f.received, 10);
	assert_int_equal(f.retransmits, 0);
	assert_int_not_equal(f.id.inode, 0);
	assert_int_equal(getsockname(ours[0], (void *)&sin, &len), 0);
	assert_memory_equal(&f.id.local, &sin, sizeof(sin));

	links_facts(links, 1, &f);
	assert_int_not_equal(f.id.inode, 0);
	assert_int_equal(f.id.local.ss_family, 0);
	assert_int_equal(f.sent + f.received + f.rtt_us, 0);
	close(theirs[0]);
	close(theirs[1]);
}

/* If no acknowledgement is due, the connection is never cut. */
static void a_sample_cuts_no_live_peer(void **state)
{
	static char much[4 << 20];
	int ours[2], theirs[2];

	(void)state;
	tcp_pair("127.0.0.1", &ours[0], &theirs[0]);
	unix_pair(&ours[1], &theirs[1]);
	assert_int_equal(links_add(links, ours[0]), 0);
	assert_int_equal(links_add(links, ours[1]), 0);
	assert_int_equal(links_watch(links), 0);
	assert_false(links_sample(links, loop_now(), 100));
	assert_false(links_sample(links, loop_now() + 3600000, 100));

	/* A server that does not read: its window closes, and its host answers the probes. */
	assert_true(send(ours[0], much, sizeof(much), MSG_DONTWAIT) > 0);
	for (int i = 0; i < 30; i++) {
		loop_run_for(loop, 50);
		links_sample(links, loop_now(), 1000);
	}
	assert_int_equal(died.called, 0);
	assert_int_equal(links_alive(links), 2);

	/* The poll reports hang-ups. */
	close(theirs[0]);
	close(theirs[1]);
	links_sample(links, loop_now(), 1000);
	assert_int_equal(died.called, 0);
	await_deaths(2);
}

/* --- sock_diag ---------------------------------------------------------------------------- */

static struct diag_socket describe(int fd)
{
	struct diag_socket s;

	assert_int_equal(diag_describe(fd, &s), 0);
	assert_int_not_equal(s.inode, 0);
	return s;
}

/* Waits until the answer is `want`: a FIN needs some time through the loopback interface. */
static void await_answer(const struct diag_socket *s, enum diag_answer want)
{
	struct tcp_info info;
	enum diag_answer answer = DIAG_UNKNOWN;

	for (int i = 0; i < 500; i++) {
		answer = diag_ask(s, &info);
		if (answer == want)
			return;
		usleep(10000);
	}
	assert_int_equal(answer, want);
}

static void diag_tcp(const char *host)
{
	struct tcp_info info;
	struct diag_socket s;
	int ours, theirs;

	/* The peer closes; the peer resets; we close. */
	for (int way = 0; way < 3; way++) {
		tcp_pair(host, &ours, &theirs);
		s = describe(ours);
		assert_int_equal(diag_ask(&s, &info), DIAG_ALIVE);
		assert_int_equal(info.tcpi_state, 1);
		assert_int_not_equal(info.tcpi_rto, 0);
		if (way == 0)
			close(theirs);
		else if (way == 1)
			reset(theirs);
		else
			close(ours);
		await_answer(&s, way == 0 ? DIAG_DEAD : way == 1 ? DIAG_GONE : DIAG_SHUT);
		close(way < 2 ? ours : theirs);
	}
}

static void diag_knows_tcp(void **state)
{
	(void)state;
	diag_tcp("127.0.0.1");
	diag_tcp("::1");
}

static void diag_knows_unix(void **state)
{
	struct tcp_info info;
	struct diag_socket s;
	int ours, theirs;

	(void)state;
	unix_pair(&ours, &theirs);
	s = describe(ours);
	assert_int_equal(s.local.ss_family, 0);
	assert_int_equal(diag_ask(&s, &info), DIAG_ALIVE);
	assert_int_equal(info.tcpi_state, 0);
	close(theirs);
	await_answer(&s, DIAG_DEAD);
	close(ours);
	await_answer(&s, DIAG_GONE);
	unix_pair(&ours, &theirs);
	s = describe(ours);
	assert_int_equal(shutdown(ours, SHUT_RDWR), 0);
	await_answer(&s, DIAG_SHUT);
	close(theirs);
	await_answer(&s, DIAG_DEAD); /* its peer has read everything and closed */
	close(ours);
}

static void diag_describes_connections_only(void **state)
{
	struct diag_socket s = {.inode = 7};
	struct address at = literal_address("127.0.0.1", 0);
	int fd = listen_at(&at, 1);

	(void)state;
	assert_int_equal(diag_describe(fd, &s), -ENOTCONN);
	assert_int_equal(diag_describe(-1, &s), -EBADF);
	assert_int_equal(s.inode, 7);
	close(fd);
}

static uint16_t port_of(const struct sockaddr_storage *sa)
{
	return ntohs(((const struct sockaddr_in *)(const void *)sa)->sin_port);
}

/* Another connection may use the addresses of one that has ended. */
static void diag_tells_a_successor_from_the_one_before(void **state)
{
	struct address at = literal_address("127.0.0.1", 0), from;
	int listen_fd = listen_at(&at, 4), ours, theirs;
	struct diag_socket before, after;
	struct tcp_info info;

	(void)state;
	tcp_pair_from(&at, listen_fd, NULL, &ours, &theirs);
	before = describe(ours);
	reset(theirs);
	await_answer(&before, DIAG_GONE);
	close(ours);
	from = literal_address("127.0.0.1", port_of(&before.local));
	tcp_pair_from(&at, listen_fd, &from, &ours, &theirs);
	after = describe(ours);
	assert_memory_equal(&before.local, &after.local, sizeof(before.local));
	assert_int_equal(diag_ask(&after, &info), DIAG_ALIVE);
	assert_int_equal(diag_ask(&before, &info), DIAG_GONE);
	close(ours);
	close(theirs);
	close(listen_fd);
}

/* Ends it on both sides; without privilege or kernel support it reports that. */
/* Compares with ss(8), an independent program, for this kernel and user. */
static bool sockets_can_be_destroyed(void)
{
	struct sockaddr_in sa;
	socklen_t len = sizeof(sa);
	char command[100];
	int ours, theirs;
	bool can;

	tcp_pair("127.0.0.1", &ours, &theirs);
	assert_int_equal(getsockname(ours, (void *)&sa, &len), 0);
	snprintf(command, sizeof(command), "ss -Kt src 127.0.0.1:%u >/dev/null 2>&1",
		 ntohs(sa.sin_port));
	can = system(command) == 0 && recv(theirs, &(char){0}, 1, MSG_DONTWAIT) < 0 &&
	      errno == ECONNRESET;
	close(ours);
	close(theirs);
	return can;
}

static void diag_destroys_tcp_only(void **state)
{
	struct diag_socket s;
	int ours, theirs;

	(void)state;
	if (!sockets_can_be_destroyed())
		skip_because("sockets cannot be destroyed here");
	tcp_pair("127.0.0.1", &ours, &theirs);
	s = describe(ours);
	assert_true(diag_destroy(&s));
	assert_int_equal(recv(theirs, &(char){0}, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	assert_false(diag_destroy(&s)); /* the connection no longer exists */
	close(ours);
	close(theirs);
	unix_pair(&ours, &theirs);
	s = describe(ours);
	assert_false(diag_destroy(&s));
	assert_int_equal(write(ours, "x", 1), 1);
	close(ours);
	close(theirs);
}

/* --- connections that only the kernel has ------------------------------------------------ */

static void foreign_links_are_asked_for(void **state)
{
	int ours[3], theirs[3];
	struct diag_socket id;
	struct link_facts f;
	size_t n;

	(void)state;
	tcp_pair("127.0.0.1", &ours[0], &theirs[0]);
	unix_pair(&ours[1], &theirs[1]);
	tcp_pair("::1", &ours[2], &theirs[2]);
	for (int i = 0; i < 3; i++) {
		id = describe(ours[i]);
		assert_int_equal(links_add_foreign(links, &id), 0);
	}
	links_expect(links, 4);
	assert_int_equal(links_wanted(links), 4);
	assert_int_equal(links_alive(links), 3);
	assert_int_equal(links_fds(links, &n)[0], -1);
	assert_false(links_sample(links, loop_now(), 1000));
	links_kernel_says_dead(links); /* none of these: it was one that was known to be dead */
	assert_int_equal(died.called, 0);
	links_facts(links, 0, &f);
	assert_int_equal(f.id.inode, describe(ours[0]).inode);

	close(theirs[0]);
	id = describe(ours[0]);
	await_answer(&id, DIAG_DEAD);
	links_sample(links, loop_now(), 1000);
	assert_int_equal(died.called, 1);
	assert_int_equal(died.alive, 2);
	assert_string_equal(died.why, "the connection has ended");

	close(theirs[1]);
	id.local.ss_family = 0;
	links_kernel_says_dead(links);
	assert_int_equal(died.called, 2);
	assert_int_equal(died.alive, 1);

	/* We have a descriptor of a replacement, so the poll reports its end. */
	unix_pair(&ours[1], &theirs[1]);
	assert_int_equal(links_add(links, ours[1]), 0);
	close(theirs[1]);
	await_deaths(3);
	assert_int_equal(died.alive, 1);
	close(theirs[2]);
	close(ours[0]);
	close(ours[2]);
}

/* An unknown connection counts as dead if the kernel reports a death and no other one has died. */
static void unknown_links_are_the_kernels_word(void **state)
{
	struct diag_socket id;
	int ours, theirs;
	struct link_facts f;

	(void)state;
	tcp_pair("127.0.0.1", &ours, &theirs);
	id = describe(ours);
	assert_int_equal(links_add_foreign(links, NULL), 0);
	assert_int_equal(links_add_foreign(links, &id), 0);
	assert_int_equal(links_add_foreign(links, NULL), 0);
	links_expect(links, 2); /* never fewer than are alive */
	assert_int_equal(links_wanted(links), 3);
	assert_false(links_sample(links, loop_now(), 1000));
	links_facts(links, 0, &f);
	assert_int_equal(f.id.inode, 0);

	close(theirs);
	await_answer(&id, DIAG_DEAD);
	links_kernel_says_dead(links);
	assert_int_equal(died.called, 1);
	assert_int_equal(died.alive, 2);
	links_shutdown(links); /* unknown connections cannot be ended */
	links_kernel_says_dead(links);
	assert_int_equal(died.called, 2);
	assert_int_equal(died.alive, 1);
	links_kernel_says_dead(links);
	links_kernel_says_dead(links);
	assert_int_equal(died.called, 3);
	assert_int_equal(died.alive, 0);
	close(ours);
}

/*
 * If one death is reported twice, a live connection is taken for dead until the kernel knows of no
 * dead one.
 */
static void the_kernel_says_that_all_live(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(links_add_foreign(links, NULL), 0);
	links_expect(links, 4);
	assert_int_equal(links_blind(links), 3);
	links_kernel_says_dead(links);
	assert_int_equal(links_alive(links), 2);
	links_kernel_says_alive(links);
	assert_int_equal(links_alive(links), 4);
	assert_int_equal(links_blind(links), 4);
	links_kernel_says_alive(links);
	assert_int_equal(links_alive(links), 4);
}

/* The probe's own socket dies, and the kernel reports that before the answer or after it. */
static void a_probe_counts_one_death_once(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(links_add_foreign(links, NULL), 0);
	links_expect(links, 3);
	links_probe_begins(links);
	links_probe_ends(links, false);
	assert_int_equal(links_alive(links), 3);
	links_probe_begins(links);
	links_probe_ends(links, true);
	assert_int_equal(links_alive(links), 2);
	links_kernel_says_dead(links);
	assert_int_equal(links_alive(links), 2);
	/* The same one is found again, and the end of the probe's socket is reported again. */
	links_probe_begins(links);
	links_kernel_says_dead(links);
	assert_int_equal(links_alive(links), 2);
	links_probe_ends(links, true);
	assert_int_equal(links_alive(links), 2);
	/* Another one dies during a probe that finds none dead. */
	links_probe_begins(links);
	links_kernel_says_dead(links);
	links_probe_ends(links, false);
	assert_int_equal(links_alive(links), 1);
	links_kernel_says_dead(links);
	assert_int_equal(links_alive(links), 0);
}

/* After a takeover: the death of a new connection does not count for another one. */
static void a_known_death_counts_for_no_other(void **state)
{
	int ours, theirs;

	(void)state;
	assert_int_equal(links_add_foreign(links, NULL), 0);
	links_expect(links, 2);
	unix_pair(&ours, &theirs);
	assert_int_equal(links_add(links, ours), 0);
	close(theirs);
	await_deaths(1);
	links_kernel_says_dead(links);
	assert_int_equal(links_alive(links), 1);
	/* The kernel may report it first. */
	unix_pair(&ours, &theirs);
	assert_int_equal(links_add(links, ours), 0);
	close(theirs);
	links_kernel_says_dead(links);
	await_deaths(2);
	assert_int_equal(links_alive(links), 1);
	links_kernel_says_dead(links);
	assert_int_equal(links_alive(links), 0);
}

/* The former supervisor died before the end of its hand-over. */
static void the_kernel_insists_that_all_live(void **state)
{
	int ours, theirs;

	(void)state;
	assert_int_equal(links_add_foreign(links, NULL), 0);
	links_expect(links, 2);
	links_kernel_says_dead(links);
	assert_int_equal(links_alive(links), 0);
	unix_pair(&ours, &theirs);
	assert_int_equal(links_add(links, ours), 0);
	links_kernel_insists(links, loop_now()); /* it may not have noticed yet */
	assert_int_equal(links_alive(links), 1);
	links_kernel_insists(links, loop_now() + 2000);
	assert_int_equal(links_alive(links), 2);
	assert_int_equal(links_blind(links), 1);
	close(theirs);
}

static void a_death_that_was_seen_stays_one(void **state)
{
	struct diag_socket id;
	int ours, theirs;

	(void)state;
	tcp_pair("127.0.0.1", &ours, &theirs);
	id = describe(ours);
	assert_int_equal(links_add_foreign(links, &id), 0);
	links_expect(links, 1);
	close(theirs);
	await_answer(&id, DIAG_DEAD);
	links_kernel_says_dead(links);
	assert_int_equal(links_alive(links), 0);
	links_kernel_says_alive(links); /* it has not noticed yet */
	assert_int_equal(links_alive(links), 0);
	close(ours);
}

/*
 * --- connections that we have cut ---------------------------------------------------------------
 */

/* A peer that is dead for TCP: its socket drops every packet. */
static void deafen(int fd)
{
	struct sock_filter nothing = {.code = BPF_RET | BPF_K, .k = 0};
	const struct sock_fprog program = {.len = 1, .filter = &nothing};
	int ret = setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));

	if (ret < 0 && errno == EPERM && geteuid() != 0)
		skip_because("a user may not filter what a socket gets here");
	assert_int_equal(ret, 0);
}

static void hear(int fd)
{
	int unused = 0;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused)), 0);
}

/* Drops or restores the effective capability that SOCK_DESTROY needs. */
static void without_net_admin(bool without)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	assert_int_equal(syscall(SYS_capget, &header, data), 0);
	if (without)
		data[0].effective &= ~(1U << CAP_NET_ADMIN);
	else
		data[0].effective |= data[0].permitted & 1U << CAP_NET_ADMIN;
	assert_int_equal(syscall(SYS_capset, &header, data), 0);
}

/* A connection with data in flight to a peer that drops everything, sampled until it is cut. */
static int cut_one(int *ret_theirs)
{
	int ours, copy;
	uint64_t start = loop_now();

	tcp_pair("127.0.0.1", &ours, ret_theirs);
	copy = fcntl(ours, F_DUPFD_CLOEXEC, 3); /* the driver's reference */
	assert_int_equal(links_add(links, ours), 0);
	assert_int_equal(links_watch(links), 0);
	deafen(*ret_theirs);
	assert_int_equal(write(ours, "lost", 4), 4);
	while (died.called == 0 && loop_now() - start < 10000) {
		bool silent = links_sample(links, loop_now(), 1000);

		assert_true(silent || died.called || loop_now() - start < 100);
		loop_run_for(loop, 50);
	}
	assert_int_equal(died.called, 1);
	assert_in_range(loop_now() - start, 990, 5000);
	assert_string_equal(died.why, "the server's host has acknowledged nothing for 1 s");
	assert_int_equal(links_alive(links), 0);
	assert_true(links_graves(links));
	return copy;
}

/* The peer may still carry out its requests, even when it closes: only time settles that. */
static void a_mute_peer_is_cut_and_settles_in_time(void **state)
{
	struct pollfd p;
	int copy, theirs;
	uint64_t asked;

	(void)state;
	copy = cut_one(&theirs);
	/* For the driver the connection has ended, whatever the peer does. */
	assert_int_equal(recv(copy, &(char){0}, 1, 0), 0);
	asked = loop_now();
	assert_false(links_settled(links, asked));
	assert_false(links_settled(links, asked + 1999));

	/* The peer is back, reads the data, answers, gets a reset from our TCP, and closes. */
	hear(theirs);
	p = (struct pollfd){.fd = theirs, .events = POLLRDHUP};
	assert_int_equal(poll(&p, 1, 10000), 1);
	assert_int_equal(write(theirs, "late", 4), 4);
	close(theirs);
	usleep(20000);
	assert_false(links_settled(links, asked + 1999));
	assert_true(links_unclean(links));
	assert_true(links_settled(links, asked + 2000));
	assert_int_equal(links_given_up(links), 1);
	assert_int_equal(links_given_up(links), 0);
	assert_false(links_graves(links));
	close(copy);
}

/* A peer that accepted and never closes delays I/O by at most 2 s. */
static void settling_is_bounded(void **state)
{
	int copy, theirs;
	uint64_t asked;
	char in[8];

	(void)state;
	copy = cut_one(&theirs);
	hear(theirs);
	/* The bound begins with the first question, not with the cut. */
	asked = loop_now() + 60000;
	assert_false(links_settled(links, asked));
	assert_false(links_settled(links, asked + 1999));
	assert_true(links_graves(links));
	assert_true(links_settled(links, asked + 2000));
	assert_false(links_graves(links));
	/* It was reset: no more data of it will arrive. */
	for (int i = 0; i < 500 && recv(theirs, in, sizeof(in), MSG_DONTWAIT) != -1; i++)
		usleep(10000);
	close(theirs);
	close(copy);
}

/* Ends the connections of an idle device; the server has read the end when this returns. */
static void renew(int theirs[], int n)
{
	assert_true(links_may_end(links));
	links_remember(links);
	links_renew(links, 2000, "for a test");
	links_seen_idle(links);
	assert_int_equal(died.called, 1);
	assert_int_equal(died.alive, 0);
	assert_string_equal(died.why, "for a test");
	for (int i = 0; i < n; i++)
		assert_int_equal(recv(theirs[i], &(char){0}, 1, 0), 0);
}

static void renewed_links_settle_when_the_server_closes(void **state)
{
	uint64_t asked = loop_now(), renewed;
	int ours, theirs[2];

	(void)state;
	unix_pair(&ours, &theirs[0]);
	assert_int_equal(links_add(links, ours), 0);
	tcp_pair("127.0.0.1", &ours, &theirs[1]);
	assert_int_equal(links_add(links, ours), 0);
	assert_int_equal(links_watch(links), 0);
	renew(theirs, 2);
	assert_false(links_unclean(links));
	renewed = links_last_death(links);
	usleep(20000);
	for (int i = 0; i < 2; i++) {
		assert_false(links_settled(links, asked));
		assert_false(links_settled(links, asked + 1999));
		close(theirs[i]);
	}
	for (int i = 0; i < 500 && !links_settled(links, asked + 1); i++)
		usleep(10000);
	assert_true(links_settled(links, asked + 1));
	assert_int_equal(links_given_up(links), 0);
	/* The driver notices the end when the server closes, and needs a moment from then on. */
	assert_true(links_last_death(links) > renewed);
}

/*
 * A server that held no request has nothing to carry out: I/O does not fail because of its slow
 * close.
 */
static void a_server_that_held_nothing_may_stay_open(void **state)
{
	uint64_t asked = loop_now();
	int ours, copy, theirs[2];

	(void)state;
	unix_pair(&ours, &theirs[0]);
	copy = fcntl(ours, F_DUPFD_CLOEXEC, 3);
	assert_int_equal(links_add(links, ours), 0);
	tcp_pair("127.0.0.1", &ours, &theirs[1]);
	assert_int_equal(links_add(links, ours), 0);
	assert_int_equal(links_watch(links), 0);
	renew(theirs, 2);
	assert_false(links_settled(links, asked));
	assert_false(links_settled(links, asked + 1999));
	assert_true(links_settled(links, asked + 2000));
	assert_int_equal(links_given_up(links), 0);
	/* The driver has found the end. */
	assert_int_equal(recv(copy, &(char){0}, 1, MSG_DONTWAIT), 0);
	close(copy);
	close(theirs[0]);
	close(theirs[1]);
}

/* A request slipped in: then only a proof ends the wait. */
static void a_server_that_held_something_is_waited_for(void **state)
{
	char reply[8] = "";
	int ours, theirs, copy;

	(void)state;
	tcp_pair("127.0.0.1", &ours, &theirs);
	copy = fcntl(ours, F_DUPFD_CLOEXEC, 3);
	assert_int_equal(links_add(links, ours), 0);
	assert_int_equal(links_watch(links), 0);
	links_remember(links);
	assert_int_equal(write(copy, "request", 7), 7);
	links_renew(links, 2000, "for a test");
	assert_true(links_unclean(links));
	assert_true(links_unproved(links));
	/* Its reply still reaches the driver. */
	assert_int_equal(send(theirs, "reply", 5, MSG_NOSIGNAL), 5);
	assert_int_equal(recv(copy, reply, 5, MSG_WAITALL), 5);
	assert_string_equal(reply, "reply");
	close(theirs); /* like qemu-nbd, while its requests still run */
	usleep(20000);
	assert_false(links_settled(links, loop_now()));
	assert_false(links_settled(links, loop_now() + 600000));
	assert_true(links_unproved(links));
	close(copy);
}

static void renewing_is_for_links_with_a_descriptor(void **state)
{
	int ours, theirs;

	(void)state;
	unix_pair(&ours, &theirs);
	assert_int_equal(links_add(links, ours), 0);
	assert_int_equal(links_add_foreign(links, NULL), 0);
	links_expect(links, 2);
	assert_false(links_may_end(links));
	close(theirs);
}

static void after_io_has_failed_time_settles(void **state)
{
	uint64_t asked;
	int ours, theirs;

	(void)state;
	unix_pair(&ours, &theirs);
	assert_int_equal(links_add(links, ours), 0);
	assert_int_equal(links_watch(links), 0);
	links_remember(links);
	links_renew(links, 2000, "for a test"); /* no check that finds the device idle follows */
	assert_false(links_settled(links, loop_now() + 600000));
	links_release(links);
	asked = loop_now();
	assert_false(links_settled(links, asked + 1900));
	assert_true(links_settled(links, asked + 2000));
	close(theirs);
}

/* The successor of a dead supervisor waits for its unsettled connections. */
static void an_inherited_end_takes_its_time(void **state)
{
	uint64_t asked = loop_now() + 60000;

	(void)state;
	links_inherit(links, false);
	assert_true(links_unclean(links));
	assert_false(links_unproved(links));
	assert_false(links_settled(links, asked));
	assert_false(links_settled(links, asked + 1999));
	assert_true(links_settled(links, asked + 2000));
	assert_int_equal(links_given_up(links), 1);
}

/*
 * If only a proof settles a connection, the wait lasts until I/O has failed, also after a takeover.
 */
static void an_inherited_end_that_is_unproved_stays(void **state)
{
	uint64_t asked = loop_now();

	(void)state;
	links_inherit(links, true);
	assert_true(links_unproved(links));
	assert_false(links_settled(links, asked));
	assert_false(links_settled(links, asked + 600000));
	links_release(links);
	assert_true(links_settled(links, loop_now() + 2000));
}

/* However long it takes, only the server's end begins the settling time. Closes `theirs`. */
static void settles_after_the_server(int theirs)
{
	uint64_t asked = loop_now();

	assert_false(links_settled(links, asked));
	assert_false(links_settled(links, asked + 600000));
	close(theirs);
	usleep(20000);
	asked += 600000;
	assert_false(links_settled(links, asked)); /* it may not have carried them out yet */
	assert_true(links_settled(links, asked + 2000));
}

/* The driver shuts a connection down (a reply that it did not understand), and the server lives. */
static void the_end_of_the_driver_is_not_the_servers(void **state)
{
	int ours, theirs, copy;

	(void)state;
	tcp_pair("127.0.0.1", &ours, &theirs);
	copy = fcntl(ours, F_DUPFD_CLOEXEC, 3);
	assert_int_equal(links_add(links, ours), 0);
	assert_int_equal(links_watch(links), 0);
	assert_int_equal(shutdown(copy, SHUT_RDWR), 0);
	await_deaths(1);
	assert_string_equal(died.why, "the driver has ended the connection");
	settles_after_the_server(theirs);
	close(copy);
}

/* The same where only the kernel has the connection, over TCP and over a Unix socket. */
static void so_it_is_without_a_descriptor(void **state)
{
	struct diag_socket id;
	int ours, theirs;

	(void)state;
	for (int tcp = 0; tcp < 2; tcp++) {
		tcp ? tcp_pair("127.0.0.1", &ours, &theirs) : unix_pair(&ours, &theirs);
		id = describe(ours);
		assert_int_equal(links_add_foreign(links, &id), 0);
		links_expect(links, 1);
		died.called = 0;
		assert_int_equal(shutdown(ours, SHUT_RDWR), 0);
		links_sample(links, loop_now(), 10000);
		assert_int_equal(died.called, 1);
		assert_string_equal(died.why, "the driver has ended the connection");
		assert_true(links_unproved(links));
		settles_after_the_server(theirs);
		assert_int_equal(links_given_up(links), 1);
		close(ours);
	}
}

/* Nothing shows which side was first. */
static void an_end_that_nobody_saw_takes_its_time(void **state)
{
	struct diag_socket id;
	int ours, theirs;
	uint64_t asked = loop_now();

	(void)state;
	tcp_pair("127.0.0.1", &ours, &theirs);
	id = describe(ours);
	assert_int_equal(links_add_foreign(links, &id), 0);
	assert_int_equal(links_add_foreign(links, NULL), 0);
	links_expect(links, 2);
	reset(theirs);
	await_answer(&id, DIAG_GONE);
	for (int known = 1; known >= 0; known--) {
		links_kernel_says_dead(links);
		assert_int_equal(died.called, 2U - (unsigned)known);
		assert_false(links_unproved(links));
		assert_false(links_settled(links, asked));
		assert_false(links_settled(links, asked + 1999));
		assert_true(links_settled(links, asked + 2000));
		assert_int_equal(links_given_up(links), 1);
	}
	/* A connection that lives after all has nothing to settle. */
	assert_int_equal(links_add_foreign(links, NULL), 0);
	links_expect(links, 1);
	links_kernel_says_dead(links);
	assert_false(links_settled(links, asked));
	links_kernel_says_alive(links);
	assert_true(links_settled(links, asked));
	close(ours);
}

/* If the user lets the driver cut a live server, this wait has a limit, too. */
static void the_end_of_the_driver_can_be_limited(void **state)
{
	int ours, theirs, copy;
	uint64_t asked;

	(void)state;
	links_driver_may_cut(links);
	tcp_pair("127.0.0.1", &ours, &theirs);
	copy = fcntl(ours, F_DUPFD_CLOEXEC, 3);
	assert_int_equal(links_add(links, ours), 0);
	assert_int_equal(links_watch(links), 0);
	assert_int_equal(shutdown(copy, SHUT_RDWR), 0);
	await_deaths(1);
	asked = loop_now();
	assert_false(links_settled(links, asked));
	assert_false(links_settled(links, asked + 1999));
	assert_true(links_settled(links, asked + 2000));
	close(theirs);
	close(copy);
}

static void assert_health(int fd, enum links_health health)
{
	uint64_t inode = 0;

	assert_int_equal(links_examine(fd, &inode), health);
	assert_true((inode != 0) == (health != LINKS_NO_SOCKET));
}

/* The state of sockets that nobody has watched until now. */
static void sockets_are_examined(void **state)
{
	int ours, theirs;

	(void)state;
	assert_health(STDIN_FILENO, LINKS_NO_SOCKET);
	assert_health(-1, LINKS_NO_SOCKET);
	for (int tcp = 0; tcp < 2; tcp++) {
		tcp ? tcp_pair("127.0.0.1", &ours, &theirs) : unix_pair(&ours, &theirs);
		assert_health(ours, LINKS_LIVES);
		assert_int_equal(shutdown(ours, SHUT_WR), 0);
		assert_health(ours, LINKS_ENDED_HERE);
		close(theirs);
		usleep(20000);
		/* Neither TCP nor a Unix socket remembers which side was first. */
		assert_health(ours, LINKS_CLOSED);
		close(ours);

		tcp ? tcp_pair("::1", &ours, &theirs) : unix_pair(&ours, &theirs);
		close(theirs);
		usleep(20000);
		assert_health(ours, tcp ? LINKS_ENDED_BY_SERVER : LINKS_CLOSED);
		close(ours);
	}
	tcp_pair("127.0.0.1", &ours, &theirs);
	reset(theirs);
	usleep(20000);
	assert_health(ours, LINKS_CLOSED);
	close(ours);
}

/* Those of a device that was taken over, with their descriptors: watched as one's own. */
static void given_ones_are_watched(void **state)
{
	int ours[2], theirs[2], fds[2 * LINKS_MAX];

	(void)state;
	for (int i = 0; i < 2; i++) {
		tcp_pair("127.0.0.1", &ours[i], &theirs[i]);
		assert_int_equal(links_add_given(links, ours[i]), 0);
	}
	links_expect(links, 2);
	assert_int_equal(links_blind(links), 0);
	assert_true(links_may_end(links));
	assert_int_equal(links_kept(links, fds), 2);
	close(theirs[0]);
	await_deaths(1);
	assert_int_equal(died.alive, 1);
	assert_string_equal(died.why, "the server closed the connection");
	assert_int_equal(links_kept(links, fds), 1);
	assert_int_equal(fds[0], ours[1]);
	close(theirs[1]);
}

/* A connection without a descriptor that cannot be cut counts as alive. */
static void what_cannot_be_cut_is_kept(void **state)
{
	uint64_t start = loop_now();
	struct diag_socket id;
	int ours, theirs;

	(void)state;
	if (geteuid() == 0 && prctl(PR_CAPBSET_READ, CAP_NET_ADMIN) != 1)
		skip_because("CAP_NET_ADMIN is not to be had");
	tcp_pair("127.0.0.1", &ours, &theirs);
	id = describe(ours);
	assert_int_equal(links_add_foreign(links, &id), 0);
	links_expect(links, 1);
	deafen(theirs);
	assert_int_equal(write(ours, "lost", 4), 4);
	without_net_admin(true);
	for (int i = 0; i < 100 && links_uncut(links) == 0; i++) {
		links_sample(links, loop_now(), 1000);
		usleep(50000);
	}
	assert_int_equal(links_uncut(links), 1);
	assert_true(loop_now() - start >= 990);
	assert_int_equal(died.called, 0);
	assert_int_equal(links_alive(links), 1);
	assert_false(links_graves(links));
	without_net_admin(false);
	hear(theirs);
	close(ours);
	close(theirs);
}

static void graves_are_closed_with_the_rest(void **state)
{
	unsigned before = open_descriptors();
	int copy, theirs;

	(void)state;
	copy = cut_one(&theirs);
	close(copy);
	close(theirs);
	links_clear(links);
	assert_false(links_graves(links));
	assert_int_equal(open_descriptors(), before);
}

/* --- connections that lead to relays -------------------------------------------------------- */

/* A connection whose relay has `theirs`. */
static uint64_t add_relayed(struct relays *r, int *ret_theirs)
{
	uint64_t inode;
	int ours;

	unix_pair(&ours, ret_theirs);
	inode = relays_inode(ours);
	relays_add(r, ours, *ret_theirs);
	assert_int_equal(links_add(links, ours), 0);
	return inode;
}

static void the_relay_has_exited(struct relays *r, uint64_t inode, enum relay_end why)
{
	const struct process_end end = {.exited = true, .value = (int)why};

	relays_ended(r, inode, &end);
}

static void a_relay_says_who_ended(void **state)
{
	static const char *const why[] = {
	    [RELAY_END_SERVER] = "the server closed the connection",
	    [RELAY_END_DRIVER] = "the driver has ended the connection",
	    [RELAY_END_BROKEN] = "the relay process has ended",
	    [RELAY_END_SILENT] = "the server's host has acknowledged nothing for 7 s",
	};
	struct relays *r = relays_new();
	uint64_t inode, asked;
	int theirs;

	(void)state;
	links_know_relays(links, r);
	links_expect(links, 1);
	links_sample(links, loop_now(), 7000);
	for (enum relay_end end = RELAY_END_BROKEN; end <= RELAY_END_DRIVER; end++) {
		inode = add_relayed(r, &theirs);
		close(theirs);
		loop_run_for(loop, 50);
		assert_int_equal(links_alive(links), 1); /* the reason is not known yet */
		the_relay_has_exited(r, inode, end);
		died.called = 0;
		await_deaths(1);
		assert_string_equal(died.why, why[end]);
		asked = loop_now();
		assert_true(links_settled(links, asked) == (end == RELAY_END_SERVER));
		assert_false(links_unproved(links));
		assert_true(links_settled(links, asked + 2000));
		assert_int_equal(links_given_up(links), end != RELAY_END_SERVER);
	}
	links_know_relays(links, NULL);
	relays_free(r);
}

/* Without the relay's word nothing is proved. */
static void a_relay_that_says_nothing(void **state)
{
	struct relays *r = relays_new();
	struct diag_socket id;
	int ours, theirs;

	(void)state;
	links_know_relays(links, r);
	links_expect(links, 1);
	add_relayed(r, &theirs);
	close(theirs);
	await_deaths(1);
	assert_string_equal(died.why, "the relay process has ended");
	assert_false(links_settled(links, loop_now()));
	assert_true(links_settled(links, loop_now() + 2000));
	links_know_relays(links, NULL);
	relays_free(r);

	/* A former supervisor has started it: with a descriptor, and without. */
	for (int given = 0; given < 2; given++) {
		links_clear(links);
		links_inherit_relays(links);
		unix_pair(&ours, &theirs);
		id = describe(ours);
		if (given)
			assert_int_equal(links_add_given(links, ours), 0);
		else
			assert_int_equal(links_add_foreign(links, &id), 0);
		links_expect(links, 1);
		close(theirs);
		died.called = 0;
		if (given)
			await_deaths(1);
		else
			links_sample(links, loop_now(), 1000);
		assert_int_equal(died.called, 1);
		assert_false(links_settled(links, loop_now()));
		assert_true(links_settled(links, loop_now() + 2000));
		if (!given)
			close(ours);
	}
}

#define WITH_LINKS(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_LINKS(a_relay_says_who_ended),
	    WITH_LINKS(a_relay_that_says_nothing),
	    WITH_LINKS(a_hang_up_is_told),
	    WITH_LINKS(a_reset_after_our_fin_takes_the_settling_time),
	    WITH_LINKS(half_a_hang_up_is_one),
	    WITH_LINKS(a_peer_that_left_before_is_found),
	    WITH_LINKS(a_replacement_is_watched_at_once),
	    WITH_LINKS(there_is_room_for_sixteen),
	    WITH_LINKS(clearing_closes_all),
	    WITH_LINKS(facts_come_from_tcp),
	    WITH_LINKS(a_sample_cuts_no_live_peer),
	    cmocka_unit_test(diag_knows_tcp),
	    cmocka_unit_test(diag_knows_unix),
	    cmocka_unit_test(diag_describes_connections_only),
	    cmocka_unit_test(diag_tells_a_successor_from_the_one_before),
	    cmocka_unit_test(diag_destroys_tcp_only),
	    WITH_LINKS(foreign_links_are_asked_for),
	    WITH_LINKS(unknown_links_are_the_kernels_word),
	    WITH_LINKS(the_kernel_says_that_all_live),
	    WITH_LINKS(a_probe_counts_one_death_once),
	    WITH_LINKS(a_known_death_counts_for_no_other),
	    WITH_LINKS(the_kernel_insists_that_all_live),
	    WITH_LINKS(a_death_that_was_seen_stays_one),
	    WITH_LINKS(a_mute_peer_is_cut_and_settles_in_time),
	    WITH_LINKS(settling_is_bounded),
	    WITH_LINKS(graves_are_closed_with_the_rest),
	    WITH_LINKS(renewed_links_settle_when_the_server_closes),
	    WITH_LINKS(a_server_that_held_nothing_may_stay_open),
	    WITH_LINKS(a_server_that_held_something_is_waited_for),
	    WITH_LINKS(an_inherited_end_that_is_unproved_stays),
	    WITH_LINKS(after_io_has_failed_time_settles),
	    WITH_LINKS(an_inherited_end_takes_its_time),
	    WITH_LINKS(the_end_of_the_driver_is_not_the_servers),
	    WITH_LINKS(so_it_is_without_a_descriptor),
	    WITH_LINKS(an_end_that_nobody_saw_takes_its_time),
	    WITH_LINKS(the_end_of_the_driver_can_be_limited),
	    WITH_LINKS(what_cannot_be_cut_is_kept),
	    WITH_LINKS(sockets_are_examined),
	    WITH_LINKS(given_ones_are_watched),
	    WITH_LINKS(renewing_is_for_links_with_a_descriptor),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
