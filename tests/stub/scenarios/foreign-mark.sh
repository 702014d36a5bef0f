#!/bin/bash
# SPDX-License-Identifier: MIT
# While the supervisor is stopped, another program detaches its device and attaches another disk
# with the same identifier. The supervisor must not reconfigure or disconnect that disk, or fail its
# I/O.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

# Stops the supervisor, so that it notices nothing in between.
exchanged() {
	kill -STOP "$(supervisor_pid 0)"
	ctl detach 0
	ctl attach 0 ours
	changes=$(told changes)
	detaches=$(told detaches)
	kill -CONT "$(supervisor_pid 0)"
}
untouched() {
	told_is changes "$changes" && told_is detaches "$detaches" && told_is configured 1
}
supervisor_ends() {
	wait_for 10 gone "$supervisor"
}
begins() { # [OPTION...]
	ctl detach 0
	attach -i ours "$@"
	local status=$?
	supervisor=$(supervisor_pid 0)
	return "$status"
}

serve
check "it attaches" begins
exchanged
check "no outage: it ends" supervisor_ends
check "no outage: the other disk is untouched" untouched

check "it attaches" begins
kill -STOP "$supervisor"
crash
ctl detach 0
ctl attach 0 ours
changes=$(told changes) detaches=$(told detaches)
serve_again
kill -CONT "$supervisor"
check "before a hand-over: it ends" supervisor_ends
check "before a hand-over: the other disk is untouched" untouched
check "before a hand-over: no socket was offered" told_is taken 0

check "it attaches" begins
kill -STOP "$supervisor"
ctl detach 0
ctl attach 0 ours
changes=$(told changes) detaches=$(told detaches)
kill -TERM "$supervisor"
kill -CONT "$supervisor"
check "SIGTERM: it ends" supervisor_ends
check "SIGTERM: the other disk is untouched" untouched

check "it attaches" begins
kill -STOP "$supervisor"
ctl detach 0
ctl attach 0 ours
changes=$(told changes) detaches=$(told detaches)
nbd_attach --detach --force nbd0 >/dev/null 2>&1 &
asker=$!
started+=("$asker")
pause 0.3
kill -CONT "$supervisor"
check "--detach: it ends" supervisor_ends
wait_for 10 gone "$asker"
check "--detach: the other disk is untouched" untouched

# A device that is about to grow
check "it attaches" begins
crash
check "the loss is noticed" within 5 state_is lost
truncate -s 2M "$image"
serve_again
check "it heals" within 10 state_is attached
kill -STOP "$supervisor"
pause 3 # then the search for a moment to grow is due at once
ctl detach 0
ctl attach 0 ours
changes=$(told changes) detaches=$(told detaches) sizes=$(told sizes)
kill -CONT "$supervisor"
check "larger: it ends" supervisor_ends
check "larger: the other disk is untouched" untouched
check "larger: the other disk keeps its size" told_is sizes "$sizes"
truncate -s 1M "$image"

# A device that was taken over: the kernel is asked about its connections
check "it attaches" begins
kill_supervisor
rm -f "$N/nbd0.state"
check "it is taken over" attach -i ours
supervisor=$(supervisor_pid 0)
kill -STOP "$supervisor"
ctl detach 0
ctl attach 0 ours
changes=$(told changes) detaches=$(told detaches)
ctl overflow
kill -CONT "$supervisor"
check "taken over: it ends" supervisor_ends
check "taken over: the other disk is untouched" untouched

# A detach that waits for the helper thread, which waits for the kernel.
check "it attaches" begins
ctl block
crash
check "the loss is noticed" within 5 state_is lost
serve_again
check "a hand-over is under way" within 10 state_is healing
nbd_attach --detach --force nbd0 >/dev/null 2>&1 &
asker=$!
started+=("$asker")
check "the detach waits" within 5 state_is detaching
ctl detach 0
ctl attach 0 ours
detaches=$(told detaches)
ctl unblock
check "a detach that waited: it ends" supervisor_ends
wait_for 10 gone "$asker"
check "a detach that waited: the other disk stays attached" told_is detaches "$detaches"

check "it attaches" begins --dead-timeout 1
crash
check "the loss is noticed" within 5 state_is lost
kill -STOP "$supervisor"
ctl detach 0
ctl attach 0 ours
changes=$(told changes) detaches=$(told detaches)
pause 1
kill -CONT "$supervisor"
check "the dead timeout: it ends" supervisor_ends
check "the dead timeout: the other disk is untouched" untouched
finish
