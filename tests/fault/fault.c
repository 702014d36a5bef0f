/* SPDX-License-Identifier: MIT */
/*
 * usage: fault VERB ARGUMENT...
 *
 *	load [OPTION...] DEVICE DIR             writes and reads self-describing blocks until
 *SIGTERM, keeping DIR/ledger and DIR/log. -q DEPTH (16), -r requests a second, -b BLOCKS, -w
 *percentage of writes (75), -a: no scouts (see load.c) verify LEDGER FILE                      the
 *blocks of a device or an image against a ledger files [-j THREADS] MOUNTPOINT DIR       appends
 *records with fsync until SIGTERM verify-files LEDGER MOUNTPOINT          the records against the
 *ledger times LOG [FROM TO]                     failures, pauses and lags out of DIR/log serve
 *WHERE REPORT COMMAND...           becomes a server; REPORT gets the time it listens now the time
 *that the others mean: CLOCK_MONOTONIC, ns
 *
 * Exit status: 0 fine; 1 something was lost, stale or refused; 2 the program could not work.
 */
#include "tests/fault/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

volatile int fault_stop;

uint64_t fault_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void fault_die(const char *format, ...)
{
	int saved = errno;
	va_list ap;

	fputs("fault: ", stderr);
	va_start(ap, format);
	errno = saved; /* for %m */
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	_exit(2);
}

int fault_open(const char *path, int flags, uint64_t *ret_size)
{
	int fd = open(path, flags | O_CLOEXEC);
	off_t size;

	if (fd < 0)
		fault_die("cannot open %s: %m", path);
	size = lseek(fd, 0, SEEK_END);
	if (size <= 0)
		fault_die("%s has no size", path);
	*ret_size = (uint64_t)size;
	return fd;
}

static void on_signal(int number)
{
	(void)number;
	fault_stop = 1;
}

void fault_catch(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
}

static int tell_now(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	printf("%" PRIu64 "\n", fault_now());
	return 0;
}

/*
 * In one program, because starting one takes long enough for a request to come and go. An outage
 * begins when the signal is through, so that what was in flight was sent before; it ends when the
 * signal is sent.
 */
static int send_signal(int argc, char **argv)
{
	uint64_t now = fault_now();

	if (argc != 3 || kill(-atoi(argv[2]), atoi(argv[1])) < 0)
		fault_die("kill: %m");
	if (atoi(argv[1]) != SIGCONT)
		now = fault_now();
	printf("%" PRIu64 "\n", now);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} verbs[] = {
	    {"load", fault_load},   {"verify", fault_verify},
	    {"files", fault_files}, {"verify-files", fault_verify_files},
	    {"times", fault_times}, {"serve", fault_serve},
	    {"hog", fault_hog},	    {"kill", send_signal},
	    {"now", tell_now},
	};

	for (size_t i = 0; argc > 1 && i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			return verbs[i].run(argc - 1, argv + 1);
	fault_die(
	    "usage: fault load|verify|files|verify-files|times|hog|serve|kill|now ARGUMENT...");
}
