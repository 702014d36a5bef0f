/* SPDX-License-Identifier: MIT */
/* The kernel's settings for an export and the user's options. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "kernel/explain.h"
#include "supervise/attach/plan.h"

#define MIB (1 << 20)

static const struct {
	const char *what;
	uint64_t size;
	uint32_t min_block;
	uint16_t flags;
	struct plan_wish wish;
	int ret_kind; /* -1: success */
	struct plan plan;
} cases[] = {
    {"defaults",
     MIB,
     0,
     NBD_TX_HAS_FLAGS,
     {.connections = 1, .kernel_block = 4096},
     -1,
     {.size = MIB, .block_size = 512, .flags = NBD_TX_HAS_FLAGS, .connections = 1}},
    {"the server's minimum",
     MIB,
     4096,
     0,
     {.connections = 1, .kernel_block = 4096},
     -1,
     {.size = MIB, .block_size = 4096, .connections = 1}},
    {"a minimum of 1 means 512",
     MIB,
     1,
     0,
     {.connections = 1, .kernel_block = 4096},
     -1,
     {.size = MIB, .block_size = 512, .connections = 1}},
    {"cut at the end",
     41472,
     0,
     0,
     {.block_size = 4096, .connections = 1, .kernel_block = 4096},
     -1,
     {.size = 40960, .cut = 512, .block_size = 4096, .connections = 1}},
    {"trim is hidden, and only trim",
     MIB,
     0,
     NBD_TX_HAS_FLAGS | NBD_TX_SEND_TRIM | NBD_TX_SEND_WRITE_ZEROES,
     {.connections = 1, .kernel_block = 4096, .without = NBD_TX_SEND_TRIM},
     -1,
     {.size = MIB,
      .block_size = 512,
      .flags = NBD_TX_HAS_FLAGS | NBD_TX_SEND_WRITE_ZEROES,
      .connections = 1}},
    {"several connections",
     MIB,
     0,
     NBD_TX_HAS_FLAGS | NBD_TX_CAN_MULTI_CONN,
     {.connections = 4, .kernel_block = 4096},
     -1,
     {.size = MIB,
      .block_size = 512,
      .flags = NBD_TX_HAS_FLAGS | NBD_TX_CAN_MULTI_CONN,
      .connections = 4}},
    {"several, not promised",
     MIB,
     0,
     NBD_TX_HAS_FLAGS,
     {.connections = 4, .kernel_block = 4096},
     -1,
     {.size = MIB, .block_size = 512, .flags = NBD_TX_HAS_FLAGS, .connections = 1}},
    {"read-only by wish",
     MIB,
     0,
     0,
     {.read_only = true, .connections = 1, .kernel_block = 4096},
     -1,
     {.size = MIB,
      .block_size = 512,
      .flags = NBD_TX_HAS_FLAGS | NBD_TX_READ_ONLY,
      .connections = 1}},
    {"flags the kernel does not know",
     MIB,
     0,
     NBD_TX_HAS_FLAGS | NBD_TX_SEND_DF | NBD_TX_SEND_CACHE,
     {.connections = 1, .kernel_block = 4096},
     -1,
     {.size = MIB, .block_size = 512, .flags = NBD_TX_HAS_FLAGS, .connections = 1}},
    {"empty", 0, 0, 0, {.connections = 1, .kernel_block = 4096}, ERR_PERMANENT, {.size = 0}},
    {"less than a block",
     511,
     0,
     0,
     {.connections = 1, .kernel_block = 4096},
     ERR_PERMANENT,
     {.size = 0}},
    {"minimum beyond the kernel",
     MIB,
     65536,
     0,
     {.connections = 1, .kernel_block = 4096},
     ERR_PERMANENT,
     {.size = 0}},
    {"wish beyond the kernel",
     MIB,
     0,
     0,
     {.block_size = 8192, .connections = 1, .kernel_block = 4096},
     ERR_SYSTEM,
     {.size = 0}},
    {"wish below the minimum",
     MIB,
     4096,
     0,
     {.block_size = 512, .connections = 1, .kernel_block = 4096},
     ERR_PERMANENT,
     {.size = 0}},
};

