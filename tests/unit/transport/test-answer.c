/* SPDX-License-Identifier: MIT */
/* Long: a list of cases, each read by itself. */
/*
 * A worker or a resolver that a server has taken over may send anything: every lie must be refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "worker/resolve.h"
#include "worker/worker.h"

static struct worker_answer answer;

static void good_done(void)
{
	memset(&answer, 0, sizeof(answer));
	answer.type = WORKER_DONE;
	answer.export.size = 1 << 20;
	answer.export.flags = NBD_TX_HAS_FLAGS;
	answer.export.style = NBD_STYLE_FIXED_NEW;
}

static void good_failed(void)
{
	memset(&answer, 0, sizeof(answer));
	answer.type = WORKER_FAILED;
	answer.ret = -EPROTO;
	answer.err.kind = ERR_PERMANENT;
	strcpy(answer.err.message, "no such export");
}

static void accepted(enum nego_goal goal)
{
	struct err err;

	assert_int_equal(worker_answer_check(&answer, goal, &err), 0);
}

static void refused(enum nego_goal goal)
{
	struct err err;

	assert_int_equal(worker_answer_check(&answer, goal, &err), -EPROTO);
	assert_int_equal(err.kind, ERR_PERMANENT);
}

static void done(void **state)
{
	(void)state;
	good_done();
	accepted(NEGO_GOAL_GO);
	accepted(NEGO_GOAL_INFO);
	good_done();
	answer.export.size = (uint64_t)1 << 63;
	refused(NEGO_GOAL_GO);
	good_done();
	answer.export.style = (enum nbd_style)77;
	refused(NEGO_GOAL_GO);
	good_done();
	memset(answer.export.name, 'x', sizeof(answer.export.name));
	refused(NEGO_GOAL_GO);
	good_done();
	memset(answer.export.description, 'x', sizeof(answer.export.description));
	refused(NEGO_GOAL_INFO);
	/* The state file and the log get what was read from the disk. */
	good_done();
	strcpy(answer.ids.id[0], "a\nLAST_ERROR=b");
	refused(NEGO_GOAL_GO);
	good_done();
	memset(answer.ids.id[0], 'x', sizeof(answer.ids.id[0]));
	refused(NEGO_GOAL_GO);
	/* With LIST a description of an export is not accepted. */
	good_done();
	memset(&answer.export, 0xff, sizeof(answer.export));
	accepted(NEGO_GOAL_LIST);
}

/* The parent computes how long they are valid: no date may cause an overflow or nonsense. */
static void dates(void **state)
{
	static const int64_t good[] = {0, 1, 1700000000, TLS_EXPIRES_MAX};
	static const int64_t bad[] = {-1, INT64_MIN, INT64_MIN + 1, TLS_EXPIRES_MAX + 1, INT64_MAX};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		good_done();
		answer.tls.peer_expires = answer.tls.own_expires = good[i];
		accepted(NEGO_GOAL_GO);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		good_done();
		answer.tls.peer_expires = bad[i];
		refused(NEGO_GOAL_GO);
		refused(NEGO_GOAL_INFO);
		good_done();
		answer.tls.own_expires = bad[i];
		refused(NEGO_GOAL_GO);
		refused(NEGO_GOAL_LIST);
	}
}

static void types(void **state)
{
	static const uint32_t wrong[] = {0, 5, 6, 255, 1U << 31, UINT32_MAX};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		good_done();
		answer.type = wrong[i];
		refused(NEGO_GOAL_GO);
		refused(NEGO_GOAL_LIST);
	}
}

static void failed(void **state)
{
	static const int wrong[] = {0, 1, -4096, INT32_MIN, INT32_MAX};

	(void)state;
	good_failed();
	accepted(NEGO_GOAL_GO);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		good_failed();
		answer.ret = wrong[i];
		refused(NEGO_GOAL_GO);
	}
	good_failed();
	answer.err.kind = ERR_BUSY;
	refused(NEGO_GOAL_GO);
	good_failed();
	answer.err.kind = (enum err_kind) - 1;
	refused(NEGO_GOAL_GO);
	good_failed();
	answer.err.kind = (enum err_kind)6;
	refused(NEGO_GOAL_GO);
	good_failed();
	answer.err.message[0] = '\0';
	refused(NEGO_GOAL_GO);
	good_failed();
	memset(answer.err.message, 'x', sizeof(answer.err.message));
	refused(NEGO_GOAL_GO);
}

