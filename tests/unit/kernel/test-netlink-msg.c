/* SPDX-License-Identifier: MIT */
/* kernel/netlink-msg.c: the bytes sent to the kernel, and the parsing of its answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/nbd-netlink.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/netlink-msg.h"

#define FAMILY 0x1d

/* A message under construction, by hand: netlink(7), in the machine's byte order. */
struct bytes {
	uint8_t at[8192] __attribute__((aligned(4)));
	size_t len;
};

static void put(struct bytes *b, const void *data, size_t len)
{
	memcpy(b->at + b->len, data, len);
	b->len += len;
	while (b->len % 4)
		b->at[b->len++] = 0;
}

static void put_attr(struct bytes *b, uint16_t type, const void *data, size_t len)
{
	uint16_t head[2] = {(uint16_t)(4 + len), type};

	put(b, head, sizeof(head));
	put(b, data, len);
}

static void put_u32(struct bytes *b, uint16_t type, uint32_t v)
{
	put_attr(b, type, &v, sizeof(v));
}

static void put_u64(struct bytes *b, uint16_t type, uint64_t v)
{
	put_attr(b, type, &v, sizeof(v));
}

static void start(struct bytes *b, uint16_t family, uint8_t command)
{
	struct nlmsghdr hdr = {.nlmsg_type = family, .nlmsg_flags = NLM_F_REQUEST};
	uint8_t genl[4] = {command, 1, 0, 0};

	b->len = 0;
	put(b, &hdr, sizeof(hdr));
	put(b, genl, sizeof(genl));
}

static const struct nlmsghdr *finish(struct bytes *b)
{
	struct nlmsghdr *hdr = (struct nlmsghdr *)(void *)b->at;

	hdr->nlmsg_len = (uint32_t)b->len;
	return hdr;
}

static void same(struct nl_msg *msg, struct bytes *b)
{
	struct nlmsghdr *hdr;

	assert_non_null(msg);
	hdr = nlmsg_hdr(msg);
	finish(b);
	assert_int_equal(hdr->nlmsg_len, b->len);
	assert_memory_equal(hdr, b->at, b->len);
	nlmsg_free(msg);
}

static void put_sockets(struct bytes *b, const int *fds, size_t n)
{
	struct bytes list = {.len = 0}, item;

	for (size_t i = 0; i < n; i++) {
		item.len = 0;
		put_u32(&item, NBD_SOCK_FD, (uint32_t)fds[i]);
		put_attr(&list, NBD_SOCK_ITEM | NLA_F_NESTED, item.at, item.len);
	}
	put_attr(b, NBD_ATTR_SOCKETS | NLA_F_NESTED, list.at, list.len);
}

static const int fds[] = {7, 8, 1000};

static struct kernel_attach example(void)
{
	return (struct kernel_attach){.index = 5,
				      .fds = fds,
				      .n_fds = 3,
				      .size = UINT64_C(0x123456789abcd000),
				      .block_size = 4096,
				      .server_flags = 0x16d,
				      .timeout = 0,
				      .dead_timeout = 600,
				      .identifier = "nbd://h/x"};
}

/* Zeroes, too: a value that is left out would stay from the device's earlier user. */
static void connect_sends_everything(void **state)
{
	struct kernel_attach a = example();
	struct bytes b;

	(void)state;
	start(&b, FAMILY, NBD_CMD_CONNECT);
	put_u32(&b, NBD_ATTR_INDEX, 5);
	put_u64(&b, NBD_ATTR_SIZE_BYTES, a.size);
	put_u64(&b, NBD_ATTR_BLOCK_SIZE_BYTES, 4096);
	put_u64(&b, NBD_ATTR_TIMEOUT, 0);
	put_u64(&b, NBD_ATTR_SERVER_FLAGS, 0x16d);
	put_u64(&b, NBD_ATTR_DEAD_CONN_TIMEOUT, 600);
	put_attr(&b, 10, "nbd://h/x", 10);
	put_sockets(&b, fds, 3);
	same(netlink_msg_connect(FAMILY, &a), &b);
}

static void most_of_everything_fits(void **state)
{
	static const int many[KERNEL_CONNECTIONS_MAX] = {3};
	struct kernel_attach a = example();
	char id[KERNEL_IDENTIFIER_MAX + 1];
	struct nl_msg *msg;

	(void)state;
	memset(id, 'x', sizeof(id) - 1);
	id[sizeof(id) - 1] = '\0';
	a.identifier = id;
	a.fds = many;
	a.n_fds = KERNEL_CONNECTIONS_MAX;
	msg = netlink_msg_connect(FAMILY, &a);
	assert_non_null(msg);
	nlmsg_free(msg);
}

static void too_long_is_no_message(void **state)
{
	static char id[20000];
	struct kernel_attach a = example();

	(void)state;
	memset(id, 'x', sizeof(id) - 1);
	a.identifier = id;
	assert_null(netlink_msg_connect(FAMILY, &a));
}

