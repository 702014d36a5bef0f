/* SPDX-License-Identifier: MIT */
/*
 * The part alone, with real servers; the test decides how the device is connected.
 *
 * Long: a list of cases, each read by itself.
 */
#include "helper-fixture.h"
#include "rundir-fixture.h"
#include "server-fixture.h"

#include "runtime/state.h"
#include "supervise/reconnect/identity.h"
#include "supervise/reconnect/reconnect.h"

#define EXPORT_SIZE (1 << 20)

static const struct backoff_config quick = {
    .first_ms = 20, .base_ms = 20, .cap_ms = 100, .fast_ms = 300000, .late_cap_ms = 100};

static struct {
	struct loop *loop;
	struct helpers *helpers;
	struct endpoint endpoint, second;
	struct attachment at;
	struct part_env env;
	struct reconnect *r;
	struct reconnect_view view; /* the view that the part gets */
	/* The events of the part. */
	unsigned found, refused, differing, changed;
	uint64_t size;
	struct err err;
	struct address peer;
} f;

static void found(struct attempt_result *result, uint64_t size, void *arg)
{
	assert_ptr_equal(arg, &f);
	f.found++;
	f.size = size;
	f.peer = result->peer;
	f.view.ready++;
	close(TAKE_FD(result->fd));
}

static void refused(const struct err *err, void *arg)
{
	(void)arg;
	f.refused++;
	f.err = *err;
}

static void differs(const struct err *err, void *arg)
{
	(void)arg;
	f.differing++;
	f.err = *err;
}

static void changed(void *arg)
{
	(void)arg;
	f.changed++;
}

static void explain(struct err *err, void *arg)
{
	(void)arg;
	err_prefix(err, "explained: ");
}

static void look(struct reconnect_view *ret_view, void *arg)
{
	(void)arg;
	*ret_view = f.view;
}

static int make_helpers(const struct endpoint *e, struct helpers **ret_helpers, struct err *err,
			void *arg)
{
	(void)e;
	(void)ret_helpers;
	(void)arg;
	return err_set(err, ERR_SYSTEM, ENOMEM, "the servers share their helpers");
}

static int setup(void **state)
{
	const struct helpers_config cfg = {.spares = 1};
	struct err err;

	(void)state;
	memset(&f, 0, sizeof(f));
	f.loop = loop_new();
	attachment_init(&f.at, "here");
	f.at.index = 7;
	f.at.plan = (struct plan){
	    .size = EXPORT_SIZE, .block_size = 512, .flags = NBD_TX_HAS_FLAGS, .connections = 1};
	f.at.known = (struct nbd_export){.size = EXPORT_SIZE, .flags = NBD_TX_HAS_FLAGS};
	f.env = (struct part_env){.loop = f.loop, .at = &f.at};
	f.view = (struct reconnect_view){.dials = true, .has_room = true, .wanted = 1};
	return helpers_new(f.loop, &cfg, &f.helpers, &err) == 0 ? helpers_fill(f.helpers, &err)
								: -1;
}

static int teardown(void **state)
{
	(void)state;
	reconnect_free(f.r);
	helpers_free(f.helpers);
	endpoint_done(&f.endpoint);
	endpoint_done(&f.second);
	loop_free(f.loop);
	return 0;
}

static void make(struct reconnect_config cfg)
{
	static const struct reconnect_events events = {.found = found,
						       .refused = refused,
						       .differs = differs,
						       .changed = changed,
						       .explain = explain,
						       .look = look,
						       .make_helpers = make_helpers};
	struct err err;

	cfg.endpoint = &f.endpoint;
	cfg.helpers = f.helpers;
	cfg.backoff = quick;
	cfg.connect_timeout_ms = 10000;
	cfg.peer_timeout_ms = 10000;
	assert_int_equal(reconnect_new(&f.env, &cfg, &events, &f, &f.r, &err), 0);
}

/* A device that was attached to a server at that address. */
static void make_at(const struct address *at, struct reconnect_config cfg)
{
	const struct address_list list = {.n = 1, .item = {*at}};
	struct err err;

	tcp_endpoint(&f.endpoint, "nonexistent.invalid", 1);
	make(cfg);
	assert_int_equal(reconnect_know(f.r, &list, NULL, NULL, &err), 0);
}

