#!/bin/bash
# SPDX-License-Identifier: MIT
# SIGTERM detaches a device that certainly has no user, and leaves any other one attached.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2154
. "$(dirname "$0")/../lib.bash"

touch "$N/stub/built-in"
serve
check "it attaches" attach
touch "$N/stub/unsure"
check "in doubt, the supervisor ends" kill_supervisor TERM
check "in doubt, the device stays" told_is configured 1
check "in doubt, the log says so" logged 'stays attached: some processes cannot be examined'
rm "$N/stub/unsure"
check "it is taken over" attach
start "$stub" open nbd0
opener=$pid
check "it is open" within 5 told_is openers 1
check "in use, the supervisor ends" kill_supervisor TERM
check "in use, the device stays" told_is configured 1
kill_now "$opener"
check "... nobody uses it any more" within 5 told_is openers 0
check "it is taken over again" attach
check "unused, the supervisor ends" kill_supervisor TERM
check "unused, the device is detached" told_is configured 0

# What systemctl status shows of a unit that was stopped.
start python3 "$top/tests/stub/manager.py" "$N" "${nbd_attach[@]}" -n nbd0 -u "$sock"
check "the manager listens" wait_for 10 test -p "$N/start"
echo >"$N/start"
check "it attaches for a service manager" within 10 state_is attached
start "$stub" open nbd0
opener=$pid
check "it is open" within 5 told_is openers 1
supervisor=$(supervisor_pid 0)
kill -TERM "$supervisor"
check "stopped while in use: it ends" wait_for 10 gone "$supervisor"
check "... and its last status says why the device is still attached" within 5 eval "
	grep ^STATUS= $N/told | tail -n 1 | tee /dev/stderr |
		grep -q '^STATUS=/dev/nbd0: Still attached, without a supervisor: open in process '"
kill_now "$opener"
check "... nobody uses it any more" within 5 told_is openers 0
check "it detaches" detach
finish
