/* SPDX-License-Identifier: MIT */
/* Long: a list of cases, each read by itself. */
/* Certificates and keys: who may read them, what the worker gets, when they are read again. */
#include "helper-fixture.h"
#include "transport-fixture.h"

#include <sys/mman.h>

#include "transport/helpers.h"
#include "transport/tls-files.h"
#include "skip.h"

static char dir[] = "/tmp/test-tls-files.XXXXXX";

static const char *path_of(const char *name)
{
	static char path[4][128];
	static unsigned turn;

	turn = (turn + 1) % 4;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", dir, name);
	return path[turn];
}

static void put_file(const char *name, const char *text, mode_t mode)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static int set_up(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	return 0;
}

static int tear_down(void **state)
{
	static const char *const names[] = {"ca-cert.pem",    "ca-crl.pem", "client-cert.pem",
					    "client-key.pem", "psk",	    "fifo"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		unlink(path_of(names[i]));
	return rmdir(dir);
}

struct outcome {
	struct loop *loop;
	unsigned calls;
	int ret, fd;
	struct err err;
};

static void got(int ret, int fd, const struct err *err, void *arg)
{
	struct outcome *o = arg;

	o->calls++;
	o->ret = ret;
	o->fd = fd;
	if (ret < 0)
		o->err = *err;
	loop_stop(o->loop, 0);
}

/* Everything that one set of files needs. */
struct bench {
	struct endpoint e;
	struct helpers *helpers;
	struct tls_files *files;
	struct outcome o;
	struct tls_wait wait;
};

static void bench_open(struct bench *b, enum endpoint_tls_type type)
{
	struct err err;

	memset(b, 0, sizeof(*b));
	endpoint_init(&b->e);
	b->e.tls = true;
	b->e.tls_type = type;
	b->o.loop = loop_new();
	assert_int_equal(
	    helpers_new(b->o.loop, &(struct helpers_config){.tls = &b->e}, &b->helpers, &err), 0);
	b->files = helpers_tls_files(b->helpers);
	assert_non_null(b->files);
}

static void bench_close(struct bench *b)
{
	helpers_free(b->helpers);
	loop_free(b->o.loop);
	endpoint_done(&b->e);
}

/* Reads, as an attempt does. */
static int get(struct bench *b)
{
	unsigned before = b->o.calls;

	tls_files_refresh(b->files);
	tls_files_get(b->files, &b->wait, got, &b->o);
	if (b->o.calls == before)
		loop_run(b->o.loop);
	assert_int_equal(b->o.calls, before + 1);
	return b->o.ret;
}

static void expect(struct bench *b, enum tls_file file, const char *text)
{
	struct tls_contents head;
	off_t at = sizeof(head);
	char buf[64] = "";

	assert_int_equal(pread(b->o.fd, &head, sizeof(head), 0), sizeof(head));
	assert_int_equal(head.len[file], strlen(text));
	for (unsigned i = 0; i < file; i++)
		at += head.len[i];
	assert_int_equal(pread(b->o.fd, buf, strlen(text), at), strlen(text));
	assert_string_equal(buf, text);
}

static void a_directory(void **state)
{
	struct bench b;

	(void)state;
	put_file("ca-cert.pem", "the authority", 0644);
	bench_open(&b, TLS_TYPE_X509);
	b.e.tls_certificates = strdup(dir);
	assert_int_equal(get(&b), 0);
	expect(&b, TLS_FILE_CA, "the authority");
	expect(&b, TLS_FILE_CRL, "");
	expect(&b, TLS_FILE_KEY, "");

	put_file("ca-crl.pem", "revoked", 0644);
	put_file("client-cert.pem", "ours", 0644);
	assert_int_equal(get(&b), 0); /* the key is missing: the old contents are used */
	expect(&b, TLS_FILE_CRL, "");
	put_file("client-key.pem", "secret", 0600);
	assert_int_equal(get(&b), 0);
	expect(&b, TLS_FILE_CA, "the authority");
	expect(&b, TLS_FILE_CRL, "revoked");
	expect(&b, TLS_FILE_CERT, "ours");
	expect(&b, TLS_FILE_KEY, "secret");
	bench_close(&b);

	/* A single file overrides that in the directory. */
	put_file("psk", "another authority", 0644);
	bench_open(&b, TLS_TYPE_X509);
	b.e.tls_certificates = strdup(dir);
	b.e.tls_ca = strdup(path_of("psk"));
	assert_int_equal(get(&b), 0);
	expect(&b, TLS_FILE_CA, "another authority");
	expect(&b, TLS_FILE_CERT, "ours");
	bench_close(&b);
}

static void nobody_writes_to_it(void **state)
{
	struct bench b;
	char byte = 'x';

	(void)state;
	put_file("psk", "me:00", 0600);
	bench_open(&b, TLS_TYPE_PSK);
	b.e.tls_psk_file = strdup(path_of("psk"));
	assert_int_equal(get(&b), 0);
	assert_int_equal(pwrite(b.o.fd, &byte, 1, 0), -1);
	assert_int_equal(ftruncate(b.o.fd, 0), -1);
	assert_int_equal(fcntl(b.o.fd, F_GET_SEALS),
			 F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	bench_close(&b);
}

static void who_may_read_a_key(void **state)
{
	static const struct {
		mode_t mode;
		bool root, other; /* belongs to root; to another: right? */
	} rows[] = {
	    {0600, true, true},	  {0400, true, true},	{0440, true, false},
	    {0640, true, false},  {0604, false, false}, {0644, false, false},
	    {0660, false, false}, {0602, false, false}, {0601, false, false},
	};

	(void)state;
	if (geteuid() != 0)
		skip_because("it takes root");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bench b;

		print_message("%o\n", rows[i].mode);
		put_file("psk", "me:00", rows[i].mode);
		bench_open(&b, TLS_TYPE_PSK);
		b.e.tls_psk_file = strdup(path_of("psk"));
		assert_int_equal(get(&b) == 0, rows[i].root);
		if (!rows[i].root) {
			assert_int_equal(b.o.err.kind, ERR_USAGE);
			assert_non_null(strstr(b.o.err.message, "can be read by other users"));
		}
		/* The caller is root, so another user's file is always refused. */
		assert_int_equal(chown(path_of("psk"), 1000, 1000), 0);
		bench_close(&b);
		bench_open(&b, TLS_TYPE_PSK);
		b.e.tls_psk_file = strdup(path_of("psk"));
		assert_true(get(&b) < 0);
		assert_non_null(strstr(b.o.err.message, "belongs to uid 1000"));
		bench_close(&b);
		unlink(path_of("psk"));
	}
}

/* A user who can write to one of these files, or replace it, decides whom we trust. */
static void who_may_write_what_is_trusted(void **state)
{
	static const struct {
		mode_t file, directory;
		uid_t owner, owner_of_directory;
		const char *sentence; /* NULL: accepted */
	} rows[] = {
	    {0644, 0700, 0, 0, NULL},
	    {0444, 0755, 0, 0, NULL},
	    {0644, 01777, 0, 0, NULL}, /* like /tmp: only its owner may replace it */
	    {0664, 0700, 0, 0, "can be written by other users"},
	    {0646, 0700, 0, 0, "can be written by other users"},
	    {0644, 0700, 1000, 0, "belongs to uid 1000"},
	    {0644, 0770, 0, 0, "the directory"},
	    {0644, 0707, 0, 0, "the directory"},
	    {0644, 0755, 0, 1000, "the directory"},
	};

	(void)state;
	if (geteuid() != 0)
		skip_because("it takes root");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bench b;

		put_file("ca-cert.pem", "the authority", rows[i].file);
		assert_int_equal(chown(path_of("ca-cert.pem"), rows[i].owner, 0), 0);
		assert_int_equal(chown(dir, rows[i].owner_of_directory, 0), 0);
		assert_int_equal(chmod(dir, rows[i].directory), 0);
		bench_open(&b, TLS_TYPE_X509);
		b.e.tls_ca = strdup(path_of("ca-cert.pem"));
		assert_int_equal(get(&b), rows[i].sentence ? -EPERM : 0);
		if (rows[i].sentence) {
			print_message("%s\n", b.o.err.message);
			assert_int_equal(b.o.err.kind, ERR_USAGE);
			assert_non_null(strstr(b.o.err.message, rows[i].sentence));
			assert_non_null(strstr(b.o.err.message, path_of("ca-cert.pem")));
		}
		bench_close(&b);
		unlink(path_of("ca-cert.pem"));
	}
	assert_int_equal(chown(dir, 0, 0), 0);
	assert_int_equal(chmod(dir, 0700), 0);
}

