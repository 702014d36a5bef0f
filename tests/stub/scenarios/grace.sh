#!/bin/bash
# SPDX-License-Identifier: MIT
# --shutdown: the grace period of a lost server begins at the shutdown, not at the loss.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach
load -e
check "the load gets on" loading 20 5
crash
check "the loss is noticed" within 5 state_is lost
pause 3
began=${EPOCHREALTIME/./}
check "the machine shuts down" nbd_attach --shutdown --grace 3
pause 2
check "I/O still waits" told_is failed 0
check "then it fails" within 5 told_at_least failed 1
took=$(((${EPOCHREALTIME/./} - began) / 1000))
check "not before the grace period is over" test "$took" -ge 2900
check "the state is expired" within 5 state_is expired
check "the grace period is cancelled" nbd_attach --shutdown --grace infinity
serve_again
check "it heals" within 10 state_is attached
check "the kernel waits as before" within 5 told_is dead-timeout 600
check "the load ends" unload
check "it detaches" detach
finish