static void await(const unsigned *count)
{
	for (int i = 0; i < 1500 && *count == 0; i++)
		loop_run_for(f.loop, 10);
	assert_int_not_equal(*count, 0);
}

static struct state report(void)
{
	struct state s = {.index = 0};

	reconnect_report(f.r, &s);
	return s;
}

static void the_server_is_found(void **state)
{
	struct address at = literal_address("127.0.0.1", 0);
	pid_t pid = server_start(listen_at(&at, 8), good_server);
	char text[ADDRESS_TEXT_MAX];

	(void)state;
	make_at(&at, (struct reconnect_config){0});
	assert_string_equal(report().addresses, address_describe(&at, text, sizeof(text)));
	assert_int_equal(report().next_try, 0);
	loop_run_for(f.loop, 200);
	assert_int_equal(f.found, 0); /* nothing is wanted */
	assert_true(reconnect_start(f.r, 1, false, false));
	await(&f.found);
	assert_int_equal(f.size, EXPORT_SIZE);
	assert_true(address_equal(&f.peer, &at));
	reconnect_hand_over(f.r);
	reconnect_handed_over(f.r, 1, true);
	reconnect_recovered(f.r, 0, false, false);
	assert_string_equal(report().error, "");
	assert_int_equal(report().next_try, 0);
	server_stop(pid);
}

/* Once the device is being detached, no server is wanted. */
static void what_is_not_wanted_is_left(void **state)
{
	struct address at = literal_address("127.0.0.1", 0);
	pid_t pid = server_start(listen_at(&at, 8), good_server);

	(void)state;
	make_at(&at, (struct reconnect_config){0});
	f.view.dials = false;
	reconnect_start(f.r, 1, false, false);
	loop_run_for(f.loop, 700);
	reconnect_hurry(f.r, "nobody wants it");
	f.view.dials = true;
	f.view.has_room = false;
	loop_run_for(f.loop, 700);
	assert_int_equal(f.found + f.refused, 0);
	reconnect_stop(f.r);
	f.view.has_room = true;
	loop_run_for(f.loop, 700);
	assert_int_equal(f.found, 0);
	assert_int_equal(report().next_try, 0);
	server_stop(pid);
}

static void a_failure_is_explained(void **state)
{
	struct address at = literal_address("127.0.0.1", unused_port("127.0.0.1"));
	struct err err;

	(void)state;
	make_at(&at, (struct reconnect_config){0});
	reconnect_start(f.r, 1, false, false);
	await(&f.changed);
	assert_int_equal(f.refused, 0);
	assert_memory_equal(report().error, "explained: ", 11);
	/* It was reported, and is not new until another message comes. */
	err_set(&err, ERR_RETRY, EAGAIN, "%s", report().error);
	assert_false(reconnect_is_news(f.r, &err));
	err_set(&err, ERR_RETRY, EAGAIN, "something else");
	assert_true(reconnect_is_news(f.r, &err));
	assert_false(reconnect_is_news(f.r, &err));
}

/* A server that refuses each time with another text, and one that closes with another. */
static void a_server_does_not_fill_the_log(void **state)
{
	struct address at = literal_address("127.0.0.1", unused_port("127.0.0.1"));
	unsigned refusals = 0, others = 0;
	struct err err;

	(void)state;
	make_at(&at, (struct reconnect_config){0});
	for (unsigned i = 0; i < 100; i++) {
		err_set(&err, ERR_RETRY, EAGAIN, "down (it says \"%u\")", i);
		others += reconnect_is_news(f.r, &err);
		err_set(&err, ERR_PERMANENT, EPROTO, "refused (it says \"%u\")", i);
		refusals += reconnect_is_news(f.r, &err);
	}
	assert_int_equal(refusals, 3);
	assert_int_equal(others, 3);
	/* Nor by serving in between. */
	reconnect_recovered(f.r, 0, false, false);
	assert_false(reconnect_is_news(f.r, &err));
}

