/* SPDX-License-Identifier: MIT */
/* kernel/kmsg.c: which records of /dev/kmsg say that a device accepted a socket. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "kernel/kmsg.h"
#include "skip.h"

#define AFTERWARDS_MS 100 /* the end of the connection is seen a little later than the reason */

/* The next read of this descriptor says that records were overwritten. */
static int overwritten = -1;

ssize_t __real_read(int fd, void *buf, size_t size);
ssize_t __wrap_read(int fd, void *buf, size_t size);
ssize_t __wrap_read(int fd, void *buf, size_t size)
{
	if (fd != overwritten)
		return __real_read(fd, buf, size);
	overwritten = -1;
	errno = EPIPE;
	return -1;
}

/* As seen on 6.1; with CONFIG_PRINTK_CALLER there is one field more. */
static const char real[] = "6,1042,98765432,-;block nbd1: reconnected socket\n"
			   " SUBSYSTEM=block\n DEVICE=b43:32\n";
static const char caller[] = "6,1042,98765432,-,caller=T4711;block nbd1: reconnected socket\n";

static void the_drivers_word_counts(void **state)
{
	(void)state;
	assert_true(kmsg_is_reconnect(real, 1));
	assert_true(kmsg_is_reconnect(caller, 1));
	assert_true(kmsg_is_reconnect("6,1,2,-;block nbd0: reconnected socket", 0));
	assert_true(kmsg_is_reconnect("6,1,2,c;block nbd1048575: reconnected socket\n", 1048575));
}

static void other_devices_do_not_count(void **state)
{
	static const int others[] = {0, 2, 10, 11, 12, 21, 100, 1048575};
	char record[128];

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_false(kmsg_is_reconnect(real, others[i]));
		snprintf(record, sizeof(record), "6,1,2,-;block nbd%d: reconnected socket\n",
			 others[i]);
		assert_true(kmsg_is_reconnect(record, others[i]));
		assert_false(kmsg_is_reconnect(record, 1));
	}
}

static void other_text_does_not_count(void **state)
{
	static const char *const record[] = {
	    "",
	    ";",
	    "6,1,2,-;",
	    "6,1,2,-;\n",
	    "block nbd1: reconnected socket\n",
	    "6,1,2,-;block nbd1: Receive control failed (result -32)\n",
	    "6,1,2,-;block nbd1: shutting down sockets\n",
	    "6,1,2,-;block nbd1: reconnected sock",
	    "6,1,2,-;block nbd1: not reconnected socket\n",
	    "6,1,2,-;nbd: somebody says: block nbd1: reconnected socket\n",
	    "6,1,2,-;a;block nbd1: reconnected socket\n",
	    /* Only the text counts, not the lines that follow it. */
	    "6,1,2,-;something\n block nbd1: reconnected socket\n",
	    "6,1,2,-;something\n;block nbd1: reconnected socket\n",
	    "6,1,2,-;something\n TEXT=;block nbd1: reconnected socket\n",
	    "6,1,2,-;block nbd-1: reconnected socket\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(record) / sizeof(record[0]); i++)
		if (kmsg_is_reconnect(record[i], 1))
			fail_msg("%s", record[i]);
}

/* Other programs could write this text to the log: such a record has another facility. */
static void only_the_kernels_word_counts(void **state)
{
	(void)state;
	assert_false(kmsg_is_reconnect("12,1,2,-;block nbd1: reconnected socket\n", 1));
	assert_false(kmsg_is_reconnect("30,1,2,-;block nbd1: reconnected socket\n", 1));
	assert_false(kmsg_is_reconnect("x;block nbd1: reconnected socket\n", 1));
	assert_true(kmsg_is_reconnect("7,1,2,-;block nbd1: reconnected socket\n", 1));
}

/* A packet pipe returns one record for each read, as /dev/kmsg does. */
static void it_reads_to_the_end(void **state)
{
	static const char *const other = "6,1,2,-;block nbd2: reconnected socket\n";
	struct kmsg *k;
	int p[2];

	(void)state;
	assert_null(kmsg_new(-1, 1));
	assert_false(kmsg_reconnected(NULL));
	assert_int_equal(pipe2(p, O_DIRECT | O_NONBLOCK | O_CLOEXEC), 0);
	k = kmsg_new(p[0], 1);
	assert_false(kmsg_reconnected(k));
	assert_true(write(p[1], other, strlen(other)) > 0);
	assert_true(write(p[1], real, strlen(real)) > 0);
	assert_true(write(p[1], other, strlen(other)) > 0);
	assert_true(kmsg_reconnected(k));
	assert_false(kmsg_reconnected(k));
	close(p[1]);
	assert_false(kmsg_reconnected(k)); /* it does not wait for more */
	kmsg_free(k);
}

/* Two ask the same log, and neither takes a record away from the other. */
static void errors_are_counted(void **state)
{
	static const char *const records[] = {
	    "3,1,2,-;block nbd1: Other side returned error (5)\n",
	    real,
	    "3,2,2,-;block nbd1: Other side returned error (108)\n",
	    "3,3,2,-;block nbd2: Other side returned error (108)\n",
	    "12,4,2,-;block nbd1: Other side returned error (108)\n",
	    "3,5,2,-;block nbd1: Other side returned error\n",
	};
	struct kmsg_errors errors;
	struct kmsg *k;
	int p[2];

	(void)state;
	assert_false(kmsg_errors(NULL, &errors));
	assert_int_equal(pipe2(p, O_DIRECT | O_NONBLOCK | O_CLOEXEC), 0);
	k = kmsg_new(p[0], 1);
	assert_true(kmsg_errors(k, &errors));
	assert_int_equal(errors.count, 0);
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++)
		assert_true(write(p[1], records[i], strlen(records[i])) > 0);
	assert_true(kmsg_errors(k, &errors));
	assert_int_equal(errors.count, 2);
	assert_int_equal(errors.leaving, 1);
	assert_int_equal(errors.last, KMSG_LEAVING);
	assert_false(errors.missed);
	assert_true(kmsg_reconnected(k));
	assert_true(write(p[1], records[0], strlen(records[0])) > 0);
	assert_false(kmsg_reconnected(k));
	assert_true(kmsg_errors(k, &errors));
	assert_int_equal(errors.count, 3);
	close(p[1]);
	kmsg_free(k);
}

