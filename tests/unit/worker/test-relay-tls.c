/* SPDX-License-Identifier: MIT */
/* The relay with a real session of TLS 1.3, and unusual records of a server. */
#include "relay-fixture.h"

#include <dlfcn.h>
#include <gnutls/gnutls.h>
#include <netinet/tcp.h>

#include "base/sonames.h"
#include "nbd/wire.h"
#include "worker/relay.h"
#include "worker/tls/private.h"

#define PRIORITY "NORMAL:-VERS-ALL:+VERS-TLS1.3:+DHE-PSK:+PSK"
#define ODD	 16001	  /* bytes of a record: its end cuts a reply in two */
#define MUCH	 ODD * 35 /* more than the relay's block and the kernel's socket hold */

/* Needed only by the server. */
static struct {
	__typeof__(gnutls_transport_set_int2) *transport_set_int2;
	__typeof__(gnutls_psk_allocate_server_credentials) *allocate;
	__typeof__(gnutls_psk_set_server_credentials_function) *set_function;
	__typeof__(gnutls_malloc) *malloc;
	__typeof__(gnutls_session_key_update) *key_update;
	__typeof__(gnutls_psk_free_server_credentials) *free_server;
	__typeof__(gnutls_psk_free_client_credentials) *free_client;
} more;

static struct tls_lib lib;
static uint8_t key_bytes[] = "0123456789abcdef";

struct way {
	struct relay_ends ends;
	gnutls_session_t session;
	gnutls_psk_server_credentials_t psk;
};

static int load(void **state)
{
	static const char *const names[] = {
	    "gnutls_transport_set_int2",
	    "gnutls_psk_allocate_server_credentials",
	    "gnutls_psk_set_server_credentials_function",
	    "gnutls_malloc",
	    "gnutls_session_key_update",
	    "gnutls_psk_free_server_credentials",
	    "gnutls_psk_free_client_credentials",
	};
	void *handle = dlopen(SONAME_GNUTLS, RTLD_NOW | RTLD_LOCAL), *f;
	struct err err;

	(void)state;
	if (!handle || tls_lib_load(&lib, &err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		f = dlsym(handle, names[i]);
		if (!f)
			return -1;
		memcpy((char *)&more + i * sizeof(f), &f, sizeof(f));
	}
	return 0;
}

static int give_key(gnutls_session_t session, const char *user, gnutls_datum_t *key)
{
	(void)session;
	(void)user;
	key->data = (*more.malloc)(sizeof(key_bytes));
	key->size = sizeof(key_bytes);
	memcpy(key->data, key_bytes, sizeof(key_bytes));
	return 0;
}

static void shake_hands(gnutls_session_t session, int fd)
{
	int ret;

	more.transport_set_int2(session, fd, fd);
	do
		ret = lib.handshake(session);
	while (ret < 0 && !lib.error_is_fatal(ret));
	if (ret < 0)
		fail_msg("%s", lib.strerror(ret));
}

/* Acts like a worker, and from then on like a relay. */
static void relay(int sock, int kernel)
{
	const gnutls_datum_t key = {.data = key_bytes, .size = sizeof(key_bytes)};
	struct tls tls = {.lib = &lib};
	const struct relay_config cfg = {
	    .sock = sock, .kernel = kernel, .tls = &tls, .peer_timeout_ms = 5000};
	struct relay *r;

	lib.init(&tls.session, GNUTLS_CLIENT);
	lib.priority_set_direct(tls.session, PRIORITY, NULL);
	lib.psk_allocate_client_credentials(&tls.psk);
	lib.psk_set_client_credentials(tls.psk, "user", &key, GNUTLS_PSK_KEY_RAW);
	lib.credentials_set(tls.session, GNUTLS_CRD_PSK, tls.psk);
	shake_hands(tls.session, sock);
	lib.transport_set_ptr(tls.session, &tls);
	r = relay_new(&cfg);
	if (!r)
		_exit(1);
	relay_run(r);
	free(r);
	lib.deinit(tls.session);
	more.free_client(tls.psk);
	_exit(0);
}

static void way_open(struct way *w)
{
	const struct timeval patience = {.tv_sec = 5};

	relay_open(&w->ends, relay);
	setsockopt(w->ends.kernel, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	lib.init(&w->session, GNUTLS_SERVER);
	lib.priority_set_direct(w->session, PRIORITY, NULL);
	more.allocate(&w->psk);
	more.set_function(w->psk, give_key);
	lib.credentials_set(w->session, GNUTLS_CRD_PSK, w->psk);
	shake_hands(w->session, w->ends.server);
}

static void way_ended(struct way *w)
{
	int status;

	close(w->ends.kernel);
	assert_int_equal(waitpid(w->ends.pid, &status, 0), w->ends.pid);
	assert_int_equal(status, 0);
	lib.deinit(w->session);
	more.free_server(w->psk);
}

static void put_reply(uint8_t *p, uint32_t error)
{
	put_be32(p, NBD_SIMPLE_MAGIC);
	put_be32(p + 4, error);
	put_be64(p + 8, 1);
}

/* A reply follows a change of keys in the same piece, and nothing follows the reply. */
static void reply_behind_new_keys_passes(void **state)
{
	uint8_t reply[NBD_SIMPLE_LEN], got[NBD_SIMPLE_LEN];
	int on = 1, off = 0;
	struct way w;

	(void)state;
	way_open(&w);
	put_reply(reply, 0);
	setsockopt(w.ends.server, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
	assert_int_equal(more.key_update(w.session, 0), 0);
	assert_int_equal(lib.record_send(w.session, reply, sizeof(reply)), sizeof(reply));
	setsockopt(w.ends.server, IPPROTO_TCP, TCP_CORK, &off, sizeof(off));
	assert_int_equal(recv(w.ends.kernel, got, sizeof(got), MSG_WAITALL), sizeof(got));
	assert_memory_equal(got, reply, sizeof(got));
	close(w.ends.server);
	way_ended(&w);
}

/* The server's end is noticed while much of its data waits, cut anywhere. */
static void refusal_is_found_behind_the_end(void **state)
{
	static uint8_t replies[MUCH / NBD_SIMPLE_LEN * NBD_SIMPLE_LEN], got[sizeof(replies)];
	const size_t good = sizeof(replies) - NBD_SIMPLE_LEN;
	struct way w;

	(void)state;
	for (size_t at = 0; at < sizeof(replies); at += NBD_SIMPLE_LEN)
		put_reply(replies + at, at < good ? 0 : NBD_ESHUTDOWN);
	way_open(&w);
	for (size_t at = 0, n; at < sizeof(replies); at += n) {
		n = sizeof(replies) - at < ODD ? sizeof(replies) - at : ODD;
		assert_int_equal(lib.record_send(w.session, replies + at, n), n);
	}
	close(w.ends.server);
	usleep(500000);
	assert_int_equal(recv(w.ends.kernel, got, sizeof(got), MSG_WAITALL), good);
	assert_memory_equal(got, replies, good);
	way_ended(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reply_behind_new_keys_passes),
	    cmocka_unit_test(refusal_is_found_behind_the_end),
	};

	return cmocka_run_group_tests(tests, load, NULL);
}