/* The export has shrunk, which is allowed only with --accept. */
static void another_export_is_refused(void **state)
{
	struct address at = literal_address("127.0.0.1", 0);
	pid_t pid = server_start(listen_at(&at, 8), good_server);

	(void)state;
	f.at.plan.size = f.at.known.size = 2 * EXPORT_SIZE;
	make_at(&at, (struct reconnect_config){0});
	reconnect_start(f.r, 1, false, false);
	await(&f.refused);
	assert_int_equal(f.err.kind, ERR_PERMANENT);
	assert_int_equal(f.found, 0);
	assert_string_equal(report().error, f.err.message);
	reconnect_accept(f.r, ACCEPT_SMALLER);
	reconnect_hurry(f.r, "it is accepted");
	await(&f.found);
	/* The connection ended before the kernel was offered it. */
	reconnect_hand_over(f.r);
	reconnect_handed_over(f.r, 0, true);
	reconnect_recovered(f.r, 1, false, true);
	assert_int_equal(reconnect_accepted(f.r), ACCEPT_SMALLER);
	/* For this outage only. */
	reconnect_hand_over(f.r);
	reconnect_handed_over(f.r, 1, true);
	reconnect_recovered(f.r, 0, false, false);
	assert_int_equal(reconnect_accepted(f.r), 0);
	server_stop(pid);
}

static void a_grown_export_is_told(void **state)
{
	struct address at = literal_address("127.0.0.1", 0);
	pid_t pid = server_start(listen_at(&at, 8), good_server);

	(void)state;
	f.at.plan.size = f.at.known.size = EXPORT_SIZE / 2;
	make_at(&at, (struct reconnect_config){0});
	reconnect_start(f.r, 1, false, false);
	await(&f.found);
	assert_int_equal(f.size, EXPORT_SIZE);
	server_stop(pid);
}

static void the_sockets_owner_counts(void **state)
{
	char own[] = "/tmp/reconnect-XXXXXX", path[64];
	struct address at;
	struct address_list none = {.n = 0};
	struct err err;
	pid_t pid;

	(void)state;
	assert_non_null(mkdtemp(own));
	snprintf(path, sizeof(path), "%s/socket", own);
	at = unix_address(path);
	pid = server_start(listen_at(&at, 8), good_server);
	endpoint_init(&f.endpoint);
	f.endpoint.type = ENDPOINT_UNIX;
	f.endpoint.path = strdup(path);
	f.endpoint.path_len = strlen(path);
	f.endpoint.export_name = strdup("");
	make((struct reconnect_config){0});
	reconnect_set_owner(f.r, getuid() + 1);
	assert_int_equal(report().peer_uid, getuid() + 1);
	assert_int_equal(reconnect_know(f.r, &none, NULL, NULL, &err), 0);
	reconnect_start(f.r, 1, false, false);
	await(&f.refused);
	assert_non_null(strstr(f.err.message, "another user serves the socket now"));
	assert_int_equal(f.found, 0);
	server_stop(pid);
	unlink(path);
	rmdir(own);
}

/* The digest of a content, as a helper computes it. */
#define PLAIN "00000000000000010000000000000002"

/* A supervisor that takes over compares with the content of this record. */
static void assert_record_compares(const char *record)
{
	const struct address_list none = {.n = 0};
	const struct attempt_result same = {.fd = -1, .sampled = true, .digest = {1, 2}};
	const struct attempt_result other = {.fd = -1, .sampled = true, .digest = {1, 3}};
	struct state former = {.peer_uid = -1};
	struct err err;

	snprintf(former.content, sizeof(former.content), "%s", record);
	reconnect_free(f.r);
	make((struct reconnect_config){.same_content = 65536});
	assert_int_equal(reconnect_adopt(f.r, &former, &none, &err), 0);
	assert_int_equal(reconnect_check_content(f.r, &same, &err), 0);
	assert_int_equal(reconnect_check_content(f.r, &other, &err), -ESTALE);
}

/*
 * Every user can read the state file: it has the digest of the content only with a key. An earlier
 * version wrote the digest itself.
 */
