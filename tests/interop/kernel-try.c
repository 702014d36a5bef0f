/* SPDX-License-Identifier: MIT */
/*
 * usage: kernel-try [-o OPTION=VALUE]... DEVICE ADDRESS...
 *
 * The kernel side without a negotiator, for tests in a guest: connects to servers with the
 * shortest handshake, hands the sockets to the kernel and carries out the commands on stdin.
 * It answers each command with one line that begins with the command; the first line is "attach".
 *
 *	events MS    the kinds of events that came within MS, in alphabetical order
 *	shut         shut down the duplicates of the sockets
 *	detach       detach; prints the time in ms
 *	reconnect N  dial the Nth address again and hand the socket over in place of a dead one
 *	free MS      wait until the device is free, MS at most
 *	claim MS     claim and flush it, MS at most
 *	release      release the claim
 *	usage        print the users of the device
 *
 * At the end of stdin it frees everything and exits. OPTIONS: see option(). ADDRESS: a Unix
 * socket's path, or a TCP port on 127.0.0.1.
 */
#include <errno.h>
#include <linux/nbd-netlink.h>
#include <netinet/in.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
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
#include "kernel/claim.h"
#include "kernel/device.h"
#include "kernel/kernel.h"
#include "kernel/openers.h"
#include "kernel/netlink-msg.h"
#include "kernel/sysfs.h"
#include "kernel/tune.h"
#include "kernel/usage.h"

static int fds[KERNEL_CONNECTIONS_MAX];
static struct kernel *kernel;
static int attached = -1;
static struct claim claim;
static char **addresses;
static const char *identifier;
static bool dying; /* attach a device that the kernel is removing */

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "kernel-try: %s: %s\n", what, why);
	exit(9); /* not an exit status of nbd-attach */
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

static void receive(int fd, void *buf, size_t len)
{
	if (recv(fd, buf, len, MSG_WAITALL) != (ssize_t)len)
		fail("handshake", "the server closed the connection");
}

/* proto.md, "Newstyle negotiation": the shortest way through, EXPORT_NAME of "". */
static void handshake(int fd, struct kernel_attach *a)
{
	static const uint8_t choice[20] = "\0\0\0\3IHAVEOPT\0\0\0\1";
	uint8_t hello[18], export[10];

	receive(fd, hello, sizeof(hello));
	if (memcmp(hello, "NBDMAGICIHAVEOPT", 16) != 0 || get_be16(hello + 16) != 3)
		fail("handshake", "not a server for this test");
	if (send(fd, choice, sizeof(choice), MSG_NOSIGNAL) != sizeof(choice))
		fail("handshake", strerror(errno));
	receive(fd, export, sizeof(export));
	a->size = get_be64(export);
	a->server_flags |= get_be16(export + 8);
}

/* KERNEL: success is reported even if no slot was dead, so the caller checks the effect. */
static int reconfigure(int fd)
{
	struct nl_sock *nl = nl_socket_alloc();
	struct nl_msg *msg = nlmsg_alloc();
	struct nlattr *sockets, *item;
	int ret;

	if (!nl || !msg || genl_connect(nl) < 0)
		fail("netlink", "no connection");
	genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, genl_ctrl_resolve(nl, NBD_GENL_FAMILY_NAME), 0,
		    0, NBD_CMD_RECONFIGURE, 0);
	nla_put_u32(msg, NBD_ATTR_INDEX, (uint32_t)attached);
	nla_put_string(msg, NBD_ATTR_BACKEND_IDENTIFIER, identifier);
	sockets = nla_nest_start(msg, NBD_ATTR_SOCKETS);
	item = nla_nest_start(msg, NBD_SOCK_ITEM);
	nla_put_u32(msg, NBD_SOCK_FD, (uint32_t)fd);
	nla_nest_end(msg, item);
	nla_nest_end(msg, sockets);
	ret = nl_send_sync(nl, msg); /* consumes msg */
	nl_socket_free(nl);
	return ret;
}

static void reconnect(unsigned n)
{
	uint64_t start = loop_now();
	struct kernel_attach ignored = {0};
	int fd = dial(addresses[n]), ret;

	handshake(fd, &ignored);
	ret = reconfigure(fd);
	close(fds[n]);
	fds[n] = fd;
	if (ret < 0)
		printf("reconnect: %s\n", nl_geterror(ret));
	else
		printf("reconnect %u\n", (unsigned)(loop_now() - start));
}

static void events(unsigned ms)
{
	struct pollfd p = {.fd = kernel_event_fd(kernel), .events = POLLIN};
	bool seen[4] = {false};
	uint64_t end = loop_now() + ms;

	while (loop_now() < end) {
		poll(&p, 1, (int)(end - loop_now()));
		for (;;) {
			enum kernel_event event = kernel_next_event(kernel, attached);

			if (event == KERNEL_EVENT_NONE)
				break;
			seen[event] = true;
		}
	}
	printf("events%s%s%s\n", seen[KERNEL_EVENT_LINK_DEAD] ? " dead" : "",
	       seen[KERNEL_EVENT_ENDED] ? " ended" : "",
	       seen[KERNEL_EVENT_OVERFLOW] ? " overflow" : "");
}