/* The texts of Linux 5.10 to 7.x. A new socket begins anew. */
static void an_end_by_the_driver_is_told(void **state)
{
	static const char *const reasons[] = {
	    "3,1,2,-;block nbd1: Wrong magic (0x12345678)\n",
	    "3,1,2,-;block nbd1: Unexpected reply (3) 00000000b5e37bc6\n",
	    "3,1,2,-;block nbd1: Unexpected reply 3 from different sock 1 (expected 0)\n",
	    "3,1,2,-;block nbd1: Suspicious reply 3 (status 0 flags 2)\n",
	    "3,1,2,-;block nbd1: Double reply on req 00000000b5e37bc6, cmd_cookie 1, handle "
	    "cookie 2\n",
	    "3,1,2,-;block nbd1: Command already handled 00000000b5e37bc6\n",
	    "3,1,2,-;block nbd1: Raced with timeout on req 00000000b5e37bc6\n",
	};
	static const char *const others[] = {
	    "3,1,2,-;block nbd1: Receive control failed (result -104)\n",
	    "6,1,2,-;block nbd1: Possible stuck request 00000000b5e37bc6: control "
	    "(write@0,4096B). Runtime 30 seconds\n",
	    "3,1,2,-;block nbd2: Wrong magic (0x12345678)\n",
	    "12,1,2,-;block nbd1: Wrong magic (0x12345678)\n",
	    "12,1,2,-;block nbd1: Connection timed out, retrying (0/1 alive)\n",
	    "3,1,2,-;block sda: Connection timed out\n",
	};
	static const char timeout[] =
	    "3,1,2,-;block nbd2: Connection timed out, retrying (1/2 alive)\n";
	struct kmsg *k;
	int p[2];

	(void)state;
	assert_int_equal(kmsg_cut(NULL), KMSG_CUT_UNKNOWN);
	assert_int_equal(pipe2(p, O_DIRECT | O_NONBLOCK | O_CLOEXEC), 0);
	k = kmsg_new(p[0], 1);
	assert_int_equal(kmsg_cut(k), KMSG_CUT_NO);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_true(write(p[1], others[i], strlen(others[i])) > 0);
	assert_int_equal(kmsg_cut(k), KMSG_CUT_NO);
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		assert_true(write(p[1], reasons[i], strlen(reasons[i])) > 0);
		assert_int_equal(kmsg_cut(k), KMSG_CUT_WRONG_REPLY);
		assert_int_equal(kmsg_cut(k), KMSG_CUT_WRONG_REPLY);
		assert_true(write(p[1], real, strlen(real)) > 0);
		assert_int_equal(kmsg_cut(k), KMSG_CUT_NO);
	}
	/* Another device's, because the driver prints only some of such lines. */
	assert_true(write(p[1], timeout, sizeof(timeout) - 1) > 0);
	assert_int_equal(kmsg_cut(k), KMSG_CUT_TIMEOUT);
	usleep(AFTERWARDS_MS * 1000);
	assert_int_equal(kmsg_cut(k), KMSG_CUT_TIMEOUT);
	close(p[1]);
	kmsg_free(k);
}