static void the_record_of_the_content_has_a_key(void **state)
{
	const struct address_list none = {.n = 0};
	const struct digest digest = {.high = 1, .low = 2};
	const struct ids ids = {0};
	struct state now;
	char secret[PATH_MAX];
	struct err err;

	(void)state;
	f.at.plan.flags |= NBD_TX_READ_ONLY;
	tcp_endpoint(&f.endpoint, "nonexistent.invalid", 1);
	make((struct reconnect_config){.same_content = 65536});
	assert_int_equal(reconnect_know(f.r, &none, &digest, &ids, &err), 0);
	now = report();
	assert_null(strstr(now.content, PLAIN));
	assert_int_equal(strncmp(now.content, "65536 1048576 keyed ", 20), 0);
	assert_int_equal(strlen(now.content), 20 + 32);
	assert_record_compares(now.content);
	assert_string_equal(report().content, now.content);
	assert_record_compares("65536 1048576 " PLAIN);
	assert_string_equal(report().content, now.content);
	/* With another key, it is another digest. */
	snprintf(secret, sizeof(secret), "%s/secret", dir);
	assert_int_equal(unlink(secret), 0);
	assert_record_compares("65536 1048576 " PLAIN);
	assert_string_not_equal(report().content, now.content);
	assert_int_equal(unlink(secret), 0);
}

/* Its content cannot be read here, so it does not count as the same content. */
static void other_content_is_refused(void **state)
{
	struct address at = literal_address("127.0.0.1", 0);
	const struct address_list list = {.n = 1, .item = {at}};
	const struct digest digest = {.high = 1, .low = 2};
	const struct ids ids = {0};
	struct state former = {.peer_uid = -1}, now;
	struct err err;

	(void)state;
	f.at.plan.flags |= NBD_TX_READ_ONLY;
	tcp_endpoint(&f.endpoint, "nonexistent.invalid", 1);
	make((struct reconnect_config){.same_content = 65536});
	assert_int_equal(reconnect_check(f.r, &err), 0);
	assert_int_equal(reconnect_know(f.r, &list, &digest, &ids, &err), 0);
	now = report();
	assert_int_equal(strncmp(now.content, "65536 1048576 ", 14), 0);
	/* A later supervisor uses that. */
	memcpy(former.content, now.content, sizeof(former.content));
	reconnect_free(f.r);
	make((struct reconnect_config){.same_content = 65536});
	assert_int_equal(reconnect_adopt(f.r, &former, &list, &err), 0);
	assert_string_equal(report().content, now.content);
}

static struct attempt_result disk_of(const char *uuid)
{
	struct attempt_result r = {.fd = -1, .sampled = true};

	snprintf(r.ids.id[IDS_EXT], sizeof(r.ids.id[0]), "%s", uuid);
	return r;
}

