#!/bin/bash
# SPDX-License-Identifier: MIT
# The machine wakes up: a lost server is dialled at once, although the next attempt is not due yet,
# and the sleep counts as an outage. Setting the clock does not.
# Slow: it is started first.
# shellcheck source=tests/stub/net.bash disable=SC2317
. "$(dirname "$0")/../net.bash"
# shellcheck source=tests/stub/lib.bash
. "$(dirname "$0")/../lib.bash"

serve_port() { # 10809
	nbdkit -f -i 127.0.0.1 -p 10809 file "$image" >>"$N/server.said" 2>&1 </dev/null &
	server=$!
	started+=("$server")
	wait_for 10 listening 10809
}

pausing() { # the next attempt is at least 4 s away
	local next
	next=$(json next-try-unix-seconds)
	echo "the next try is at $next, and it is $(date +%s)"
	[[ $next != None ]] && ((next - $(date +%s) >= 4))
}

mkfifo "$N/stub/wake"
echo 1000 >"$N/stub/slept"
serve_port
check "it attaches" attach --retry-delay 30 -- 127.0.0.1:10809
crash
check "the loss is noticed" within 5 state_is lost
check "the next attempt is some time away" within 40 pausing
check "the server is back" serve_port
check "the program has not noticed yet" state_is lost
echo 61000 >"$N/stub/slept"
printf 12345678 >"$N/stub/wake"
check "the server is dialled at once" within 2 state_is attached
check "the log says so" logged 'the machine was suspended for 60 s'
check "it counts as an outage" json_is outages 2
printf 12345678 >"$N/stub/wake"
pause 0.3
check "setting the clock does not count" json_is outages 2
check "it detaches" detach
finish