/* A symbolic link leads out of a safe directory into one that others can write to. */
static void where_a_link_leads(void **state)
{
	char open_dir[sizeof(dir) + 16], target[sizeof(open_dir) + 16];
	struct bench b;
	int fd;

	(void)state;
	snprintf(open_dir, sizeof(open_dir), "%s/open", dir);
	snprintf(target, sizeof(target), "%s/ca", open_dir);
	assert_int_equal(mkdir(open_dir, 0700), 0);
	fd = open(target, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(write(fd, "the authority", 13), 13);
	close(fd);
	unlink(path_of("ca-cert.pem")); /* left by a case before */
	assert_int_equal(symlink(target, path_of("ca-cert.pem")), 0);
	bench_open(&b, TLS_TYPE_X509);
	b.e.tls_ca = strdup(path_of("ca-cert.pem"));
	assert_int_equal(get(&b), 0);
	bench_close(&b);
	assert_int_equal(chmod(open_dir, 0777), 0);
	bench_open(&b, TLS_TYPE_X509);
	b.e.tls_ca = strdup(path_of("ca-cert.pem"));
	assert_int_equal(get(&b), -EPERM);
	assert_non_null(strstr(b.o.err.message, open_dir));
	bench_close(&b);
	unlink(path_of("ca-cert.pem"));
	unlink(target);
	assert_int_equal(rmdir(open_dir), 0);
}

/* While the revocation list is being replaced, the old one counts. */
static void a_list_that_has_gone(void **state)
{
	struct bench b;

	(void)state;
	put_file("ca-cert.pem", "the authority", 0644);
	put_file("ca-crl.pem", "revoked", 0644);
	bench_open(&b, TLS_TYPE_X509);
	b.e.tls_certificates = strdup(dir);
	assert_int_equal(get(&b), 0);
	unlink(path_of("ca-crl.pem"));
	assert_int_equal(get(&b), 0);
	expect(&b, TLS_FILE_CRL, "revoked");
	put_file("ca-crl.pem", "", 0644);
	assert_int_equal(get(&b), 0);
	expect(&b, TLS_FILE_CRL, "revoked");
	put_file("ca-crl.pem", "more", 0644);
	assert_int_equal(get(&b), 0);
	expect(&b, TLS_FILE_CRL, "more");
	bench_close(&b);
	unlink(path_of("ca-crl.pem"));
}

/* The reader copies 16 KiB at a time. */
static void a_large_file(void **state)
{
	static char text[3 * 16384 + 101];
	struct tls_contents head;
	char end[8] = "";
	struct bench b;

	(void)state;
	memset(text, 'x', sizeof(text) - 4);
	memcpy(text + sizeof(text) - 4, "end", 4);
	put_file("ca-cert.pem", text, 0644);
	bench_open(&b, TLS_TYPE_X509);
	b.e.tls_ca = strdup(path_of("ca-cert.pem"));
	assert_int_equal(get(&b), 0);
	assert_int_equal(pread(b.o.fd, &head, sizeof(head), 0), sizeof(head));
	assert_int_equal(head.len[TLS_FILE_CA], sizeof(text) - 1);
	assert_string_equal(head.path[TLS_FILE_CA], b.e.tls_ca);
	assert_string_equal(head.path[TLS_FILE_CRL], "");
	assert_int_equal(pread(b.o.fd, end, 3, (off_t)(sizeof(head) + sizeof(text) - 4)), 3);
	assert_string_equal(end, "end");
	bench_close(&b);
	unlink(path_of("ca-cert.pem"));
}

static void what_is_no_file(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b, TLS_TYPE_PSK);
	b.e.tls_psk_file = strdup(path_of("nothing"));
	assert_int_equal(get(&b), -ENOENT);
	assert_int_equal(b.o.err.kind, ERR_USAGE);
	assert_non_null(strstr(b.o.err.message, b.e.tls_psk_file));
	bench_close(&b);

	assert_int_equal(mkfifo(path_of("fifo"), 0600), 0); /* must not stop the reader */
	bench_open(&b, TLS_TYPE_PSK);
	b.e.tls_psk_file = strdup(path_of("fifo"));
	assert_int_equal(get(&b), -EINVAL);
	assert_non_null(strstr(b.o.err.message, "not a regular file"));
	bench_close(&b);

	put_file("ca-cert.pem", "", 0644);
	bench_open(&b, TLS_TYPE_X509);
	b.e.tls_ca = strdup(path_of("ca-cert.pem"));
	assert_int_equal(get(&b), -EINVAL);
	assert_non_null(strstr(b.o.err.message, "is empty"));
	bench_close(&b);

	/* Also a file that need not be there. */
	put_file("ca-cert.pem", "the authority", 0644);
	put_file("ca-crl.pem", "", 0644);
	bench_open(&b, TLS_TYPE_X509);
	b.e.tls_certificates = strdup(dir);
	assert_int_equal(get(&b), -EINVAL);
	assert_non_null(strstr(b.o.err.message, "ca-crl.pem"));
	assert_non_null(strstr(b.o.err.message, "is empty"));
	bench_close(&b);
	unlink(path_of("ca-crl.pem"));

	bench_open(&b, TLS_TYPE_X509);
	b.e.tls_ca = strdup("/dev/zero");
	assert_int_equal(get(&b), -EINVAL);
	bench_close(&b);
}

