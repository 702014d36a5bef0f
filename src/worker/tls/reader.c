/* SPDX-License-Identifier: MIT */
/* The process that reads certificates and keys, and the one message it answers with. */
#include "worker/tls/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/process.h"
#include "transport/tls-files.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

struct reader_answer {
	int32_t ret;
	uint32_t present; /* a bit for each enum tls_file */
	struct err err;
};

/* One file: where it comes from and how it is treated. */
struct wanted {
	const char *path; /* NULL: from the directory, if that has it */
	const char *in_directory;
	const char *what;
	bool secret, needed;
	int fd;	    /* -1: there is no such file */
	char *name; /* where it was found */
};

int tls_reader_fill(struct tls_reader_job *ret_job, size_t *ret_len, const struct endpoint *e,
		    const struct sandbox *sandbox, struct err *err)
{
	const char *const paths[TLS_READER_PATHS] = {
	    [TLS_READER_CA] = e->tls_ca,	[TLS_READER_CRL] = e->tls_crl,
	    [TLS_READER_CERT] = e->tls_cert,	[TLS_READER_KEY] = e->tls_key,
	    [TLS_READER_PSK] = e->tls_psk_file, [TLS_READER_DIRECTORY] = e->tls_certificates,
	};
	size_t at = 1; /* 0 stands for none */

	memset(ret_job, 0, offsetof(struct tls_reader_job, text) + 1);
	ret_job->sandbox = *sandbox;
	ret_job->verify = e->tls_verify_peer && e->tls_type == TLS_TYPE_X509;
	for (size_t i = 0; i < TLS_READER_PATHS; i++) {
		size_t size = paths[i] ? strlen(paths[i]) + 1 : 0;

		if (!size)
			continue;
		if (size > PATH_MAX)
			return err_set(err, ERR_USAGE, ENAMETOOLONG,
				       "a path of a TLS file is longer than %d bytes",
				       PATH_MAX - 1);
		memcpy(ret_job->text + at, paths[i], size);
		ret_job->at[i] = (uint16_t)at;
		at += size;
	}
	*ret_len = offsetof(struct tls_reader_job, text) + at;
	return 0;
}

static bool job_valid(const struct tls_reader_job *job, size_t len)
{
	const size_t head = offsetof(struct tls_reader_job, text);

	if (len <= head || len > sizeof(*job) || job->text[len - head - 1] != '\0')
		return false;
	for (size_t i = 0; i < TLS_READER_PATHS; i++)
		if (job->at[i] >= len - head)
			return false;
	return true;
}

static const char *path_of(const struct tls_reader_job *job, enum tls_reader_path which)
{
	return job->at[which] ? job->text + job->at[which] : NULL;
}

static void list_wanted(const struct tls_reader_job *job, struct wanted w[TLS_FILES])
{
	w[TLS_FILE_CA] = (struct wanted){.path = path_of(job, TLS_READER_CA),
					 .in_directory = "ca-cert.pem",
					 .what = "the certificates of the authorities",
					 .needed = job->verify};
	w[TLS_FILE_CRL] = (struct wanted){.path = path_of(job, TLS_READER_CRL),
					  .in_directory = "ca-crl.pem",
					  .what = "the list of revoked certificates"};
	w[TLS_FILE_CERT] = (struct wanted){.path = path_of(job, TLS_READER_CERT),
					   .in_directory = "client-cert.pem",
					   .what = "the client certificate"};
	w[TLS_FILE_KEY] = (struct wanted){.path = path_of(job, TLS_READER_KEY),
					  .in_directory = "client-key.pem",
					  .what = "the key of the client certificate",
					  .secret = true};
	w[TLS_FILE_PSK] = (struct wanted){
	    .path = path_of(job, TLS_READER_PSK), .what = "the shared keys", .secret = true};
}

static bool is_ours(const struct stat *st)
{
	return st->st_uid == 0 || st->st_uid == geteuid();
}

/*
 * Like ssh(1): a user who can read a key has it, and a user who can change one of these files
 * decides which servers are trusted. A group may read a key if root owns the file.
 */
