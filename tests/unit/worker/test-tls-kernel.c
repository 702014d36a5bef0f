/* SPDX-License-Identifier: MIT */
/*
 * worker/tls/kernel.c: what follows when the kernel does not take the keys. This program's
 * setsockopt() stands for the kernel's TLS, and a few functions for GnuTLS.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "worker/tls/private.h"

#define TLS_LEVEL 282

static struct {
	int sending, receiving; /* errno for the keys of each direction; 0: they are taken */
	int given;
} kernel;

int setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
	(void)fd, (void)value, (void)len;
	if (level == IPPROTO_TCP && option == TCP_ULP)
		return 0;
	assert_int_equal(level, TLS_LEVEL);
	errno = option == TLS_TX ? kernel.sending : kernel.receiving;
	kernel.given += !errno;
	return errno ? -1 : 0;
}

static size_t check_pending(gnutls_session_t session)
{
	(void)session;
	return 0;
}

static gnutls_cipher_algorithm_t cipher(gnutls_session_t session)
{
	(void)session;
	return GNUTLS_CIPHER_CHACHA20_POLY1305;
}

static const char *cipher_name(gnutls_cipher_algorithm_t number)
{
	(void)number;
	return "CHACHA20-POLY1305";
}

static gnutls_protocol_t version(gnutls_session_t session)
{
	(void)session;
	return GNUTLS_TLS1_3;
}

static const char *version_name(gnutls_protocol_t number)
{
	(void)number;
	return "TLS1.3";
}

static int record_state(gnutls_session_t session, unsigned receiving, gnutls_datum_t *mac,
			gnutls_datum_t *iv, gnutls_datum_t *key, unsigned char seq[8])
{
	static unsigned char bytes[32];

	(void)session, (void)receiving;
	*mac = (gnutls_datum_t){NULL, 0};
	*iv = (gnutls_datum_t){bytes, 12};
	*key = (gnutls_datum_t){bytes, 32};
	memset(seq, 0, 8);
	return 0;
}

static int offload(int sending, int receiving, struct err *err)
{
	static const struct tls_lib lib = {
	    .record_check_pending = check_pending,
	    .cipher_get = cipher,
	    .cipher_get_name = cipher_name,
	    .protocol_get_version = version,
	    .protocol_get_name = version_name,
	    .record_get_state = record_state,
	};
	static struct tls t = {.lib = &lib};

	kernel.sending = sending;
	kernel.receiving = receiving;
	kernel.given = 0;
	return tls_offload(&t, err);
}

static void it_takes_both_directions(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(offload(0, 0, &err), 0);
	assert_int_equal(kernel.given, 2);
}

/* Then a relay does what the kernel cannot. */
static void a_kernel_without_the_cipher(void **state)
{
	static const int errors[] = {EINVAL, ENOENT, EOPNOTSUPP, ENOPROTOOPT};
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		assert_int_equal(offload(errors[i], errors[i], &err), -TLS_NOT_IN_KERNEL);
		assert_int_equal(kernel.given, 0);
		assert_string_equal(
		    err.message,
		    "this kernel's TLS does not support TLS1.3 with CHACHA20-POLY1305");
		assert_int_equal(offload(0, errors[i], &err), -TLS_NOT_IN_KERNEL);
		assert_int_equal(kernel.given, 1);
	}
}

static void other_errors_are_told(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(offload(ENOMEM, 0, &err), -ENOMEM);
	assert_int_equal(err.kind, ERR_SYSTEM);
	assert_non_null(strstr(err.message, "cannot give the keys to the kernel"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(it_takes_both_directions),
	    cmocka_unit_test(a_kernel_without_the_cipher),
	    cmocka_unit_test(other_errors_are_told),
	};

	return cmocka_run_group_tests_name("tls-kernel", tests, NULL, NULL);
}
