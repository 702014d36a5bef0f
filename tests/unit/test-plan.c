/* SPDX-License-Identifier: MIT */
/* From export and wishes to what the kernel is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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
     ERR_SYSTEM,
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
     ERR_USAGE,
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

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(plans)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