static int check_file(const struct stat *st, const struct wanted *w, const char *path,
		      struct err *err)
{
	if (!is_ours(st))
		return err_set(
		    err, ERR_USAGE, EPERM,
		    "%s (%s) belongs to uid %u, who could %schange it: run chown root on it", path,
		    w->what, (unsigned)st->st_uid, w->secret ? "read and " : "");
	if (w->secret && st->st_mode & (st->st_uid == 0 ? 027 : 077))
		return err_set(
		    err, ERR_USAGE, EPERM,
		    "%s (%s) can be read by other users, so it is not secret: run chmod 600 on it",
		    path, w->what);
	if (st->st_mode & 022)
		return err_set(err, ERR_USAGE, EPERM,
			       "%s (%s) can be written by other users, who could change which "
			       "servers are trusted: run chmod go-w on it",
			       path, w->what);
	return 0;
}

/* In a directory like /tmp (the sticky bit) only its owner may replace a file. */
static int check_directory(const char *file, const struct wanted *w, struct err *err)
{
	_cleanup_free_ char *text = strdup(file);
	const char *path = text ? dirname(text) : NULL;
	struct stat st;

	if (!text)
		return err_set(err, ERR_SYSTEM, ENOMEM, "no memory");
	if (stat(path, &st) < 0)
		return err_errno(err, ERR_USAGE, errno, "cannot look at the directory %s", path);
	if (!is_ours(&st))
		return err_set(err, ERR_USAGE, EPERM,
			       "the directory %s belongs to uid %u, who could replace %s (%s): run "
			       "chown root on it",
			       path, (unsigned)st.st_uid, file, w->what);
	if (st.st_mode & 022 && !(st.st_mode & S_ISVTX))
		return err_set(err, ERR_USAGE, EPERM,
			       "the directory %s can be written by other users, who could replace "
			       "%s (%s): run chmod go-w on it",
			       path, file, w->what);
	return 0;
}

/* The path that was given and, if it is a symbolic link, the path it leads to. */
static int check_directories(const char *path, const struct wanted *w, struct err *err)
{
	_cleanup_free_ char *real = realpath(path, NULL);
	int ret = check_directory(path, w, err);

	if (ret == 0 && !real)
		return err_errno(err, ERR_USAGE, errno, "cannot read %s, %s", path, w->what);
	return ret == 0 ? check_directory(real, w, err) : ret;
}

/* Its size in *ret_len. */
static int copy(int from, int to, uint32_t *ret_len)
{
	char buf[16384];
	uint32_t len = 0;
	ssize_t n;
	int ret = 0;

	for (;;) {
		n = read(from, buf, sizeof(buf));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			ret = n < 0 ? -errno : 0;
			break;
		}
		len += (uint32_t)n;
		ret = len > TLS_FILE_MAX ? -EFBIG : write(to, buf, (size_t)n) == n ? 0 : -ENOSPC;
		if (ret < 0)
			break;
	}
	explicit_bzero(buf, sizeof(buf));
	*ret_len = len;
	return ret;
}

/* Its descriptor in w->fd. */
static int open_one(struct wanted *w, const char *path, bool optional, struct err *err)
{
	/* Opening a FIFO must not block; it is refused below. */
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	int ret;

	if (fd < 0 && errno == ENOENT && optional)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(err, ERR_USAGE, errno, "cannot read %s, %s", path, w->what);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_USAGE, EINVAL, "%s (%s) is not a regular file", path,
			       w->what);
	ret = check_file(&st, w, path, err);
	if (ret == 0)
		ret = check_directories(path, w, err);
	if (ret == 0)
		w->fd = TAKE_FD(fd);
	return ret;
}

static int open_wanted(const char *directory, struct wanted *w, struct err *err)
{
	w->fd = -1;
	if (!w->path && (!w->in_directory || !directory))
		return 0;
	if (w->path)
		w->name = strdup(w->path);
	else if (asprintf(&w->name, "%s/%s", directory, w->in_directory) < 0)
		w->name = NULL;
	if (!w->name)
		return err_set(err, ERR_SYSTEM, ENOMEM, "no memory");
	return open_one(w, w->name, !w->path && !w->needed, err);
}

static int read_wanted(const struct wanted *w, int to, uint32_t *ret_len,
		       char shown[TLS_PATH_SHOWN], struct err *err)
{
	int ret;

	if (w->fd < 0)
		return 0;
	ret = copy(w->fd, to, ret_len);
	if (ret < 0)
		return err_errno(err, ERR_USAGE, -ret, "cannot read %s, %s", w->name, w->what);
	if (*ret_len == 0)
		return err_set(err, ERR_USAGE, EINVAL,
			       "%s (%s) is empty: it may have been cut off when it was written or "
			       "fetched",
			       w->name, w->what);
	snprintf(shown, TLS_PATH_SHOWN, "%s", w->name);
	return 0;
}

