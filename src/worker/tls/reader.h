/* SPDX-License-Identifier: MIT */
/*
 * The process that reads certificates and keys, with the caller's rights, into sealed memory: see
 * transport/tls-files.h. It opens and checks all files, gives up every right (sandbox.h), and only
 * then reads. It receives no data from a server.
 */
#ifndef WORKER_TLS_READER_H
#define WORKER_TLS_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/process.h"
#include "endpoint/endpoint.h"
#include "worker/sandbox.h"

/* What the reader is started with: which files, by the endpoint's rules. */
enum tls_reader_path {
	TLS_READER_CA,
	TLS_READER_CRL,
	TLS_READER_CERT,
	TLS_READER_KEY,
	TLS_READER_PSK,
	TLS_READER_DIRECTORY,
	TLS_READER_PATHS
};

struct tls_reader_job {
	struct sandbox sandbox;
	bool verify;		       /* certificates of authorities are needed */
	uint16_t at[TLS_READER_PATHS]; /* in text; 0: there is none */
	char text[TLS_READER_PATHS * 4096 + 1];
};

/* Fills it, and its length in bytes. 0, or -ENAMETOOLONG with *err (USAGE). */
int tls_reader_fill(struct tls_reader_job *ret_job, size_t *ret_len, const struct endpoint *e,
		    const struct sandbox *sandbox, struct err *err);

/* The process that reads; its setup is a struct tls_reader_job. */
process_fn tls_reader_run;

/*
 * Receives its one answer: the sealed memory (the caller's), with a bit in *ret_present for each
 * enum tls_file that is in it; -EAGAIN; or another -errno with *err.
 */
int tls_reader_receive(int fd, unsigned *ret_present, struct err *err);

#endif