/* Among them may have been the driver's reason. */
static void what_was_overwritten_may_have_been_anything(void **state)
{
	static const char wrong[] = "3,1,2,-;block nbd1: Wrong magic (0x12345678)\n";
	struct kmsg_errors errors;
	struct kmsg *k;
	bool gap;
	int p[2];

	(void)state;
	assert_int_equal(pipe2(p, O_DIRECT | O_NONBLOCK | O_CLOEXEC), 0);
	k = kmsg_new(p[0], 1);
	overwritten = p[0];
	assert_int_equal(kmsg_cut(k), KMSG_CUT_UNKNOWN);
	assert_int_equal(kmsg_cut(k), KMSG_CUT_UNKNOWN);
	assert_true(kmsg_errors(k, &errors));
	assert_true(errors.missed);
	/* It is told once, to the one who looks for a record. */
	assert_false(kmsg_reconnected_or(k, &gap));
	assert_true(gap);
	assert_false(kmsg_reconnected_or(k, &gap));
	assert_false(gap);
	/* What is known counts more than what may have been. */
	assert_true(write(p[1], wrong, sizeof(wrong) - 1) > 0);
	assert_int_equal(kmsg_cut(k), KMSG_CUT_WRONG_REPLY);
	/* A later connection has an end of its own. */
	overwritten = p[0];
	assert_true(write(p[1], real, strlen(real)) > 0);
	assert_true(kmsg_reconnected_or(k, &gap));
	assert_true(gap);
	assert_int_equal(kmsg_cut(k), KMSG_CUT_NO);
	close(p[1]);
	kmsg_free(k);
}

static void it_opens_behind_what_is_there(void **state)
{
	int fd = kmsg_open();
	struct kmsg *k;

	(void)state;
	if (fd < 0)
		skip_because("a container may hide it");
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	k = kmsg_new(fd, 1048575);
	assert_false(kmsg_reconnected(k));
	kmsg_free(k);
}

static void a_line_names_a_device(void **state)
{
	(void)state;
	assert_true(kmsg_names("block nbd1: Receive control failed", 1));
	assert_true(kmsg_names("I/O error, dev nbd1, sector 8", 1));
	assert_true(kmsg_names(" nbd1: nbd1p1 nbd1p2", 1));
	assert_true(kmsg_names("EXT4-fs (nbd1p2): mounted", 1));
	assert_true(kmsg_names("nbd10 and nbd1", 1));
	assert_false(kmsg_names("block nbd10: reconnected socket", 1));
	assert_false(kmsg_names("xnbd1: another driver's", 1));
	assert_false(kmsg_names("block nbd0: ", 1));
	assert_false(kmsg_names("", 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_drivers_word_counts),
	    cmocka_unit_test(other_devices_do_not_count),
	    cmocka_unit_test(other_text_does_not_count),
	    cmocka_unit_test(only_the_kernels_word_counts),
	    cmocka_unit_test(it_reads_to_the_end),
	    cmocka_unit_test(errors_are_counted),
	    cmocka_unit_test(an_end_by_the_driver_is_told),
	    cmocka_unit_test(a_line_names_a_device),
	    cmocka_unit_test(what_was_overwritten_may_have_been_anything),
	    cmocka_unit_test(it_opens_behind_what_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
