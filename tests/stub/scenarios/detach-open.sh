#!/bin/bash
# SPDX-License-Identifier: MIT
# A process keeps a device open that was detached by --force: the answer names it. If another process
# blocks the look for that one, as one does that waits for memory, the answer comes without it.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2154,SC2317
. "$(dirname "$0")/../lib.bash"

attach_and_open() {
	attach || return
	start "$stub" open nbd0
	opener=$pid
	within 5 told_is openers 1
}

close_it() {
	kill_now "$opener"
	within 5 told_is configured 0
}

detached() { # REGEX: of the answer
	local began=${EPOCHREALTIME/./} status
	expect_status 0 "becomes free when its last user closes it$1" detach --force
	status=$?
	took=$(((${EPOCHREALTIME/./} - began) / 1000))
	return "$status"
}

serve
check "it attaches, and is open" attach_and_open
check "with --force it is detached, and the process is named" detached ": .* open in process $opener"
check "its last close frees it" close_it

check "it attaches again, and is open" attach_and_open
supervisor=$(supervisor_pid 0)
touch "$N/stub/slow-look"
check "with a blocked look it is detached without a name" detached '$'
check "in time" test "$took" -lt 4000
check "the supervisor ends" wait_for 5 gone "$supervisor"
rm "$N/stub/slow-look"
check "its last close frees it" close_it

check "without a supervisor: it attaches, and is open" attach_and_open
kill_supervisor
touch "$N/stub/slow-look"
check "without a supervisor: it is detached without a name" detached '$'
check "without a supervisor: in time" test "$took" -lt 5000
rm "$N/stub/slow-look"
check "without a supervisor: its last close frees it" close_it

# As what was mounted in a container is, whose processes cannot be seen.
check "it attaches" attach
start "$stub" open nbd0 exclusive
opener=$pid
check "a process claims it" within 5 told_is openers 1
rm -r "$N/stub/proc/$opener"
check "although no user can be seen, it stays attached" expect_status 3 'is in use: mounted' detach
check "nothing was disconnected" told_is configured 1
kill_now "$opener"
check "it is detached then" detach
finish
