#!/bin/bash
# SPDX-License-Identifier: MIT
# --shutdown: the grace period of a lost server begins at the shutdown, not at the loss.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2154,SC2317
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach
load -e
check "the load gets on" loading 20 5
crash
check "the loss is noticed" within 5 state_is lost
pause 3
began=${EPOCHREALTIME/./}
start "${nbd_attach[@]}" --shutdown --grace 3
shutdown=$pid
check "the machine shuts down" within 5 logged 'has 3 s to come back'
pause 2
check "I/O still waits" told_is failed 0
check "then it fails" within 5 told_at_least failed 1
took=$(((${EPOCHREALTIME/./} - began) / 1000))
check "not before the grace period is over" test "$took" -ge 2900
check "the state is expired" within 5 state_is expired
check "--shutdown ends soon" wait_for 5 gone "$shutdown"
check "the grace period is cancelled" nbd_attach --shutdown --grace infinity
serve_again
check "it heals" within 10 state_is attached
check "the kernel waits as before" within 5 told_is dead-timeout 600
check "the load gets on again" loading 20 10
crash
check "the next loss is noticed" within 5 state_is lost
start "${nbd_attach[@]}" --shutdown --grace 30
shutdown=$pid
check "the machine shuts down again" within 5 logged 'has 30 s to come back'
serve_again
check "the server comes back in time" within 10 state_is attached
check "--shutdown does not wait any longer" wait_for 5 gone "$shutdown"
check "the load ends" unload
check "it detaches" detach
finish
