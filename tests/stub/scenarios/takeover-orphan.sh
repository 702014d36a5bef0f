#!/bin/bash
# SPDX-License-Identifier: MIT
# The supervisor of two connections dies while the kernel delays its hand-over. The kernel carries
# it out afterwards, so one connection lives that no supervisor knows. The next supervisor learns
# that because the driver needs none of its sockets, and it does not offer them forever.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

offered_stays() { # no socket is offered for longer than a redial and a hand-over take
	local before
	before=$(told offered)
	pause 3
	told_is offered "$before"
}

# If one of several connections dies, its requests are sent again after this time. The takeover sets
# it to 30 s.
repeats_soon() { echo 2000 >"$N/stub/sys/block/nbd0/queue/io_timeout"; }

serve
check "it attaches" attach -C 2
repeats_soon
load -i "$image"
check "the load gets on" loading 20 5
changes=$(told changes)
crash
check "the loss is noticed" within 5 state_is lost
check "the supervisor asked the kernel whether the device is still its own" \
	within 5 told_is changes $((changes + 1))
ctl block
serve_again
check "the hand-over begins" within 10 state_is healing
check "the kernel delays it" within 5 told_is commands 1
kill_supervisor
attach -C 2 &
check "the next supervisor waits for the kernel, too" within 10 told_is commands 2
ctl unblock
check "it takes the device over" wait "$!"
check "all connections live" within 10 told_is alive 2
check "the state is attached" within 30 state_is attached
check "it counts both" state_has CONNECTIONS_ALIVE '^2$'
check "nothing more is offered" offered_stays
check "it is attached" state_is attached
repeats_soon
check "the load gets on" loading 20 5
crash
check "a death is noticed" within 5 state_is lost
serve_again
check "it heals" within 20 state_is attached
check "both are new" within 5 told_is alive 2
check "nothing failed, nothing is lost" unload
check "it detaches" detach
finish