static void failed_text_is_escaped(void **state)
{
	(void)state;
	good_failed();
	strcpy(answer.err.message, "a\033[2Jb\nc\xff \xc2\x9b %s%n \"q\" \\x1b \xc3\xa9");
	accepted(NEGO_GOAL_GO);
	assert_string_equal(answer.err.message,
			    "a\\x1b[2Jb\\x0ac\\xff \\xc2\\x9b %s%n \"q\" \\x1b \xc3\xa9");
	/* Escaping lengthens the text: it is cut, and does not overrun. */
	good_failed();
	memset(answer.err.message, '\n', sizeof(answer.err.message) - 1);
	accepted(NEGO_GOAL_GO);
	assert_true(strlen(answer.err.message) < sizeof(answer.err.message));
}

static void listed(void **state)
{
	(void)state;
	good_done();
	answer.type = WORKER_LISTED;
	strcpy(answer.export.name, "\xc3\xa9");
	accepted(NEGO_GOAL_LIST);
	refused(NEGO_GOAL_GO);
	refused(NEGO_GOAL_INFO);
	strcpy(answer.export.name, "\xc0\x80");
	refused(NEGO_GOAL_LIST);
	strcpy(answer.export.name, "");
	strcpy(answer.export.description, "\xff");
	refused(NEGO_GOAL_LIST);
	memset(answer.export.description, 'x', sizeof(answer.export.description));
	refused(NEGO_GOAL_LIST);
	answer.export.description[0] = '\0';
	memset(answer.export.name, 'x', sizeof(answer.export.name));
	refused(NEGO_GOAL_LIST);
}

static void pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
}

static void receive(void **state)
{
	char in[16], out[32] = "0123456789abcdef";
	int fds[2];

	(void)state;
	pair(fds);
	assert_int_equal(worker_receive(fds[0], in, sizeof(in)), -EAGAIN);
	assert_int_equal(send(fds[1], out, 16, 0), 16);
	assert_int_equal(worker_receive(fds[0], in, sizeof(in)), 1);
	assert_memory_equal(in, out, 16);
	assert_int_equal(send(fds[1], out, 15, 0), 15);
	assert_int_equal(worker_receive(fds[0], in, sizeof(in)), -EPROTO);
	assert_int_equal(send(fds[1], out, 17, 0), 17);
	assert_int_equal(worker_receive(fds[0], in, sizeof(in)), -EPROTO);
	assert_int_equal(send(fds[1], out, 16, 0), 16);
	close(fds[1]);
	assert_int_equal(worker_receive(fds[0], in, sizeof(in)), 1);
	assert_int_equal(worker_receive(fds[0], in, sizeof(in)), 0);
	close(fds[0]);
}

/* The helper sent something, then ended without reading its job. */
static void receive_after_reset(void **state)
{
	char in[16], out[16] = "0123456789abcde";
	int fds[2];

	(void)state;
	pair(fds);
	assert_int_equal(send(fds[1], out, 16, 0), 16);
	assert_int_equal(send(fds[0], "job", 3, 0), 3);
	close(fds[1]);
	assert_int_equal(worker_receive(fds[0], in, sizeof(in)), 1);
	assert_memory_equal(in, out, 16);
	assert_int_equal(worker_receive(fds[0], in, sizeof(in)), 0);
	close(fds[0]);
}

static int lowest_free(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	close(fd);
	return fd;
}

/* Descriptors that are sent along must be closed, not used. */
static void receive_no_descriptors(void **state)
{
	struct worker_job job = {0}, got;
	int fds[2], before;

	(void)state;
	pair(fds);
	before = lowest_free();
	/* A job is the only message with a descriptor. */
	assert_int_equal(worker_send_job(fds[1], &job, &(struct worker_fds){.sock = fds[1]}), 0);
	assert_int_equal(worker_receive(fds[0], &got, sizeof(got)), -EPROTO);
	assert_int_equal(lowest_free(), before);
	close(fds[0]);
	assert_int_equal(worker_send_job(fds[1], &job, &(struct worker_fds){.sock = fds[1]}),
			 -EPIPE);
	close(fds[1]);
}

