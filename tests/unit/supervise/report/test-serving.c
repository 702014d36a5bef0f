/* SPDX-License-Identifier: MIT */
/* supervise/report/serving.c: the messages about the server in use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "supervise/report/serving.h"

#define DAY_S 86400

static struct attachment at;
static struct serving serving;
static struct endpoint endpoint;
static int log_fd, stderr_fd;

/* What was logged since the last call. */
static const char *logged(void)
{
	static char text[2000];
	ssize_t n;

	n = pread(log_fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	assert_int_equal(ftruncate(log_fd, 0), 0);
	assert_int_equal(lseek(log_fd, 0, SEEK_SET), 0);
	return text;
}

static int setup(void **state)
{
	(void)state;
	memset(&serving, 0, sizeof(serving));
	attachment_init(&at, "here");
	at.index = 7;
	endpoint_init(&endpoint);
	log_fd = memfd_create("log", MFD_CLOEXEC);
	stderr_fd = dup(STDERR_FILENO);
	return dup2(log_fd, STDERR_FILENO) >= 0 ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	dup2(stderr_fd, STDERR_FILENO);
	close(stderr_fd);
	close(log_fd);
	endpoint_done(&endpoint);
	return 0;
}

/* Logged once when the server's flush and the device's differ. */
static void a_flush_that_is_not_the_devices(void **state)
{
	(void)state;
	at.plan.flags = NBD_TX_SEND_FLUSH;
	serving.flushes = true;
	serving_note_flush(&serving, &at, NBD_TX_SEND_FLUSH);
	assert_string_equal(logged(), "");
	serving_note_flush(&serving, &at, 0);
	assert_non_null(strstr(logged(), "fsync may fail"));
	serving_note_flush(&serving, &at, 0);
	assert_string_equal(logged(), "");
	serving_note_flush(&serving, &at, NBD_TX_SEND_FLUSH);
	assert_string_equal(logged(), ""); /* they agree again */
	at.plan.flags = 0;
	serving.flushes = false;
	serving_note_flush(&serving, &at, NBD_TX_SEND_FLUSH);
	assert_non_null(strstr(logged(), "attach it again"));
	/* A read-only device needs no flush. */
	at.plan.flags = NBD_TX_READ_ONLY;
	serving_note_flush(&serving, &at, 0);
	assert_string_equal(logged(), "");
}

static void a_certificate_that_ends(void **state)
{
	struct tls_facts tls = {.version = "TLS1.3", .cipher = "AES", .peer = "CN=server"};
	struct state s = {.index = 0};

	(void)state;
	tls.peer_expires = time(NULL) + 100 * DAY_S;
	serving_note_tls(&serving, &at, &endpoint, &tls, true);
	assert_string_equal(logged(), "");
	tls.peer_expires = time(NULL) + 3 * DAY_S + 100;
	tls.own_expires = time(NULL) - 1;
	serving_note_tls(&serving, &at, &endpoint, &tls, true);
	assert_non_null(strstr(logged(), "the server's certificate expires in 3 days"));
	serving_note_tls(&serving, &at, &endpoint, &tls, true);
	assert_string_equal(logged(), ""); /* no news */
	tls.own_expires--;
	serving_note_tls(&serving, &at, &endpoint, &tls, true);
	assert_non_null(strstr(logged(), "our certificate has expired"));
	serving_report(&serving, &s);
	assert_string_equal(s.tls.version, "TLS1.3");
	assert_string_equal(s.tls.peer, "CN=server");
	assert_true(s.tls.relay);
	assert_false(s.tls.unverified);
}

static void a_server_that_nobody_verifies(void **state)
{
	const struct tls_facts tls = {.version = "TLS1.3"};
	struct state s = {.index = 0};

	(void)state;
	endpoint.tls = true;
	endpoint.tls_type = TLS_TYPE_ANON;
	serving_note_tls(&serving, &at, &endpoint, &tls, false);
	assert_non_null(strstr(logged(), "does not verify the server"));
	serving_note_tls(&serving, &at, &endpoint, &tls, false);
	assert_string_equal(logged(), "");
	serving_report(&serving, &s);
	assert_true(s.tls.unverified);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_flush_that_is_not_the_devices, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_certificate_that_ends, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_server_that_nobody_verifies, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
