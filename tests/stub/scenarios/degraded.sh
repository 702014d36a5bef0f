#!/bin/bash
# SPDX-License-Identifier: MIT
# One of several connections ends. The others go on, and it is replaced.
# shellcheck source=tests/stub/lib.bash disable=SC2119
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches with three connections" attach -C 3
echo 1000 >"$N/stub/sys/block/nbd0/queue/io_timeout"
load -i "$image" -d 8
check "the load gets on" loading 20 5
ctl break 0 1
check "it is replaced" within 10 told_is taken 1
check "three are alive" within 10 told_is alive 3
check "it is attached" within 10 state_is attached
check "the log says so" logged 'a connection to .* is dead .*, 2 of 3 are left'
check "no outage is counted" json_is outages 0
ctl break 0 0
ctl break 0 2
check "two are replaced" within 10 told_is taken 3
check "all are alive again" within 10 logged 'all 3 connections'
check "each socket was offered once" told_is offered 3
check "nothing failed, nothing is lost" unload 20
check "it detaches" detach
finish
