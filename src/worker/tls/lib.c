/* SPDX-License-Identifier: MIT */
#include "worker/tls/lib.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/library.h"
#include "base/sonames.h"

#define OLDEST "3.6.3" /* TLS 1.3 */

LIBRARY_NOTE(SONAME_GNUTLS, "tls", "TLS");

int tls_lib_load(struct tls_lib *ret_lib, struct err *err)
{
	static const struct {
		const char *name;
		size_t offset;
	} functions[] = {
#define X(name) {"gnutls_" #name, offsetof(struct tls_lib, name)},
	    TLS_LIB_FUNCTIONS(X)
#undef X
	};
	void *handle = dlopen(SONAME_GNUTLS, RTLD_NOW | RTLD_LOCAL);
	uint8_t random;

	if (!handle)
		return err_set(err, ERR_SYSTEM, ENOENT,
			       "TLS needs GnuTLS, which cannot be loaded: %s", dlerror());
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
		void *f = dlsym(handle, functions[i].name);

		if (!f)
			return err_set(err, ERR_SYSTEM, ENOSYS,
				       "this GnuTLS is too old: it has no %s()", functions[i].name);
		memcpy((char *)ret_lib + functions[i].offset, &f, sizeof(f));
	}
	if (!ret_lib->check_version(OLDEST))
		return err_set(err, ERR_SYSTEM, ENOSYS,
			       "this GnuTLS, version %s, is too old: TLS 1.3 came with " OLDEST,
			       ret_lib->check_version(NULL));
	/* The generator seeds itself at its first use. */
	if (ret_lib->rnd(GNUTLS_RND_RANDOM, &random, sizeof(random)) < 0)
		return err_set(err, ERR_SYSTEM, EIO, "GnuTLS gets no random numbers");
	return 0;
}

gnutls_x509_crt_t tls_lib_import(const struct tls_lib *lib, const gnutls_datum_t *der)
{
	gnutls_x509_crt_t crt;

	if (!der || lib->x509_crt_init(&crt) < 0)
		return NULL;
	if (lib->x509_crt_import(crt, der, GNUTLS_X509_FMT_DER) < 0) {
		lib->x509_crt_deinit(crt);
		return NULL;
	}
	return crt;
}
