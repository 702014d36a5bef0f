/* SPDX-License-Identifier: MIT */
/* Which user serves a connection: with real sockets, and with simulated answers of the kernel. */
#include "transport-fixture.h"

#include <linux/sock_diag.h>

#include "base/peer.h"
#include "base/sock-diag.h"
#include "transport/owner.h"
#include "skip.h"

#define OTHER 65534

/* The end of a connection to `at`; a dual-stack server is reached by IPv4. */
static int connected_to(const struct address *at)
{
	int fd = socket(at->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const void *)&at->sa, at->len), 0);
	return fd;
}

static int accepted(int listener)
{
	int fd = accept(listener, NULL, NULL);

	assert_true(fd >= 0);
	return fd;
}

static void assert_verdict(int fd, uid_t wanted, int ret, enum err_kind kind, const char *words)
{
	struct err err = {0};

	assert_int_equal(owner_check(fd, wanted, &err), ret);
	if (ret == 0)
		return;
	assert_int_equal(err.kind, kind);
	if (!strstr(err.message, words))
		fail_msg("\"%s\" does not say \"%s\"", err.message, words);
}

static void assert_owned(const struct address *listen, const struct address *dial)
{
	struct address at = *listen, to = *dial;
	int listener = listen_at(&at, 8), fd, served;

	((struct sockaddr_in *)&to.sa)->sin_port = htons(address_port(&at)); /* or in6 */
	fd = connected_to(&to);
	/* Before 6.17 the kernel reports root. */
	assert_verdict(fd, 0, -EPERM, ERR_PERMANENT, "no process of this machine");
	assert_verdict(fd, geteuid(), -EPERM, ERR_PERMANENT, "no process of this machine");
	served = accepted(listener);
	assert_verdict(fd, geteuid(), 0, ERR_FAILED, "");
	assert_verdict(fd, geteuid() + 1, -EPERM, ERR_PERMANENT, "another user's server answers");
	/* The kernel returns the listening socket instead: it does not count. */
	close(served);
	assert_verdict(fd, geteuid(), -ECONNRESET, ERR_RETRY, "has closed the connection");
	close(fd);
	close(listener);
}

static void tcp(void **state)
{
	const struct address four = literal_address("127.0.0.1", 0);

	(void)state;
	assert_owned(&four, &four);
}

static void tcp_six(void **state)
{
	const struct address four = literal_address("127.0.0.1", 0);
	const struct address six = literal_address("::1", 0), any = literal_address("::", 0);
	const struct address mapped = literal_address("::ffff:127.0.0.1", 0);
	struct address at = six;
	int fd = socket(AF_INET6, SOCK_STREAM, 0);

	(void)state;
	if (fd < 0 || bind(fd, (void *)&at.sa, at.len) < 0) {
		close_fdp(&fd);
		skip_because("this machine has no IPv6");
	}
	close(fd);
	assert_owned(&six, &six);
	assert_owned(&any, &six);
	assert_owned(&any, &four);
	assert_owned(&any, &mapped);
	assert_owned(&four, &mapped);
}

/* The process that accepts a connection serves it, whichever process listens. */
static void accepted_by_another(void **state)
{
	struct address at = literal_address("127.0.0.1", 0);
	int listener = listen_at(&at, 8), fd = connected_to(&at), ready[2];
	pid_t pid;
	char c;

	(void)state;
	if (geteuid() != 0)
		skip_because("only root can serve as another user");
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (setresuid(OTHER, OTHER, OTHER) == 0 && accept(listener, NULL, NULL) >= 0)
			(void)!write(ready[1], "", 1);
		pause();
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_verdict(fd, 0, -EPERM, ERR_PERMANENT, "it is uid 65534, and --peer-uid wants 0");
	assert_verdict(fd, OTHER, 0, ERR_FAILED, "");
	server_stop(pid);
	close(ready[0]);
	close(fd);
	close(listener);
}

static void unix_socket(void **state)
{
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_verdict(pair[0], geteuid(), 0, ERR_FAILED, "");
	assert_verdict(pair[0], geteuid() + 1, -EPERM, ERR_PERMANENT, "another user's server");
	close(pair[0]);
	close(pair[1]);
}

struct answer {
	struct nlmsghdr header;
	union {
		struct inet_diag_msg socket;
		struct nlmsgerr error;
	};
};

static struct answer owned_by(uid_t uid)
{
	return (struct answer){
	    .header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct inet_diag_msg)),
		       .nlmsg_type = SOCK_DIAG_BY_FAMILY},
	    .socket = {.idiag_state = PEER_TCP_ESTABLISHED, .idiag_inode = 7, .idiag_uid = uid},
	};
}

static int read_answer(const struct answer *a, uid_t *ret_uid)
{
	return owner_read(a, sizeof(*a), ret_uid);
}

static void answers(void **state)
{
	struct answer a = owned_by(12);
	uid_t uid = 99;

	(void)state;
	assert_int_equal(read_answer(&a, &uid), 0);
	assert_int_equal(uid, 12);
	for (size_t len = 0; len < a.header.nlmsg_len; len++)
		assert_int_equal(owner_read(&a, len, &uid), -EPROTO);
	a.header.nlmsg_len--;
	assert_int_equal(read_answer(&a, &uid), -EPROTO);
	a = owned_by(0);
	a.socket.idiag_inode = 0;
	assert_int_equal(read_answer(&a, &uid), -ENOENT);
	for (uint8_t tcp_state = 0; tcp_state < 14; tcp_state++) {
		a = owned_by(0);
		a.socket.idiag_state = tcp_state;
		assert_int_equal(read_answer(&a, &uid),
				 tcp_state == PEER_TCP_ESTABLISHED ? 0 : -ENOENT);
	}
	a = owned_by(0);
	a.header.nlmsg_type = NLMSG_ERROR;
	a.header.nlmsg_len = NLMSG_LENGTH(sizeof(a.error));
	a.error.error = -ENOENT;
	assert_int_equal(read_answer(&a, &uid), -ENOENT);
	a.error.error = -EPERM;
	assert_int_equal(read_answer(&a, &uid), -EPROTO);
	a.error.error = 0;
	assert_int_equal(read_answer(&a, &uid), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tcp),
	    cmocka_unit_test(tcp_six),
	    cmocka_unit_test(accepted_by_another),
	    cmocka_unit_test(unix_socket),
	    cmocka_unit_test(answers),
	};

	return cmocka_run_group_tests_name("transport-owner", tests, NULL, NULL);
}
