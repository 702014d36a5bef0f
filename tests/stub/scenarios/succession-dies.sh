#!/bin/bash
# SPDX-License-Identifier: MIT
# The server dies while a supervisor hands the device over, and the driver's message about that is
# lost: the new supervisor has the socket, which shows its end.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2154,SC2317
. "$(dirname "$0")/../lib.bash"

in_charge() { # PID
	echo "in charge: $(supervisor_pid 0), wanted $1"
	[[ $(supervisor_pid 0) = "$1" ]]
}

serve
for phase in offer commit; do
	check "$phase: it attaches" attach
	ctl silent 0 on
	start python3 "$top/tests/stub/between.py" "$N/nbd0.control" "$phase+" "$server"
	wait_for 10 grep -qs listening "$N/log"
	"${nbd_attach[@]}" -n --io-timeout 1s nbd0 -u "$sock" 2>>"$N/stub/log" &
	new=$!
	started+=("$new")
	check "$phase: the new supervisor is in charge" within 10 in_charge "$new"
	check "$phase: it writes the state" within 5 state_has PID "^$new$"
	check "$phase: it knows of the loss" within 5 state_is lost
	check "$phase: all messages were exchanged" grep -q commit "$N/log"
	ctl silent 0 off
	serve_again
	check "$phase: it heals" within 10 state_is attached
	check "$phase: it detaches" detach
done
finish
