#!/bin/bash
# SPDX-License-Identifier: MIT
# A supervisor dies while it hands over a connection. The kernel uses it, and it ends before the next
# supervisor comes: nobody knows how, so the next one waits as for any such connection.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2119,SC2317
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach
changes=$(told changes)
crash
check "the loss is noticed" within 5 state_is lost
check "the supervisor asked the kernel whether the device is still its own" \
	within 5 told_is changes $((changes + 1))
ctl block
serve_again
check "the hand-over begins" within 10 state_is healing
check "the state file says that an end may have to be waited for" state_has UNSETTLED '^yes$'
check "the kernel delays it" within 5 told_is commands 1
kill_supervisor
ctl unblock
check "the kernel uses the connection" within 10 told_is taken 1
crash
check "it has ended" within 10 told_is alive 0
serve_again
check "the next one takes the device over" attach
check "it heals" within 20 state_is attached
check "not before the settling time has passed" eval '(($(state_value LAST_OUTAGE_MS) >= 1500))'
check "the log says that this is no proof" logged 'may still carry out old writes'
check "nothing has to be waited for any more" within 5 state_has UNSETTLED '^no$'
check "it detaches" detach
finish
