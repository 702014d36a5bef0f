#!/bin/bash
# SPDX-License-Identifier: MIT
# --no-reconnect: errors at once, and no other connection.
# shellcheck source=tests/stub/lib.bash disable=SC2119
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach --no-reconnect
check "the kernel does not wait" told_is dead-timeout 0
load -e
check "the load gets on" loading 20 5
crash
check "I/O fails" within 5 told_at_least failed 1
check "the state tells" within 5 state_is expired
serve_again
check "--reconnect refuses" expect_status 1 'no-reconnect' nbd_attach --reconnect nbd0
check "nothing was dialled" is "$(grep -c "again after" "$N/stub/log")" 0
check "the load ends" unload
check "what was written cannot be flushed any more" expect_status 4 'cannot be flushed' detach
check "with --force it detaches" detach --force
finish
