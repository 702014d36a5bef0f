#!/bin/bash
# SPDX-License-Identifier: MIT
# The driver reports a death that did not happen, and the dead timeout passes before that is refuted.
# Then the device is as before: in the next outage I/O waits.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2119,SC2120,SC2154,SC2317
. "$(dirname "$0")/../lib.bash"

takes_over() {
	kill_supervisor
	rm -f "$N/nbd0.state"
	attach "$@"
}

serve
check "it attaches" attach --dead-timeout 4
check "it is taken over" takes_over --dead-timeout 4
kill -STOP "$server"
ctl event 0
check "the rumour is believed" within 5 state_is lost
check "the dead timeout passes" within 10 state_is expired
check "I/O would fail" within 5 told_is timeout 1
kill -CONT "$server"
check "the rumour is refuted" within 10 state_is attached
check "no socket was accepted" told_is taken 0
check "the kernel waits again" within 5 told_is dead-timeout 4
check "no request times out" told_is timeout 0
check "the driver looks at requests as often as before" \
	within 5 eval '[[ $(<"$N/stub/sys/block/nbd0/queue/io_timeout") = 1000 ]]'
load -i "$image"
check "the load gets on" loading 20 5
crash
check "the loss is noticed" within 5 told_at_least pending 1
pause 1.5
check "I/O waits" state_is lost
serve_again
check "it heals" within 10 state_is attached
check "nothing failed, nothing is lost" unload
check "it detaches" detach
finish
