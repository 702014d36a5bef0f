#!/bin/bash
# SPDX-License-Identifier: MIT
# No process stands ready while a device is attached that holds neither swap nor the root file
# system. One is started when the connection is lost, waits for the server, and is used.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2317
. "$(dirname "$0")/../lib.bash"

workers() { # prints the process IDs of handshake processes
	local p children
	read -ra children -d '' < <(cat "/proc/$(supervisor_pid 0)"/task/*/children)
	for p in "${children[@]}"; do
		[[ $(<"/proc/$p/comm") = nbd-handshake ]] && echo "$p"
	done 2>/dev/null
}

workers_are() { # COUNT
	local now
	now=$(workers)
	echo "now ${now//$'\n'/ }, wanted $1"
	(($(wc -w <<<"$now") == $1))
}

serve
check "it attaches" attach
check "no process stands ready" within 5 workers_are 0
crash
check "the loss is noticed" within 5 state_is lost
check "one gets ready" within 5 workers_are 1
waiting=$(workers)
pause 1
check "attempts that are refused do not use it" is "$(workers)" "$waiting"
serve_again
check "it heals" within 10 state_is attached
check "no process stands ready again" within 5 workers_are 0
check "it detaches" detach
check "with --swap, it attaches" attach --swap
check "with --swap, five stand ready" within 5 workers_are 5
check "with --swap, it detaches" detach
finish
