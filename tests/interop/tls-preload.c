/* SPDX-License-Identifier: MIT */
/*
 * Loaded into a server that uses GnuTLS (LD_PRELOAD). After every TLS_EVERY-th record the server
 * does what TLS_DOES names: key-update, bye, or handshake (TLS 1.2's HelloRequest). A server may
 * do so at any time, and the kernel's TLS cannot handle it.
 */
#include <dlfcn.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

typedef ssize_t send_fn(gnutls_session_t session, const void *data, size_t len);

ssize_t gnutls_record_send(gnutls_session_t session, const void *data, size_t len)
{
	static unsigned sent;
	const char *does = getenv("TLS_DOES"), *every = getenv("TLS_EVERY");
	send_fn *next;
	void *symbol = dlsym(RTLD_NEXT, "gnutls_record_send");
	ssize_t n;

	memcpy(&next, &symbol, sizeof(next));
	n = next(session, data, len);
	if (!does || !every || __sync_add_and_fetch(&sent, 1) % (unsigned)atoi(every))
		return n;
	if (strcmp(does, "key-update") == 0)
		gnutls_session_key_update(session, GNUTLS_KU_PEER);
	else if (strcmp(does, "bye") == 0)
		gnutls_bye(session, GNUTLS_SHUT_WR);
	else if (strcmp(does, "handshake") == 0)
		gnutls_rehandshake(session);
	return n;
}
