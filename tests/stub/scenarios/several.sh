#!/bin/bash
# SPDX-License-Identifier: MIT
# Several connections: one dies, then all of them.
# shellcheck source=tests/stub/lib.bash disable=SC2119
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches with three connections" attach -C 3
check "the driver has three" told_is alive 3
load -i "$image" -d 8
check "the load gets on" loading 20 5
echo 1000 >"$N/stub/sys/block/nbd0/queue/io_timeout"
crash
check "the loss is noticed" within 5 state_is lost
serve_again
check "all three are back" within 10 told_is alive 3
check "it is attached" within 10 state_is attached
check "nothing failed, nothing is lost" unload 40
check "it detaches" detach
finish