/* Changed files are used at the next attempt, unless the old ones are kept (--swap). */
static void read_again(void **state)
{
	struct bench b;

	(void)state;
	put_file("psk", "me:00", 0600);
	bench_open(&b, TLS_TYPE_PSK);
	b.e.tls_psk_file = strdup(path_of("psk"));
	assert_int_equal(get(&b), 0);
	expect(&b, TLS_FILE_PSK, "me:00");
	put_file("psk", "me:1111", 0600);
	assert_int_equal(get(&b), 0);
	expect(&b, TLS_FILE_PSK, "me:1111");
	/* The file is invalid now, but was valid before. */
	put_file("psk", "me:2222", 0644);
	assert_int_equal(get(&b), 0);
	expect(&b, TLS_FILE_PSK, "me:1111");

	tls_files_keep(b.files);
	put_file("psk", "me:33", 0600);
	assert_int_equal(get(&b), 0);
	expect(&b, TLS_FILE_PSK, "me:1111");
	bench_close(&b);
}

/* The number of mappings of keys, which are locked in memory. */
static unsigned locked_keys(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512];
	unsigned n = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, "nbd-attach keys") != NULL;
	fclose(f);
	return n;
}

/* After a takeover, or for another server, the files are read after the request to keep them. */
static void kept_before_they_are_read(void **state)
{
	struct bench b;

	(void)state;
	put_file("psk", "me:00", 0600);
	bench_open(&b, TLS_TYPE_PSK);
	b.e.tls_psk_file = strdup(path_of("psk"));
	tls_files_keep(b.files);
	assert_int_equal(locked_keys(), 0);
	assert_int_equal(get(&b), 0);
	assert_int_equal(locked_keys(), 1);
	tls_files_keep(b.files);
	assert_int_equal(locked_keys(), 1);
	bench_close(&b);
	assert_int_equal(locked_keys(), 0);
}

