#!/bin/bash
# SPDX-License-Identifier: MIT
# Another program detaches a device that is open: it looks attached, but is not.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach
start "$stub" open nbd0
opener=$pid
check "it is open" within 5 told_is openers 1
check "detach refuses and names the process" \
	expect_status 3 "nbd0 is open in process $opener" detach
pid=$(supervisor_pid 0)
ctl detach 0
check "the supervisor notices" wait_for 10 gone "$pid"
check "the log says so" logged 'detached by another program'
check "it cannot be taken over" expect_status 1 'is disconnected and cannot be attached before its last user' attach
kill_now "$opener"
check "the last close frees it" within 5 told_is configured 0
check "it attaches again" attach
check "it detaches" detach
finish
