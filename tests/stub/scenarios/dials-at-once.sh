#!/bin/bash
# SPDX-License-Identifier: MIT
# A lost server is dialled at once on SIGHUP, on --reconnect, and when the machine wakes up, although
# the next try is not due yet.
# shellcheck source=tests/stub/net.bash disable=SC2317 # check() calls functions
. "$(dirname "$0")/../net.bash"
# shellcheck source=tests/stub/lib.bash
. "$(dirname "$0")/../lib.bash"

serve_port() { # 10809
	nbdkit -f -i 127.0.0.1 -p 10809 file "$image" >>"$N/server.said" 2>&1 </dev/null &
	server=$!
	started+=("$server")
	wait_for 10 listening 10809
}

pausing() { # at least 4 s to go
	local next
	next=$(json next-try)
	echo "the next try is at $next, and it is $(date +%s)"
	[[ $next != none ]] && ((next - $(date +%s) >= 4))
}

lost_for_long() { # NAME
	crash
	check "$1: the loss is noticed" within 5 state_is lost
	check "$1: the next try is some time ahead" within 40 pausing
	check "$1: the server is back" serve_port
	check "$1: which nobody has noticed" state_is lost
}

mkfifo "$N/stub/wake"
echo 1000 >"$N/stub/slept"
serve_port
check "it attaches" attach --retry-delay 30 -- 127.0.0.1:10809
lost_for_long SIGHUP
kill -HUP "$(supervisor_pid 0)"
check "SIGHUP: dialled at once" within 2 state_is attached
lost_for_long "--reconnect"
check "--reconnect: is done" nbd_attach --reconnect nbd0
check "--reconnect: dialled at once" within 2 state_is attached
outages=$(json outages)
lost_for_long sleep
echo 61000 >"$N/stub/slept"
printf 12345678 >"$N/stub/wake"
check "sleep: dialled at once" within 2 state_is attached
check "sleep: it is said" logged 'the machine slept for 60 s'
check "sleep: it counts as an outage" json_is outages $((outages + 2))
# The calendar was set, and no more: no sleep.
printf 12345678 >"$N/stub/wake"
pause 0.3
check "the calendar: counts as nothing" json_is outages $((outages + 2))
check "it detaches" detach
finish