static char log_path[64];

/* What is logged goes to a file until log_end(). Returns the descriptor of standard error. */
static int log_begin(void)
{
	int old = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3), fd;

	snprintf(log_path, sizeof(log_path), "/tmp/test-tls-files-log.XXXXXX");
	fd = mkstemp(log_path);
	assert_true(old >= 0 && fd >= 0);
	assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	close(fd);
	return old;
}

/* Returns the number of lines. */
static unsigned log_end(int old)
{
	FILE *f = fopen(log_path, "re");
	char line[512];
	unsigned n = 0;

	assert_int_equal(dup2(old, STDERR_FILENO), STDERR_FILENO);
	close(old);
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		print_message("%s", line);
		n += strstr(line, "using the contents that were read before") != NULL;
	}
	fclose(f);
	unlink(log_path);
	return n;
}

/* An outage has many attempts, and each reads the files. */
static void a_warning_is_not_repeated(void **state)
{
	struct bench b;
	int old;

	(void)state;
	put_file("psk", "me:00", 0600);
	bench_open(&b, TLS_TYPE_PSK);
	b.e.tls_psk_file = strdup(path_of("psk"));
	assert_int_equal(get(&b), 0);
	old = log_begin();
	put_file("psk", "me:11", 0644);
	for (int i = 0; i < 10; i++)
		assert_int_equal(get(&b), 0);
	/* Another reason, and the first one again after a file that was in order. */
	put_file("psk", "", 0600);
	for (int i = 0; i < 10; i++)
		assert_int_equal(get(&b), 0);
	put_file("psk", "me:22", 0600);
	assert_int_equal(get(&b), 0);
	put_file("psk", "", 0600);
	for (int i = 0; i < 10; i++)
		assert_int_equal(get(&b), 0);
	assert_int_equal(log_end(old), 3);
	expect(&b, TLS_FILE_PSK, "me:22");
	bench_close(&b);
}

