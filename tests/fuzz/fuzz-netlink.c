/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a message of the kernel: nbd's family, sock_diag's answers, rtnetlink. The first
 * byte chooses the parser. Invariant: no parser reads past the end.
 */
#include <linux/netlink.h>
#include <netinet/in.h>

#include "fuzz.h"
#include "kernel/netlink-msg.h"
#include "supervise/reconnect/hints.h"
#include "supervise/watch/diag.h"
#include "transport/owner.h"

#define FAMILY 0x1c

static void read_nbd(const void *message, size_t len)
{
	const struct nlmsghdr *header = message;
	int index = -7;

	netlink_msg_link_dead(message, len, FAMILY, 3);
	if (!NLMSG_OK(header, len))
		return;
	netlink_msg_listed(header, FAMILY, 3);
	for (int command = 0; command < 8; command++)
		if (netlink_msg_index(header, FAMILY, command, &index) == 0)
			require(index >= 0);
}

static void read_diag(const void *message, size_t len, sa_family_t family)
{
	const struct diag_socket s = {.local = {.ss_family = family}, .inode = 4711};
	struct tcp_info info;

	diag_read(message, len, &s, &info);
	if (family == 0)
		diag_read_peer(message, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	uint8_t which;
	uid_t uid = 0;
	void *message;
	size_t len;

	fuzz_take(&in, &which, 1);
	len = in.left;
	message = malloc(len ? len : 1); /* aligned, and exactly as long */
	require(message);
	fuzz_take(&in, message, len);
	switch (which % 4) {
	case 0:
		read_nbd(message, len);
		break;
	case 1:
		read_diag(message, len, AF_INET);
		(void)!owner_read(message, len, &uid);
		break;
	case 2:
		read_diag(message, len, 0);
		break;
	case 3:
		hints_route_news(message, len);
		break;
	}
	free(message);
	return 0;
}
