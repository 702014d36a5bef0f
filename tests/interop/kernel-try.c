/* SPDX-License-Identifier: MIT */
/*
 * usage: kernel-try [-o OPTION=VALUE]... DEVICE ADDRESS...
 *
 * The kernel side without a negotiator, for tests in a guest: connects to servers that speak the
 * oldstyle handshake (`nbdkit -o`), hands the sockets to the kernel and obeys words on stdin:
 *
 *	wait MS EVENT...   the events that come within MS must be these (in any number)
 *	shut               shuts the dups of the sockets down
 *	detach MS          detaches; must end within MS
 *	free               waits until the device is free
 *	leave              exits without detaching
 *
 * ADDRESS: a Unix socket's path, or a TCP port on 127.0.0.1.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/loop.h"
#include "kernel/device.h"
#include "kernel/kernel.h"
#include "kernel/sysfs.h"
#include "kernel/tune.h"

static int fds[KERNEL_CONNECTIONS_MAX];
static struct kernel *kernel;
static int attached = -1;

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "kernel-try: %s: %s\n", what, why);
	exit(1);
}

static int dial(const char *address)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd, ret;

	if (address[0] == '/') {
		snprintf(un.sun_path, sizeof(un.sun_path), "%s", address);
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		ret = connect(fd, (struct sockaddr *)&un, sizeof(un));
	} else {
		in.sin_port = htons((uint16_t)atoi(address));
		in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		ret = connect(fd, (struct sockaddr *)&in, sizeof(in));
	}
	if (fd < 0 || ret < 0)
		fail(address, strerror(errno));
	return fd;
}

/* proto.md, "Oldstyle negotiation": 152 bytes, then transmission. */
static void handshake(int fd, struct kernel_attach *a)
{
	uint8_t hello[152];

	if (recv(fd, hello, sizeof(hello), MSG_WAITALL) != sizeof(hello) ||
	    memcmp(hello, "NBDMAGIC\x00\x00\x42\x02\x81\x86\x12\x53", 16) != 0)
		fail("handshake", "not an oldstyle server");
	a->size = get_be64(hello + 16);
	a->server_flags |= get_be16(hello + 26);
}

static void wait_events(unsigned ms, char *words)
{
	static const char *const names[] = {"none", "dead", "overflow", "ended"};
	struct pollfd p = {.fd = kernel_event_fd(kernel), .events = POLLIN};
	unsigned seen[4] = {0};
	uint64_t end = loop_now() + ms;
	enum kernel_event event;

	while (loop_now() < end) {
		poll(&p, 1, (int)(end - loop_now()));
		while ((event = kernel_next_event(kernel, attached)) != KERNEL_EVENT_NONE)
			seen[event]++;
	}
	for (size_t i = 1; i < ARRAY_SIZE(names); i++) {
		if (seen[i])
			printf("event %s %u\n", names[i], seen[i]);
		if (!seen[i] != !strstr(words, names[i]))
			fail("events", seen[i] ? "unexpected" : "missing");
	}
}

static void detach(unsigned ms)
{
	uint64_t start = loop_now();
	struct err err;

	if (kernel_detach(kernel, attached, &err) < 0)
		fail("detach", err.message);
	printf("detached in %u ms\n", (unsigned)(loop_now() - start));
	if (loop_now() - start > ms)
		fail("detach", "took too long");
}

static void wait_free(unsigned ms)
{
	uint64_t start = loop_now();

	while (!sysfs_device_free(attached)) {
		if (loop_now() - start > ms)
			fail("free", "the device is not free in time");
		usleep(1000);
	}
	printf("free after %u ms\n", (unsigned)(loop_now() - start));
}

static void obey(size_t n)
{
	char line[256], *word;
	unsigned ms;
	int used;

	while (fgets(line, sizeof(line), stdin)) {
		used = 0;
		ms = 0;
		word = line + strcspn(line, " \n");
		sscanf(word, "%u%n", &ms, &used);
		if (strncmp(line, "wait", 4) == 0)
			wait_events(ms, word + used);
		else if (strncmp(line, "detach", 6) == 0)
			detach(ms);
		else if (strncmp(line, "free", 4) == 0)
			wait_free(ms);
		else if (strncmp(line, "leave", 5) == 0)
			exit(0);
		else if (strncmp(line, "shut", 4) == 0)
			for (size_t i = 0; i < n; i++)
				shutdown(fds[i], SHUT_RDWR);
		else
			fail("no such word", line);
	}
}

static void option(const char *text, struct kernel_attach *a, enum kernel_backend *backend,
		   struct tune *tune)
{
	char name[32];
	unsigned long v = 0;
	const char *value = strchr(text, '=');

	if (!value || value - text >= (int)sizeof(name))
		fail("option", text);
	snprintf(name, sizeof(name), "%.*s", (int)(value - text), text);
	v = strtoul(++value, NULL, 0);
	if (strcmp(name, "block") == 0)
		a->block_size = (uint32_t)v;
	else if (strcmp(name, "flags") == 0)
		a->server_flags = (uint16_t)v;
	else if (strcmp(name, "timeout") == 0)
		a->timeout = v;
	else if (strcmp(name, "dead") == 0)
		a->dead_timeout = v;
	else if (strcmp(name, "id") == 0)
		a->identifier = value;
	else if (strcmp(name, "payload") == 0)
		tune->max_payload = (uint32_t)v;
	else if (strcmp(name, "backend") == 0)
		*backend = value[0] == 'i' ? KERNEL_BACKEND_IOCTL : KERNEL_BACKEND_NETLINK;
	else
		fail("no such option", text);
}

int main(int argc, char **argv)
{
	struct kernel_attach a = {.block_size = 512, .dead_timeout = 600, .identifier = "try"};
	enum kernel_backend backend = KERNEL_BACKEND_AUTO;
	struct tune tune = {0};
	bool fallback = false;
	struct err err;
	uint64_t start;
	int c;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((c = getopt(argc, argv, "o:")) == 'o')
		option(optarg, &a, &backend, &tune);
	if (c != -1 || argc - optind < 2)
		fail("usage", "kernel-try [-o OPTION=VALUE]... DEVICE ADDRESS...");
	if (device_parse(argv[optind++], &a.index, &err) < 0 ||
	    kernel_new(backend, &kernel, &fallback, &err) < 0)
		fail("error", err.message);
	for (; optind < argc; optind++) {
		fds[a.n_fds] = dial(argv[optind]);
		handshake(fds[a.n_fds++], &a);
	}
	a.size -= a.size % a.block_size;
	a.fds = fds;
	start = loop_now();
	if (kernel_attach(kernel, &a, &attached, &err) < 0) {
		fprintf(stderr, "kernel-try: kind %d: %s\n", err.kind, err.message);
		return 10 + err_exit_status(err.kind);
	}
	printf("attached /dev/nbd%d by %s in %u ms\n", attached, kernel->ops->name,
	       (unsigned)(loop_now() - start));
	tune.flags = a.server_flags;
	if (tune_device(attached, &tune, &err) < 0)
		fail("tune", err.message);
	obey(a.n_fds);
	kernel_free(kernel);
	return 0;
}
