/* SPDX-License-Identifier: MIT */
/* Which sockets the service manager is told to keep, and in which order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "supervise/report/stored.h"

static struct stored table;
static struct stored_wish wishes[STORED_MAX + 1];
static size_t n;

static int setup(void **state)
{
	(void)state;
	memset(&table, 0, sizeof(table));
	n = 0;
	return 0;
}

static void wish(uint64_t inode)
{
	wishes[n++] = (struct stored_wish){.inode = inode, .fd = (int)inode + 1000};
}

static void assert_next(uint64_t attachment, const char *text, int fd)
{
	struct stored_message m = stored_next(&table, wishes, n, attachment);
	char buf[STORED_TEXT_MAX];

	assert_int_not_equal(m.verb, STORED_NOTHING);
	stored_text(&m, buf);
	assert_string_equal(buf, text);
	assert_int_equal(m.fd, fd);
	stored_sent(&table, &m);
}

static void assert_done(uint64_t attachment)
{
	assert_int_equal(stored_next(&table, wishes, n, attachment).verb, STORED_NOTHING);
}

static void the_life_of_sockets(void **state)
{
	(void)state;
	assert_done(0);
	wish(1);
	wish(2);
	/* Before the device is attached, and once more afterwards. */
	assert_next(0, "FDSTORE=1\nFDPOLL=0\nFDNAME=link-0-1", 1001);
	assert_next(0, "FDSTORE=1\nFDPOLL=0\nFDNAME=link-0-2", 1002);
	assert_done(0);
	assert_next(7, "FDSTOREREMOVE=1\nFDNAME=link-0-1", -1);
	assert_next(7, "FDSTORE=1\nFDPOLL=0\nFDNAME=link-7-3", 1001);
	assert_next(7, "FDSTOREREMOVE=1\nFDNAME=link-0-2", -1);
	assert_next(7, "FDSTORE=1\nFDPOLL=0\nFDNAME=link-7-4", 1002);
	assert_done(7);
	/* One is replaced. */
	wishes[0].inode = 3;
	assert_next(7, "FDSTOREREMOVE=1\nFDNAME=link-7-3", -1);
	assert_next(7, "FDSTORE=1\nFDPOLL=0\nFDNAME=link-7-5", 1001);
	assert_done(7);
	n = 0;
	assert_next(7, "FDSTOREREMOVE=1\nFDNAME=link-7-4", -1);
	assert_next(7, "FDSTOREREMOVE=1\nFDNAME=link-7-5", -1);
	assert_done(7);
	assert_int_equal(table.n, 0);
}

/* The manager did not accept it: it is sent again. */
static void a_message_that_was_not_sent(void **state)
{
	(void)state;
	wish(1);
	assert_int_equal(stored_next(&table, wishes, n, 7).verb, STORED_KEEP);
	assert_next(7, "FDSTORE=1\nFDPOLL=0\nFDNAME=link-7-1", 1001);
	assert_done(7);
}

static void of_an_earlier_supervisor(void **state)
{
	(void)state;
	stored_found(&table, &(struct stored_socket){1, {7, 4}});
	stored_found(&table, &(struct stored_socket){2, {7, 9}});
	stored_found(&table, &(struct stored_socket){3, {6, 5}});
	wish(1);
	wish(4);
	assert_next(7, "FDSTOREREMOVE=1\nFDNAME=link-7-9", -1);
	assert_next(7, "FDSTOREREMOVE=1\nFDNAME=link-6-5", -1);
	assert_next(7, "FDSTORE=1\nFDPOLL=0\nFDNAME=link-7-10", 1004);
	assert_done(7);
}

static void a_name(void **state)
{
	struct linkname name = {1, 1};

	(void)state;
	stored_found(&table, &(struct stored_socket){5, {7, 4}});
	assert_false(stored_name(&table, 4, &name));
	assert_int_equal(name.serial, 1);
	assert_true(stored_name(&table, 5, &name));
	assert_int_equal(name.attachment, 7);
	assert_int_equal(name.serial, 4);
}

/* The manager removes every descriptor of that name. */
static void two_of_one_name(void **state)
{
	(void)state;
	stored_found(&table, &(struct stored_socket){1, {7, 4}});
	stored_found(&table, &(struct stored_socket){2, {7, 4}});
	wish(2);
	assert_next(7, "FDSTOREREMOVE=1\nFDNAME=link-7-4", -1);
	assert_next(7, "FDSTORE=1\nFDPOLL=0\nFDNAME=link-7-5", 1002);
	assert_done(7);
}

static void a_full_table(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= STORED_MAX; i++)
		stored_found(&table, &(struct stored_socket){i, {7, i}});
	stored_found(&table, &(struct stored_socket){100, {7, 100}});
	assert_int_equal(table.n, STORED_MAX);
	for (uint64_t i = 1; i <= STORED_MAX; i++)
		wish(i + 1);
	assert_next(7, "FDSTOREREMOVE=1\nFDNAME=link-7-1", -1);
	assert_next(7, "FDSTORE=1\nFDPOLL=0\nFDNAME=link-7-101", 1000 + STORED_MAX + 1);
	wish(STORED_MAX + 2);
	assert_done(7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(the_life_of_sockets, setup),
	    cmocka_unit_test_setup(a_message_that_was_not_sent, setup),
	    cmocka_unit_test_setup(of_an_earlier_supervisor, setup),
	    cmocka_unit_test_setup(a_name, setup),
	    cmocka_unit_test_setup(two_of_one_name, setup),
	    cmocka_unit_test_setup(a_full_table, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