static void identifiers_are_compared(void **state)
{
	const struct address_list none = {.n = 0};
	const struct attempt_result a = disk_of("aa"), b = disk_of("bb"), unread = {.fd = -1};
	struct state former = {.peer_uid = -1}, now;
	uint64_t size;
	uint32_t sample;
	struct err err;

	(void)state;
	tcp_endpoint(&f.endpoint, "nonexistent.invalid", 1);
	make((struct reconnect_config){.same_content = IDS_SAMPLE});
	/* A writable device can have them compared. */
	assert_int_equal(reconnect_check(f.r, &err), 0);
	assert_int_equal(reconnect_know(f.r, &none, &a.digest, &a.ids, &err), 0);
	reconnect_sample(f.r, &sample, &size);
	assert_int_equal(sample, IDS_SAMPLE);
	assert_int_equal(size, EXPORT_SIZE);
	assert_int_equal(reconnect_check_content(f.r, &a, &err), 0);
	assert_int_equal(reconnect_check_content(f.r, &b, &err), -EXDEV);
	assert_int_equal(err.kind, ERR_PERMANENT);
	assert_non_null(strstr(err.message, "another disk, ext bb instead of aa"));
	assert_int_equal(reconnect_check_content(f.r, &unread, &err), -EXDEV);
	/* What is accepted is the device's only when the kernel has it. */
	reconnect_accept(f.r, ACCEPT_CONTENT);
	assert_int_equal(reconnect_check_content(f.r, &b, &err), 0);
	/* What was not read cannot be accepted. */
	assert_int_equal(reconnect_check_content(f.r, &unread, &err), -EXDEV);
	assert_string_equal(report().content, "ids 1048576 ext:aa");
	reconnect_handed_over(f.r, 0, true);
	reconnect_recovered(f.r, 1, false, true);
	assert_string_equal(report().content, "ids 1048576 ext:aa");
	assert_int_equal(reconnect_check_content(f.r, &b, &err), 0);
	reconnect_handed_over(f.r, 1, true);
	reconnect_recovered(f.r, 0, false, false);
	assert_string_equal(report().content, "ids 1048576 ext:bb");
	assert_int_equal(reconnect_check_content(f.r, &a, &err), -EXDEV);
	/* The device's own disk comes back before the kernel has the accepted one. */
	reconnect_accept(f.r, ACCEPT_CONTENT);
	assert_int_equal(reconnect_check_content(f.r, &a, &err), 0);
	assert_int_equal(reconnect_check_content(f.r, &b, &err), 0);
	reconnect_handed_over(f.r, 1, true);
	reconnect_recovered(f.r, 0, false, false);
	now = report();
	/* The kernel knows of no dead connection: it has its own disk, and the outage is over. */
	reconnect_accept(f.r, ACCEPT_CONTENT);
	assert_int_equal(reconnect_check_content(f.r, &a, &err), 0);
	reconnect_handed_over(f.r, 0, true);
	reconnect_recovered(f.r, 0, false, false);
	assert_string_equal(report().content, "ids 1048576 ext:bb");
	assert_int_equal(reconnect_accepted(f.r), 0);
	assert_string_equal(now.content, "ids 1048576 ext:bb");
	/* A later supervisor knows it, or knows that it does not. */
	memcpy(former.content, now.content, sizeof(former.content));
	reconnect_free(f.r);
	make((struct reconnect_config){.same_content = IDS_SAMPLE});
	assert_int_equal(reconnect_adopt(f.r, &former, &none, &err), 0);
	assert_int_equal(reconnect_check_content(f.r, &a, &err), -EXDEV);
	reconnect_free(f.r);
	make((struct reconnect_config){.same_content = IDS_SAMPLE});
	strcpy(former.content, "ids 1048576 ext:../..");
	assert_int_equal(reconnect_adopt(f.r, &former, &none, &err), 0);
	assert_int_equal(reconnect_check_content(f.r, &a, &err), 0);
	assert_string_equal(report().content, "");
}

/* A writable device needs this, so that an old server cannot overwrite data of a new one. */
static void plans_are_checked(void **state)
{
	struct err err;

	(void)state;
	tcp_endpoint(&f.endpoint, "nonexistent.invalid", 1);
	tcp_endpoint(&f.second, "127.0.0.1", 1);
	make((struct reconnect_config){.same_content = 65536});
	assert_int_equal(reconnect_check(f.r, &err), -EINVAL);
	assert_non_null(strstr(err.message, "--same-content=ids"));
	reconnect_free(f.r);
	make((struct reconnect_config){.failover = &f.second, .n_failover = 1});
	assert_int_equal(reconnect_check(f.r, &err), -EINVAL);
	reconnect_free(f.r);
	make((struct reconnect_config){
	    .failover = &f.second, .n_failover = 1, .failover_unfenced = true});
	assert_int_equal(reconnect_check(f.r, &err), 0);
}

/* The first server stays lost; the second one is used when the command has succeeded. */
static void fail_over(const char *fence)
{
	struct address dead = literal_address("127.0.0.1", unused_port("127.0.0.1"));
	struct address at = literal_address("127.0.0.1", 0);
	pid_t pid = server_start(listen_at(&at, 8), good_server);

	tcp_endpoint(&f.second, "127.0.0.1", address_port(&at));
	make_at(&dead,
		(struct reconnect_config){.failover = &f.second, .n_failover = 1, .fence = fence});
	assert_string_equal(report().serving, "nbd://nonexistent.invalid:1/");
	reconnect_start(f.r, 1, false, false);
	for (int i = 0; i < 1500 && f.found == 0 && !strstr(report().fence, "failed"); i++)
		loop_run_for(f.loop, 10);
	server_stop(pid);
}