static void detach(void)
{
	uint64_t start = loop_now();
	struct err err;

	if (kernel_detach(kernel, attached, &err) < 0)
		printf("detach: %s\n", err.message);
	else
		printf("detach %u\n", (unsigned)(loop_now() - start));
}

static void wait_free(unsigned ms)
{
	uint64_t start = loop_now();

	while (!sysfs_device_free(attached) && loop_now() - start <= ms)
		usleep(1000);
	printf("free %s %u\n", sysfs_device_free(attached) ? "yes" : "no",
	       (unsigned)(loop_now() - start));
}

static void take_claim(unsigned ms)
{
	uint64_t start = loop_now();
	struct err err;
	int ret;

	claim_release(&claim);
	if (claim_start(attached, false, true, &claim, &err) < 0) {
		printf("claim: %s\n", err.message);
		return;
	}
	poll(&(struct pollfd){.fd = claim_fd(&claim), .events = POLLIN}, 1, (int)ms);
	ret = claim_finish(&claim, &err);
	if (ret == 0 || ret == -EAGAIN)
		printf("claim %s%s %u\n", ret ? "blocked" : "taken", claim.alone ? " alone" : "",
		       (unsigned)(loop_now() - start));
	else
		printf("claim: %s\n", err.message);
}

static void tell_usage(void)
{
	uint64_t start = loop_now();
	struct openers openers;
	struct usage usage;
	struct err err;

	openers_init(&openers, attached);
	if (usage_find(attached, 0, &usage, &err) < 0)
		printf("usage: %s\n", err.message);
	else
		printf("usage %u%s %u: %s%s\n", usage.n, usage.unsure ? " unsure" : "",
		       (unsigned)(loop_now() - start), usage.sentence,
		       openers_none(&openers, 0) ? " (proved)" : "");
}

static void obey(size_t n)
{
	char line[256], word[32];
	unsigned ms;

	while (fgets(line, sizeof(line), stdin)) {
		ms = 0;
		if (sscanf(line, "%31s %u", word, &ms) < 1)
			continue;
		if (strcmp(word, "events") == 0) {
			events(ms);
		} else if (strcmp(word, "detach") == 0) {
			detach();
		} else if (strcmp(word, "reconnect") == 0 && ms < n) {
			reconnect(ms);
		} else if (strcmp(word, "free") == 0) {
			wait_free(ms);
		} else if (strcmp(word, "claim") == 0) {
			take_claim(ms);
		} else if (strcmp(word, "usage") == 0) {
			tell_usage();
		} else if (strcmp(word, "release") == 0) {
			claim_release(&claim);
			printf("release\n");
		} else if (strcmp(word, "shut") == 0) {
			for (size_t i = 0; i < n; i++)
				shutdown(fds[i], SHUT_RDWR);
			printf("shut\n");
		} else {
			fail("no such word", line);
		}
	}
}

/* Leaves a device with this number that the kernel is removing. */
static void leave_dying(int index)
{
	struct nl_sock *s = nl_socket_alloc();
	int pair[2], family, ret;

	if (!s || genl_connect(s) < 0 || (family = genl_ctrl_resolve(s, "nbd")) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		fail("dying", "no connection");
	ret = nl_send_sync(s, netlink_msg_connect_last(family, index, pair[0]));
	if (ret == -NLE_BUSY) {
		fprintf(stderr, "kernel-try: dying: the device is in use\n");
		exit(err_exit_status(ERR_BUSY));
	}
	if (ret < 0 || nl_send_sync(s, netlink_msg_disconnect(family, index)) < 0)
		fail("dying", "the kernel refuses");
	close(pair[0]);
	close(pair[1]);
	nl_socket_free(s);
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
	else if (strcmp(name, "dying") == 0)
		dying = v;
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
	if (device_parse(argv[optind++], "", &a.index, &err) < 0 ||
	    kernel_new(backend, &kernel, &fallback, &err) < 0)
		fail("error", err.message);
	addresses = argv + optind;
	identifier = a.identifier;
	for (; optind < argc; optind++) {
		fds[a.n_fds] = dial(argv[optind]);
		handshake(fds[a.n_fds++], &a);
	}
	a.size -= a.size % a.block_size;
	a.fds = fds;
	claim_init(&claim);
	if (dying)
		leave_dying(a.index);
	start = loop_now();
	if (kernel_attach(kernel, &a, &err) < 0) {
		fprintf(stderr, "kernel-try: %s\n", err.message);
		return err_exit_status(err.kind);
	}
	attached = a.index;
	tune.flags = a.server_flags;
	if (tune_device(attached, &tune, &err) < 0) {
		fprintf(stderr, "kernel-try: tune: %s\n", err.message);
		kernel_detach(kernel, attached, NULL);
		return err_exit_status(err.kind);
	}
	printf("attach nbd%d %s %u\n", attached, kernel->ops->name, (unsigned)(loop_now() - start));
	obey(a.n_fds);
	claim_release(&claim);
	kernel_free(kernel);
	return 0;
}