static void one_who_gives_up(void **state)
{
	struct bench b;
	struct tls_wait other = {.link = NULL};

	(void)state;
	put_file("psk", "me:00", 0600);
	bench_open(&b, TLS_TYPE_PSK);
	b.e.tls_psk_file = strdup(path_of("psk"));
	tls_files_get(b.files, &other, got, &b.o);
	tls_files_get(b.files, &b.wait, got, &b.o);
	tls_wait_cancel(&other);
	tls_wait_cancel(&other);
	loop_run(b.o.loop);
	assert_int_equal(b.o.calls, 1);
	/* Another one that no longer exists when everything is freed. */
	put_file("psk", "me:11", 0600);
	tls_files_refresh(b.files);
	tls_files_get(b.files, &b.wait, got, &b.o);
	tls_wait_cancel(&b.wait);
	bench_close(&b);
	assert_int_equal(b.o.calls, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_directory),
	    cmocka_unit_test(nobody_writes_to_it),
	    cmocka_unit_test(who_may_read_a_key),
	    cmocka_unit_test(what_is_no_file),
	    cmocka_unit_test(who_may_write_what_is_trusted),
	    cmocka_unit_test(where_a_link_leads),
	    cmocka_unit_test(a_list_that_has_gone),
	    cmocka_unit_test(a_large_file),
	    cmocka_unit_test(read_again),
	    cmocka_unit_test(kept_before_they_are_read),
	    cmocka_unit_test(a_warning_is_not_repeated),
	    cmocka_unit_test(one_who_gives_up),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