static void short_messages(void **state)
{
	struct bytes b;

	(void)state;
	start(&b, FAMILY, NBD_CMD_DISCONNECT);
	put_u32(&b, NBD_ATTR_INDEX, 300);
	same(netlink_msg_disconnect(FAMILY, 300), &b);

	start(&b, FAMILY, NBD_CMD_STATUS);
	put_u32(&b, NBD_ATTR_INDEX, 0);
	same(netlink_msg_status(FAMILY, 0), &b);

	start(&b, FAMILY, NBD_CMD_CONNECT);
	put_u32(&b, NBD_ATTR_INDEX, 2);
	put_u64(&b, NBD_ATTR_SIZE_BYTES, 0);
	put_u64(&b, NBD_ATTR_CLIENT_FLAGS, 1);
	put_sockets(&b, fds, 1);
	same(netlink_msg_connect_last(FAMILY, 2, 7), &b);
}

/* A RECONFIGURE with only the device and its identifier, which every one has. */
static void start_change(struct bytes *b)
{
	start(b, FAMILY, NBD_CMD_RECONFIGURE);
	put_u32(b, NBD_ATTR_INDEX, 5);
	put_attr(b, 10, "nbd://h/x", 10);
}

/* The driver keeps values that are left out; a timeout that is sent also resets other values. */
static void change_sends_what_is_asked_for(void **state)
{
	struct kernel_change c = {
	    .index = 5, .identifier = "nbd://h/x", .fd = -1, .timeout = 30, .dead_timeout = 600};
	struct bytes b;

	(void)state;
	start_change(&b);
	same(netlink_msg_change(FAMILY, &c), &b);

	c.fd = 7;
	put_sockets(&b, fds, 1);
	same(netlink_msg_change(FAMILY, &c), &b);

	c.fd = 0; /* a descriptor like any other */
	start_change(&b);
	put_sockets(&b, &c.fd, 1);
	same(netlink_msg_change(FAMILY, &c), &b);

	c.fd = -1;
	c.size = UINT64_C(0x123456789abcd000);
	start_change(&b);
	put_u64(&b, NBD_ATTR_SIZE_BYTES, c.size);
	same(netlink_msg_change(FAMILY, &c), &b);

	c.size = 0;
	c.set_timeout = c.set_dead_timeout = true;
	start_change(&b);
	put_u64(&b, NBD_ATTR_TIMEOUT, 30);
	put_u64(&b, NBD_ATTR_DEAD_CONN_TIMEOUT, 600);
	same(netlink_msg_change(FAMILY, &c), &b);

	c.fd = 7;
	put_sockets(&b, fds, 1);
	same(netlink_msg_change(FAMILY, &c), &b);

	c.timeout = c.dead_timeout = 0; /* zeroes are settings too */
	start_change(&b);
	put_u64(&b, NBD_ATTR_TIMEOUT, 0);
	put_u64(&b, NBD_ATTR_DEAD_CONN_TIMEOUT, 0);
	put_sockets(&b, fds, 1);
	same(netlink_msg_change(FAMILY, &c), &b);
}

static void change_takes_identifiers_like_connect(void **state)
{
	static char id[20000];
	struct kernel_change c = {
	    .index = 5, .identifier = id, .fd = 7, .set_timeout = true, .set_dead_timeout = true};
	struct nl_msg *msg;

	(void)state;
	memset(id, 'x', KERNEL_IDENTIFIER_MAX);
	msg = netlink_msg_change(FAMILY, &c);
	assert_non_null(msg);
	nlmsg_free(msg);
	memset(id, 'x', sizeof(id) - 1);
	assert_null(netlink_msg_change(FAMILY, &c));
}

static void reads_the_index(void **state)
{
	struct bytes b;
	int index = -7;

	(void)state;
	start(&b, FAMILY, NBD_CMD_CONNECT);
	put_u32(&b, NBD_ATTR_INDEX, 12);
	assert_int_equal(netlink_msg_index(finish(&b), FAMILY, NBD_CMD_CONNECT, &index), 0);
	assert_int_equal(index, 12);
}

