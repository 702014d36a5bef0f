#!/bin/bash
# SPDX-License-Identifier: MIT
# --no-reconnect: I/O fails at once, and there is no other connection.
# shellcheck source=tests/stub/lib.bash disable=SC2119
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach --no-reconnect
check "the kernel does not wait" told_is dead-timeout 0
load -e
check "the load gets on" loading 20 5
crash
check "I/O fails" within 5 told_at_least failed 1
check "the state is expired" within 5 state_is expired
serve_again
check "--reconnect refuses" expect_status 1 'no-reconnect' nbd_attach --reconnect nbd0
check "no server was dialled" is "$(grep -c "again after" "$N/stub/log")" 0
check "the load ends" unload
check "a plain --detach refuses, as written data cannot be flushed" \
	expect_status 4 'cannot be flushed' detach
check "it detaches with --force" detach --force
finish
