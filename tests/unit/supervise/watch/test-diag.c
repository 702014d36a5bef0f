/* SPDX-License-Identifier: MIT */
/* supervise/watch/diag.c when nothing may be loaded: only what has been answered before is asked.
 */
#include "transport-fixture.h"

#include "base/sock-diag.h"
#include "supervise/watch/diag.h"
#include "skip.h"

static void only_known_families_are_asked(void **state)
{
	struct address at = literal_address("127.0.0.1", 0);
	struct diag_socket local, tcp;
	struct tcp_info info;
	int pair[2], listener = listen_at(&at, 1), fd;

	(void)state;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (void *)&at.sa, at.len), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(diag_describe(fd, &tcp), 0);
	assert_int_equal(diag_describe(pair[0], &local), 0);
	if (diag_ask(&local, &info) != DIAG_ALIVE)
		skip_because("the kernel does not answer");
	sock_diag_load_nothing();
	assert_int_equal(diag_ask(&local, &info), DIAG_ALIVE);
	assert_int_equal(diag_unix_peer(pair[0]), DIAG_ALIVE);
	assert_int_equal(diag_ask(&tcp, &info), DIAG_UNKNOWN);
	assert_false(diag_destroy(&tcp));
	close(pair[0]);
	close(pair[1]);
	close(fd);
	close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(only_known_families_are_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
