#!/bin/bash
# SPDX-License-Identifier: MIT
# Options that are passed to the kernel, which keeps them over an outage.
# shellcheck source=tests/stub/lib.bash disable=SC2119
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach --timeout 7 --dead-timeout 30 -b 4096 -i ours -r
check "the timeout" told_is timeout 7
check "the dead timeout" told_is dead-timeout 30
check "the identifier" told_is identifier ours
check "read-only" is "$(<"$N/stub/sys/block/nbd0/ro")" 1
check "the block size" is "$(<"$N/stub/sys/block/nbd0/queue/logical_block_size")" 4096
check "the queue's timeout" is "$(<"$N/stub/sys/block/nbd0/queue/io_timeout")" 7000
crash
check "the loss is noticed" within 5 state_is lost
serve_again
check "it heals" within 10 state_is attached
check "the timeout stays" told_is timeout 7
check "the dead timeout stays" told_is dead-timeout 30
check "it detaches" detach
finish