/* Needs the caller's rights, and is all that does. */
static int open_all(const struct tls_reader_job *job, struct wanted w[TLS_FILES], struct err *err)
{
	int ret = 0;

	list_wanted(job, w);
	for (size_t i = 0; ret == 0 && i < TLS_FILES; i++)
		ret = open_wanted(path_of(job, TLS_READER_DIRECTORY), &w[i], err);
	return ret;
}

static int read_all(const struct wanted w[TLS_FILES], int to, uint32_t *ret_present,
		    struct err *err)
{
	struct tls_contents contents = {.len = {0}};
	int ret = 0;

	if (lseek(to, sizeof(contents), SEEK_SET) < 0)
		return err_errno(err, ERR_SYSTEM, errno, "cannot keep the keys in memory");
	for (size_t i = 0; ret == 0 && i < TLS_FILES; i++) {
		ret = read_wanted(&w[i], to, &contents.len[i], contents.path[i], err);
		*ret_present |= contents.len[i] ? 1U << i : 0;
	}
	if (ret == 0 && !contents.len[TLS_FILE_CERT] != !contents.len[TLS_FILE_KEY])
		ret = err_set(err, ERR_USAGE, ENOENT,
			      "a client certificate needs its key and a key its certificate, and "
			      "%s is missing",
			      contents.len[TLS_FILE_CERT] ? "the key" : "the certificate");
	if (ret == 0 && (pwrite(to, &contents, sizeof(contents), 0) != sizeof(contents) ||
			 fcntl(to, F_ADD_SEALS, SEALS) < 0))
		ret = err_errno(err, ERR_SYSTEM, errno, "cannot keep the keys in memory");
	return ret;
}

static void answer(int fd, const struct reader_answer *a, int contents)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {(void *)a, sizeof(*a)}; /* sendmsg() does not write there */
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *c;

	if (a->ret == 0) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &contents, sizeof(int));
	}
	if (sendmsg(fd, &msg, MSG_NOSIGNAL) < 0)
		_exit(1);
}

void tls_reader_run(int fd, pid_t parent, const void *setup, size_t len)
{
	_cleanup_fd_ int contents =
	    memfd_create("nbd-attach keys", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	static struct wanted wanted[TLS_FILES]; /* the process ends with it */
	const struct tls_reader_job *job = setup;
	struct reader_answer a = {.ret = 0};

	if (!job_valid(setup, len))
		_exit(1);
	prctl(PR_SET_DUMPABLE, 0);
	if (contents < 0)
		a.ret = err_errno(&a.err, ERR_SYSTEM, errno, "cannot keep the keys in memory");
	else
		a.ret = open_all(job, wanted, &a.err);
	if (a.ret == 0)
		a.ret = sandbox_enter(&job->sandbox, SANDBOX_KEYS, parent, &a.err);
	if (a.ret == 0)
		a.ret = read_all(wanted, contents, &a.present, &a.err);
	answer(fd, &a, contents);
}

int tls_reader_receive(int fd, unsigned *ret_present, struct err *err)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct reader_answer a;
	struct iovec iov = {&a, sizeof(a)};
	struct msghdr msg = {
	    .msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = CMSG_LEN(sizeof(int)), /* the padding would be room for two */
	};
	ssize_t n = process_receive(fd, &msg, MSG_CMSG_CLOEXEC);
	_cleanup_fd_ int contents = -1;
	struct cmsghdr *c;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	/* What is too many the kernel closes. */
	c = n >= 0 ? CMSG_FIRSTHDR(&msg) : NULL;
	if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&contents, CMSG_DATA(c), sizeof(int));
	if (n != (ssize_t)sizeof(a))
		return err_set(err, ERR_SYSTEM, ECHILD,
			       "the process that reads the keys ended without an answer");
	if (a.ret < 0 && a.ret >= -4095 && memchr(a.err.message, '\0', sizeof(a.err.message)) &&
	    (a.err.kind == ERR_USAGE || a.err.kind == ERR_SYSTEM)) {
		*err = a.err;
		return a.ret;
	}
	/* If the memory could be truncated, a process that has mapped it would be killed. */
	if (a.ret != 0 || a.present >> TLS_FILES || contents < 0 ||
	    fcntl(contents, F_GET_SEALS) != SEALS)
		return err_set(err, ERR_SYSTEM, EPROTO,
			       "the process that reads the keys gave an invalid answer");
	*ret_present = a.present;
	return TAKE_FD(contents);
}
