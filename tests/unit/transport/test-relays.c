/* SPDX-License-Identifier: MIT */
/* transport/relays.c: the records of relays, with real sockets. */
#include "transport-fixture.h"

#include "transport/relays.h"

static void pair(int *ret_ours, int *ret_theirs)
{
	struct err err;

	assert_int_equal(relays_pair(ret_ours, ret_theirs, &err), 0);
}

/* What is recorded for a relay that ended like this. */
static enum relay_end end_of(struct relays *r, uint64_t inode, bool exited, int value)
{
	const struct process_end end = {.exited = exited, .value = value};

	relays_ended(r, inode, &end);
	assert_true(relays_find(r, inode)->ended);
	return relays_find(r, inode)->end;
}

static void a_relay_tells_why_it_has_ended(void **state)
{
	struct relays *r = relays_new();
	int ours, theirs;
	uint64_t inode;

	(void)state;
	assert_non_null(r);
	pair(&ours, &theirs);
	inode = relays_inode(ours);
	assert_null(relays_find(r, inode));
	assert_null(relays_find(r, 0));
	relays_ended(r, inode, &(struct process_end){.exited = true});
	assert_null(relays_find(r, inode));
	relays_add(r, ours, theirs);
	assert_false(relays_find(r, inode)->ended);
	assert_int_equal(relays_find(r, inode)->local.ss_family, 0); /* not TCP */
	assert_int_equal(end_of(r, inode, true, RELAY_END_SERVER), RELAY_END_SERVER);
	assert_int_equal(end_of(r, inode, true, RELAY_END_SILENT), RELAY_END_SILENT);
	assert_int_equal(end_of(r, inode, true, RELAY_END_DRIVER), RELAY_END_DRIVER);
	/* Nothing else proves that the server was first. */
	assert_int_equal(end_of(r, inode, true, 0), RELAY_END_BROKEN);
	assert_int_equal(end_of(r, inode, true, 1), RELAY_END_BROKEN);
	assert_int_equal(end_of(r, inode, true, 99), RELAY_END_BROKEN);
	assert_int_equal(end_of(r, inode, false, RELAY_END_SERVER), RELAY_END_BROKEN);
	close(ours);
	close(theirs);
	assert_int_equal(relays_inode(-1), 0);
	relays_add(NULL, -1, -1);
	relays_ended(NULL, 1, &(struct process_end){.exited = true});
	assert_null(relays_find(NULL, 1));
	relays_free(r);
}

static void the_addresses_are_kept(void **state)
{
	struct address at = literal_address("127.0.0.1", 0);
	int listener = listen_at(&at, 1), sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct relays *r = relays_new();
	const struct relay_record *record;
	int ours, theirs;

	(void)state;
	assert_int_equal(connect(sock, (void *)&at.sa, at.len), 0);
	pair(&ours, &theirs);
	relays_add(r, ours, sock);
	close(sock);
	record = relays_find(r, relays_inode(ours));
	assert_int_equal(record->local.ss_family, AF_INET);
	assert_memory_equal(&record->peer, &at.sa, sizeof(struct sockaddr_in));
	close(ours);
	close(theirs);
	close(listener);
	relays_free(r);
}

/* Those that run keep their records while others come and go. */
static void records_of_ended_ones_are_replaced(void **state)
{
	struct relays *r = relays_new();
	int first, other, ours, theirs;
	uint64_t inode, latest = 0;

	(void)state;
	pair(&first, &other);
	inode = relays_inode(first);
	relays_add(r, first, other);
	for (int i = 0; i < 1000; i++) {
		pair(&ours, &theirs);
		latest = relays_inode(ours);
		relays_add(r, ours, theirs);
		end_of(r, latest, true, RELAY_END_SERVER);
		close(ours);
		close(theirs);
	}
	assert_non_null(relays_find(r, inode));
	assert_false(relays_find(r, inode)->ended);
	assert_non_null(relays_find(r, latest));
	close(first);
	close(other);
	relays_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_relay_tells_why_it_has_ended),
	    cmocka_unit_test(the_addresses_are_kept),
	    cmocka_unit_test(records_of_ended_ones_are_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
