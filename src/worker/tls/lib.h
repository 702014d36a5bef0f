/* SPDX-License-Identifier: MIT */
/*
 * GnuTLS, which only the process that uses TLS loads: attaching without TLS neither needs GnuTLS to
 * be installed nor spends time loading it. Loading reads files, so it comes before the sandbox.
 */
#ifndef WORKER_TLS_LIB_H
#define WORKER_TLS_LIB_H

#include <gnutls/gnutls.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>

#include "base/err.h"

/* clang-format off */
#define TLS_LIB_FUNCTIONS(X) \
	X(alert_get) \
	X(alert_get_name) \
	X(anon_allocate_client_credentials) \
	X(bye) \
	X(certificate_allocate_credentials) \
	X(certificate_get_ours) \
	X(certificate_get_peers) \
	X(certificate_set_trust_list) \
	X(certificate_set_x509_key_mem) \
	X(certificate_verify_peers) \
	X(check_version) \
	X(cipher_get) \
	X(cipher_get_name) \
	X(credentials_set) \
	X(deinit) \
	X(error_is_fatal) \
	X(handshake) \
	X(init) \
	X(priority_set_direct) \
	X(protocol_get_name) \
	X(protocol_get_version) \
	X(psk_allocate_client_credentials) \
	X(psk_set_client_credentials) \
	X(record_check_pending) \
	X(record_get_state) \
	X(record_recv) \
	X(record_send) \
	X(rnd) \
	X(rnd_refresh) \
	X(server_name_set) \
	X(session_get_ptr) \
	X(session_set_ptr) \
	X(session_set_verify_function) \
	X(strerror) \
	X(transport_set_errno) \
	X(transport_set_ptr) \
	X(transport_set_pull_function) \
	X(transport_set_pull_timeout_function) \
	X(transport_set_push_function) \
	X(x509_crl_check_issuer) \
	X(x509_crl_get_extension_info) \
	X(x509_crl_get_issuer_dn) \
	X(x509_crl_get_next_update) \
	X(x509_crl_get_this_update) \
	X(x509_crl_list_import2) \
	X(x509_crl_verify) \
	X(x509_crt_check_issuer) \
	X(x509_crt_check_revocation) \
	X(x509_crt_deinit) \
	X(x509_crt_equals) \
	X(x509_crt_get_dn) \
	X(x509_crt_get_expiration_time) \
	X(x509_crt_get_subject_alt_name) \
	X(x509_crt_import) \
	X(x509_crt_init) \
	X(x509_crt_list_import2) \
	X(x509_crt_verify) \
	X(x509_trust_list_add_cas) \
	X(x509_trust_list_init) \
	X(x509_trust_list_verify_crt2)
/* clang-format on */

/* gnutls_init() is lib->init(), and so on. */
struct tls_lib {
#define X(name) __typeof__(gnutls_##name) *name;
	TLS_LIB_FUNCTIONS(X)
#undef X
};

/* 0, or -errno with *err (SYSTEM). Never unloaded: the process ends. */
int tls_lib_load(struct tls_lib *ret_lib, struct err *err);

/* The certificate `der` imported, or NULL. The caller frees it with x509_crt_deinit. */
gnutls_x509_crt_t tls_lib_import(const struct tls_lib *lib, const gnutls_datum_t *der);

#endif