static void another_server_takes_over(void **state)
{
	(void)state;
	fail_over("exit 0");
	assert_int_equal(f.found, 1);
	assert_string_equal(report().fence, "done");
	reconnect_hand_over(f.r);
	assert_ptr_equal(reconnect_endpoint(f.r), &f.second);
	assert_ptr_equal(reconnect_helpers(f.r), f.helpers);
	/* The kernel declines: the connections still lead to the first one. */
	assert_false(reconnect_declined(f.r));
	assert_ptr_equal(reconnect_endpoint(f.r), &f.endpoint);
	reconnect_hand_over(f.r);
	reconnect_handed_over(f.r, 1, true);
	reconnect_recovered(f.r, 0, false, false);
	assert_int_equal(report().failovers, 1);
	assert_string_equal(report().fence, "");
}

static void what_is_not_fenced_off_keeps_it(void **state)
{
	(void)state;
	fail_over("exit 1");
	assert_int_equal(f.found, 0);
	assert_non_null(strstr(report().fence, "no other server is used"));
}

/* A connection that the kernel is just given may become one in use, and it has its server. */
static void no_other_server_has_a_turn_during_a_hand_over(void **state)
{
	struct address dead = literal_address("127.0.0.1", unused_port("127.0.0.1"));
	struct address at = literal_address("127.0.0.1", 0);
	pid_t pid = server_start(listen_at(&at, 8), good_server);

	(void)state;
	tcp_endpoint(&f.second, "127.0.0.1", address_port(&at));
	make_at(&dead, (struct reconnect_config){.failover = &f.second, .n_failover = 1});
	f.view.busy = true;
	reconnect_start(f.r, 1, false, false);
	loop_run_for(f.loop, 3000);
	assert_int_equal(f.found, 0);
	f.view.busy = false;
	await(&f.found);
	assert_true(address_equal(&f.peer, &at));
	server_stop(pid);
}

/* While connections live, new ones may only go to their server. */
static void beside_living_ones_only_their_server(void **state)
{
	struct address_list none = {.n = 0};
	struct state former = {.peer_uid = 5};
	struct err err;

	(void)state;
	tcp_endpoint(&f.endpoint, "127.0.0.1", unused_port("127.0.0.1"));
	tcp_endpoint(&f.second, "127.0.0.1", unused_port("127.0.0.1"));
	make((struct reconnect_config){.failover = &f.second, .n_failover = 1});
	snprintf(former.uri, sizeof(former.uri), "nbd://elsewhere");
	assert_int_equal(reconnect_adopt(f.r, &former, &none, &err), -EINVAL);
	/* Which one serves is not known. */
	snprintf(former.serving, sizeof(former.serving), "unknown");
	assert_int_equal(reconnect_adopt(f.r, &former, &none, &err), 0);
	assert_int_equal(report().peer_uid, -1);
	f.view.alive = 1;
	assert_false(reconnect_start(f.r, 1, false, true));
	f.view.alive = 0;
	assert_true(reconnect_start(f.r, 1, false, false));
}

static int remove_own(void **state)
{
	char secret[PATH_MAX];

	snprintf(secret, sizeof(secret), "%s/secret", dir);
	unlink(secret);
	return rundir_remove_own(state);
}

static void a_part_that_is_not_there(void **state)
{
	(void)state;
	reconnect_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(the_server_is_found, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_is_not_wanted_is_left, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_failure_is_explained, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_server_does_not_fill_the_log, setup, teardown),
	    cmocka_unit_test_setup_teardown(another_export_is_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_grown_export_is_told, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_sockets_owner_counts, setup, teardown),
	    cmocka_unit_test_setup_teardown(identifiers_are_compared, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_record_of_the_content_has_a_key, setup, teardown),
	    cmocka_unit_test_setup_teardown(other_content_is_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(plans_are_checked, setup, teardown),
	    cmocka_unit_test_setup_teardown(another_server_takes_over, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_is_not_fenced_off_keeps_it, setup, teardown),
	    cmocka_unit_test_setup_teardown(no_other_server_has_a_turn_during_a_hand_over, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(beside_living_ones_only_their_server, setup, teardown),
	    cmocka_unit_test(a_part_that_is_not_there),
	};

	return cmocka_run_group_tests(tests, rundir_make_own, remove_own);
}