static void plans(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct nbd_export e = {
		    .size = cases[i].size,
		    .min_block = cases[i].min_block,
		    .flags = cases[i].flags,
		};
		struct plan plan = {.size = 12345};
		struct err err = {0};
		int ret = plan_make(&e, &cases[i].wish, &plan, &err);

		print_message("    %s\n", cases[i].what);
		if (cases[i].ret_kind < 0) {
			assert_int_equal(ret, 0);
			assert_int_equal(plan.size, cases[i].plan.size);
			assert_int_equal(plan.cut, cases[i].plan.cut);
			assert_int_equal(plan.block_size, cases[i].plan.block_size);
			assert_int_equal(plan.flags, cases[i].plan.flags);
			assert_int_equal(plan.connections, cases[i].plan.connections);
		} else {
			assert_true(ret < 0);
			assert_int_equal(err.kind, cases[i].ret_kind);
			assert_int_equal(plan.size, 12345); /* untouched on failure */
		}
	}
}

/*
 * Whatever a server says, a service manager tries again after the exit status, and the kernel
 * accepts the values.
 */
static void no_server_chooses_that_nobody_tries_again(void **unused)
{
	static const uint64_t sizes[] = {0,
					 1,
					 511,
					 512,
					 65535,
					 UINT64_C(1) << 40,
					 INT64_MAX,
					 INT64_MAX - 511,
					 INT64_MAX - 65535};
	static const uint32_t blocks[] = {0, 1, 512, 4096, 8192, 65536};
	static const uint32_t wishes[] = {0, 512, 1024, 4096};
	static const uint32_t kernels[] = {4096, 65536};

	(void)unused;
	for (size_t s = 0; s < ARRAY_SIZE(sizes); s++)
		for (size_t b = 0; b < ARRAY_SIZE(blocks); b++)
			for (size_t w = 0; w < ARRAY_SIZE(wishes); w++)
				for (unsigned flags = 0; flags <= NBD_TX_KNOWN; flags += 3) {
					struct nbd_export e = {.size = sizes[s],
							       .min_block = blocks[b],
							       .pref_block = blocks[b] ? 65536 : 0,
							       .max_block = blocks[b] ? 65536 : 0,
							       .flags = (uint16_t)flags};
					struct plan_wish wish = {
					    .block_size = wishes[w],
					    .connections = 4,
					    .kernel_block = kernels[flags & 1],
					};
					struct plan plan;
					struct err err = {.kind = ERR_FAILED};

					if (plan_make(&e, &wish, &plan, &err) < 0) {
						assert_int_equal(err.kind, ERR_PERMANENT);
						continue;
					}
					assert_int_equal(plan.size % plan.block_size, 0);
					assert_true(plan.block_size <= wish.kernel_block);
				}
}

/*
 * The last check before the kernel: a plan has none of these values, and each comes from the
 * server.
 */
static void what_the_kernel_is_not_given(void **unused)
{
	static const struct kernel_attach bad[] = {
	    {.n_fds = 2, .size = MIB, .block_size = 512},
	    {.n_fds = 1, .size = MIB + 1, .block_size = 512},
	    {.n_fds = 1, .size = UINT64_C(1) << 63, .block_size = 512},
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct kernel_attach a = bad[i];
		struct err err = {.kind = ERR_FAILED};

		a.identifier = "";
		assert_int_equal(attach_check(&a, &err), -EINVAL);
		assert_int_equal(err.kind, ERR_PERMANENT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(plans),
	    cmocka_unit_test(what_the_kernel_is_not_given),
	    cmocka_unit_test(no_server_chooses_that_nobody_tries_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