static void refuses_other_messages(void **state)
{
	struct bytes b;
	int index = -7;

	(void)state;
	start(&b, FAMILY, NBD_CMD_CONNECT);
	put_u32(&b, NBD_ATTR_INDEX, 12);
	finish(&b);
	assert_int_equal(netlink_msg_index((void *)b.at, FAMILY + 1, NBD_CMD_CONNECT, &index),
			 -EBADMSG);
	assert_int_equal(netlink_msg_index((void *)b.at, FAMILY, NBD_CMD_STATUS, &index), -EBADMSG);

	start(&b, FAMILY, NBD_CMD_CONNECT);
	assert_int_equal(netlink_msg_index(finish(&b), FAMILY, NBD_CMD_CONNECT, &index), -EBADMSG);
	put_u64(&b, NBD_ATTR_INDEX, 12); /* of the wrong size */
	assert_int_equal(netlink_msg_index(finish(&b), FAMILY, NBD_CMD_CONNECT, &index), -EBADMSG);

	start(&b, FAMILY, NBD_CMD_CONNECT);
	put_u32(&b, NBD_ATTR_INDEX, 0x80000000);
	assert_int_equal(netlink_msg_index(finish(&b), FAMILY, NBD_CMD_CONNECT, &index), -EBADMSG);

	b.len = NLMSG_HDRLEN; /* too short for the family's header */
	assert_int_equal(netlink_msg_index(finish(&b), FAMILY, NBD_CMD_CONNECT, &index), -EBADMSG);
	assert_int_equal(index, -7);
}

static void put_device(struct bytes *list, uint32_t index, uint8_t connected)
{
	struct bytes item = {.len = 0};

	put_u32(&item, NBD_DEVICE_INDEX, index);
	put_attr(&item, NBD_DEVICE_CONNECTED, &connected, 1);
	put_attr(list, NBD_DEVICE_ITEM, item.at, item.len);
}

static void reads_a_device_list(void **state)
{
	struct bytes b, list = {.len = 0};

	(void)state;
	start(&b, FAMILY, NBD_CMD_STATUS);
	put_attr(&b, NBD_ATTR_DEVICE_LIST, list.at, 0);
	assert_false(netlink_msg_listed(finish(&b), FAMILY, 0)); /* an unknown device */

	put_device(&list, 3, 0);
	put_device(&list, 200, 1);
	start(&b, FAMILY, NBD_CMD_STATUS);
	put_attr(&b, NBD_ATTR_DEVICE_LIST, list.at, list.len);
	finish(&b);
	assert_true(netlink_msg_listed((void *)b.at, FAMILY, 3));
	assert_true(netlink_msg_listed((void *)b.at, FAMILY, 200));
	assert_false(netlink_msg_listed((void *)b.at, FAMILY, 0));
	assert_false(netlink_msg_listed((void *)b.at, FAMILY + 1, 3));
}

/* A message that is cut anywhere is not read past its end (under ASan), and lists no device. */
static void survives_any_cut(void **state)
{
	struct bytes b, list = {.len = 0};

	(void)state;
	put_device(&list, 3, 1);
	start(&b, FAMILY, NBD_CMD_STATUS);
	put_attr(&b, NBD_ATTR_DEVICE_LIST, list.at, list.len);
	finish(&b);
	for (size_t len = 0; len < b.len; len++) {
		uint8_t *copy = malloc(len ? len : 1);

		assert_non_null(copy);
		memcpy(copy, b.at, len);
		assert_false(netlink_msg_link_dead(copy, len, FAMILY, 3));
		if (len >= NLMSG_HDRLEN) {
			((struct nlmsghdr *)(void *)copy)->nlmsg_len = (uint32_t)len;
			assert_false(len < b.len - 8 &&
				     netlink_msg_listed((void *)copy, FAMILY, 3));
		}
		free(copy);
	}
}

static void finds_a_dead_link(void **state)
{
	struct bytes b, other, two;

	(void)state;
	start(&b, FAMILY, NBD_CMD_LINK_DEAD);
	put_u32(&b, NBD_ATTR_INDEX, 9);
	finish(&b);
	assert_true(netlink_msg_link_dead(b.at, b.len, FAMILY, 9));
	assert_false(netlink_msg_link_dead(b.at, b.len, FAMILY, 8));
	assert_false(netlink_msg_link_dead(b.at, b.len, FAMILY + 1, 9));
	assert_false(netlink_msg_link_dead(b.at, 0, FAMILY, 9));

	/* A CONNECT reply does not count as a death, and does not hide one that follows it. */
	start(&other, FAMILY, NBD_CMD_CONNECT);
	put_u32(&other, NBD_ATTR_INDEX, 9);
	finish(&other);
	assert_false(netlink_msg_link_dead(other.at, other.len, FAMILY, 9));
	two.len = 0;
	put(&two, other.at, other.len);
	put(&two, b.at, b.len);
	assert_true(netlink_msg_link_dead(two.at, two.len, FAMILY, 9));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(connect_sends_everything),
	    cmocka_unit_test(most_of_everything_fits),
	    cmocka_unit_test(too_long_is_no_message),
	    cmocka_unit_test(change_sends_what_is_asked_for),
	    cmocka_unit_test(change_takes_identifiers_like_connect),
	    cmocka_unit_test(short_messages),
	    cmocka_unit_test(reads_the_index),
	    cmocka_unit_test(refuses_other_messages),
	    cmocka_unit_test(reads_a_device_list),
	    cmocka_unit_test(survives_any_cut),
	    cmocka_unit_test(finds_a_dead_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
