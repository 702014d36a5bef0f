#!/bin/bash
# SPDX-License-Identifier: MIT
# A supervisor is asked to end while the kernel gets a new connection, and leaves the device attached,
# because it is in use. The state file has that connection, so that the next supervisor knows it.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2154,SC2317
. "$(dirname "$0")/../lib.bash"

leaves() { state_is leaving; }

serve
check "it attaches" attach
load -i "$image"
check "the load gets on" loading 20 5
ctl block
crash
check "the loss is noticed" within 5 state_is lost
serve_again
check "it is healing" within 10 state_is healing
pid=$(supervisor_pid 0)
kill -TERM "$pid"
check "it is about to end" within 5 leaves
ctl unblock
check "it ends" wait_for 15 gone "$pid"
check "it leaves the device attached" logged 'stays attached: .* is open in process'
check "the kernel has the new connection" told_is taken 1
check "the state file has it, too" state_has CONNECTIONS_ALIVE '^1$'
check "nothing has to be waited for" state_has UNSETTLED '^no$'
check "it is taken over" attach
check "it is attached" within 10 state_is attached
check "no other socket was accepted" told_is taken 1
check "the load gets on" loading 20 15
check "nothing failed, nothing is lost" unload
check "it detaches" detach
finish
