#!/bin/bash
# SPDX-License-Identifier: MIT
# The driver ends a connection because of a wrong reply, and the server still carries out writes. They
# must not overwrite newer ones: neither if the server closes the connection at once, so that its socket
# shows nothing any more when the supervisor looks, nor if a supervisor begins in that outage.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2317
. "$(dirname "$0")/../lib.bash"

serve_held() { # [linger]
	rm -f "$N/said"
	python3 "$top/tests/stub/held.py" "$image" "$N/held" "$@" >"$N/said" 2>&1 &
	server=$!
	started+=("$server")
	wait_for 20 test -s "$N/said" && read -r port <"$N/said"
}

hold() { # SECONDS: each write
	echo "$1" >"$N/held.new"
	mv "$N/held.new" "$N/held"
}

# Some writes are held now, and those after the new connection are not.
break_it() {
	ctl break 0 0
	rm "$N/held"
}

begins_to_load() {
	load -i "$image" -d 8 -b 16
	loading 20 10
}

late() { # there was what this test is about
	wait_for 20 grep -q late "$N/said"
}

check "a server whose writes can be held" serve_held
check "it attaches" attach -- "127.0.0.1:$port"
check "the load gets on" begins_to_load
for round in 1 2 3; do
	hold 1.5
	pause 2
	break_it
	check "end $round: another connection is taken" within 20 told_at_least taken "$round"
	check "end $round: it heals" within 10 state_is attached
done
check "the server has carried out writes after the end" late
check "nothing is lost" unload
check "it detaches" detach
stop "$server"

# The next supervisor gets the old connection, which the driver has forgotten.
truncate -s 0 "$image"
truncate -s 1M "$image"
serve_held linger
start python3 "$top/tests/stub/manager.py" "$N" "${nbd_attach[@]}" -n --wait=20 --io-timeout 1s \
	--dead-timeout 60 nbd0 "127.0.0.1:$port"
check "the manager listens" wait_for 10 test -p "$N/start"
echo >"$N/start"
check "taken over: it attaches" within 10 state_is attached
check "taken over: the load gets on" begins_to_load
hold 8
pause 1
break_it
check "taken over: it is lost" within 5 state_has STATE '^(lost|healing)$'
pause 1
kill_supervisor
echo >"$N/start"
check "taken over: another supervisor begins" within 10 logged 'an earlier supervisor has left 1 of its'
check "taken over: it heals" within 40 state_is attached
check "taken over: the server has carried out writes after the end" late
check "taken over: nothing is lost" unload
check "taken over: it detaches" detach
finish
