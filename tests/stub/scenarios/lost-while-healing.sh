#!/bin/bash
# SPDX-License-Identifier: MIT
# One of two connections dies, and the other one while the first is being replaced. The outage begins
# with that, however long the kernel takes for the hand-over.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2317
. "$(dirname "$0")/../lib.bash"

# The kernel does not answer the hand-over, and will not need its socket.
lose_both() {
	ctl decline 0 10000
	ctl block
	ctl break 0 1
	within 10 state_is healing && within 5 told_is commands 1 && state_has OUTAGE_SINCE '^0?$' ||
		return
	crash
	within 5 state_has OUTAGE_SINCE '^[1-9]'
}

heals_again() {
	ctl decline 0 0
	serve_again
	within 20 state_is attached && within 10 told_is alive 2
}

serve
check "it attaches with two connections" attach -C 2 --dead-timeout 3
check "an outage begins when the second one dies" lose_both
check "the new connection is still being handed over" state_is healing
check "the log says so" logged 'the connection to .* is lost .*I/O waits, for at most 3 s'
pause 3.2
check "the hand-over decides whether I/O fails" state_is healing
check "the loss has been logged once" test "$(grep -c 'the connection to .* is lost' "$N/stub/log")" = 1
ctl unblock
check "the dead timeout has counted from the loss" within 2 state_is expired
check "it was one outage" state_has OUTAGES '^1$'
check "it heals" heals_again
check "the kernel waits as before" within 5 told_is dead-timeout 3

check "the same once more" lose_both
check "--fail-now succeeds" \
	expect_status 0 'I/O fails until the server is back' nbd_attach --fail-now nbd0
pause 2.5 # the watch looks again
ctl unblock
check "I/O fails without the dead timeout" within 2 state_is expired
check "it heals" heals_again
check "that was one outage, too" state_has OUTAGES '^2$'

ctl block
ctl break 0 0
check "a connection is being replaced" within 10 told_is commands 1
crash
check "the other one dies" within 5 state_has OUTAGE_SINCE '^[1-9]'
serve_again
ctl unblock
check "the hand-over ends, and the device heals" within 20 state_is attached
check "so does the outage" within 5 state_has OUTAGE_SINCE '^0?$'
check "it detaches" detach
finish