static void ended(void **state)
{
	static const struct {
		struct process_end end;
		enum err_kind kind;
	} rows[] = {
	    {{true, 0}, ERR_RETRY},	      {{true, 1}, ERR_RETRY},
	    {{false, SIGKILL}, ERR_RETRY},    {{false, SIGTERM}, ERR_RETRY},
	    {{false, SIGSYS}, ERR_PERMANENT}, {{false, SIGSEGV}, ERR_PERMANENT},
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_true(worker_ended_err(&rows[i].end, "handshake", &err) < 0);
		assert_int_equal(err.kind, rows[i].kind);
		assert_non_null(strstr(err.message, "handshake"));
	}
}

static struct resolve_answer found;

static void good_found(void)
{
	memset(&found, 0, sizeof(found));
	found.n = 3;
	assert_true(address_from_literal("::1", 7, &found.item[0]));
	assert_true(address_from_literal("::2", 7, &found.item[1]));
	assert_true(address_from_literal("127.0.0.1", 7, &found.item[2]));
}

static int check_found(struct address_list *list, enum err_kind *kind)
{
	struct err err = {0};
	int ret = resolve_answer_check(&found, "h\033", 7, list, &err);

	assert_null(strchr(err.message, '\033'));
	*kind = err.kind;
	return ret;
}

static void found_refused(void)
{
	struct address_list list = {.n = 99};
	enum err_kind kind;

	assert_int_equal(check_found(&list, &kind), -EPROTO);
	assert_int_equal(kind, ERR_PERMANENT);
	assert_int_equal(list.n, 99);
}

static void resolved(void **state)
{
	struct address_list list;
	enum err_kind kind;

	(void)state;
	good_found();
	assert_int_equal(check_found(&list, &kind), 0);
	assert_int_equal(list.n, 3);
	assert_int_equal(list.item[1].sa.ss_family, AF_INET);
	good_found();
	found.item[1] = found.item[0];
	assert_int_equal(check_found(&list, &kind), 0);
	assert_int_equal(list.n, 2);

	good_found();
	found.n = ADDRESSES_MAX + 1;
	found_refused();
	good_found();
	found.n = UINT32_MAX;
	found_refused();
	good_found();
	found.n = 4; /* an address of family 0 */
	found_refused();
	good_found();
	((struct sockaddr_in *)&found.item[2].sa)->sin_port = htons(22);
	found_refused();
	good_found();
	found.item[0].len = 4000;
	found_refused();
	good_found();
	found.item[0].sa.ss_family = AF_UNIX;
	found_refused();
	good_found();
	found.ret = 1;
	found_refused();
	good_found();
	found.ret = -5000;
	strcpy(found.err.message, "x");
	found_refused();
	good_found();
	found.ret = -EPERM;
	memset(found.err.message, 'x', sizeof(found.err.message));
	found_refused();
}

static void resolver_failures(void **state)
{
	static const int codes[] = {EAI_NONAME, EAI_AGAIN, EAI_FAIL, EAI_SYSTEM, EAI_MEMORY, 12345};
	struct address_list list;
	enum err_kind kind;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		good_found();
		found.eai = codes[i];
		found.system_errno = i % 2 ? EIO : -77;
		assert_true(check_found(&list, &kind) < 0);
		assert_int_equal(kind, ERR_RETRY);
	}
	good_found();
	found.n = 0;
	assert_true(check_found(&list, &kind) < 0);
	assert_int_equal(kind, ERR_RETRY);
	good_found();
	found.ret = -EPERM;
	strcpy(found.err.message, "the sandbox\033");
	assert_int_equal(check_found(&list, &kind), -EPERM);
	assert_int_equal(kind, ERR_SYSTEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(done),
	    cmocka_unit_test(dates),
	    cmocka_unit_test(types),
	    cmocka_unit_test(failed),
	    cmocka_unit_test(failed_text_is_escaped),
	    cmocka_unit_test(listed),
	    cmocka_unit_test(receive),
	    cmocka_unit_test(receive_after_reset),
	    cmocka_unit_test(receive_no_descriptors),
	    cmocka_unit_test(ended),
	    cmocka_unit_test(resolved),
	    cmocka_unit_test(resolver_failures),
	};

	return cmocka_run_group_tests_name("transport-answer", tests, NULL, NULL);
}
