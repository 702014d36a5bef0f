/* SPDX-License-Identifier: MIT */
/*
 * usage: fault VERB ARGUMENT...
 *
 *	load [OPTION...] DEVICE DIR        write and read self-describing blocks until SIGTERM;
 *	                                   keep DIR/ledger and DIR/log. -q DEPTH (16), -r requests
 *	                                   a second, -b BLOCKS, -w percentage of writes (75),
 *	                                   -a: no scouts (see load.c)
 *	verify LEDGER FILE                 compare the blocks of a device or image with a ledger
 *	files [-j THREADS] MOUNTPOINT DIR  append records with fsync until SIGTERM
 *	verify-files LEDGER MOUNTPOINT     compare the records with the ledger
 *	times LOG [FROM TO]                print failures, pauses and lags of DIR/log
 *	serve WHERE REPORT COMMAND...      become a server; REPORT gets the time when it listens
 *	now                                print the time that the others use: CLOCK_MONOTONIC, ns
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
	errno = saved; /* %m needs it */
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
 * One program sends the signal and reads the time: starting another one takes longer than a
 * request. An outage begins after the signal is sent, so that requests in flight were sent before;
 * it ends before the signal is sent.
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
