#!/bin/bash
# SPDX-License-Identifier: MIT
# A reload under a service manager while the data passes a relay, or the supervisor has started the
# server: both stay, and belong to the next supervisor.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2154,SC2317
. "$(dirname "$0")/../lib.bash"

reload() {
	old=$(<"$N/main")
	kill -USR1 "$old"
}

reloaded() {
	local main
	main=$(<"$N/main")
	echo "main process $main, was $old; $(supervisor_pid 0) is in charge"
	((main != old && main == $(supervisor_pid 0))) && gone "$old"
}

begin_under_manager() { # WORD...
	start env WATCHDOG_USEC=30000000 python3 "$top/tests/stub/manager.py" "$N" "${nbd_attach[@]}" -v -n --io-timeout 1s "$@"
	wait_for 10 test -p "$N/start" && echo >"$N/start"
}

serve
begin_under_manager nbd0 --relay -u "$sock"
manager=$pid
check "relay: it attaches" within 20 state_is attached
load
for i in 1 2; do
	reload
	check "relay: another process is in charge ($i)" within 15 reloaded
	check "relay: no connection was replaced ($i)" told_is taken $((i - 1))
	check "relay: the load gets on ($i)" loading 20 10
	check "relay: it heals ($i)" heals 10
done
check "relay: nothing failed, nothing is lost" unload
check "relay: it detaches" detach
kill_now "$manager"
rm -f "$N/start" "$N/notify"
crash
: >"$image" && truncate -s 1M "$image"

begin_under_manager nbd0 -- [ nbdkit -f -P "$N/pid" file "$image" ]
check "captive: it attaches" within 20 state_is attached
load
taken=$(told taken)
server=$(<"$N/pid")
reload
check "captive: another process is in charge" within 15 reloaded
check "captive: the server is the same" kill -0 "$server"
check "captive: the load gets on" loading 20 10
kill -KILL "$server"
check "captive: another server is started" within 20 told_is taken $((taken + 1))
check "captive: it heals" within 20 state_is attached
check "captive: the load gets on again" loading 20 10
check "captive: nothing failed, nothing is lost" unload
server=$(<"$N/pid")
check "captive: it detaches" detach
check "captive: the server ends with the device" wait_for 10 gone "$server"
finish
