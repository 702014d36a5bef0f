#!/bin/bash
# SPDX-License-Identifier: MIT
# A supervisor dies in an outage while the end of the old connection is not proved. The next one gets
# that socket from the service manager; it applies --peer-timeout to it, though no connection lives.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

serve_tcp
start python3 "$top/tests/stub/manager.py" "$N" "${nbd_attach[@]}" -n --io-timeout 1s --peer-timeout 20 \
	nbd0 "127.0.0.1:$port"
wait_for 10 test -p "$N/start"
echo >"$N/start"
check "it attaches" within 10 state_is attached
load -i "$image"
check "the load gets on" loading 20 5
kill -STOP "$server"
check "requests are under way" within 5 told_at_least in-flight 1
ctl break 0 0
check "the loss is noticed" within 5 state_is lost
check "the end is not proved" within 5 state_has UNPROVED '^yes$'
kill_supervisor
echo >"$N/start"
check "the next one takes it over" within 10 logged 'taken over'
check "the end is not proved for it either" state_has UNPROVED '^yes$'
echo 30000 >"$N/stub/tcp-silent"
check "the server's host has vanished: only the settling time counts" within 15 state_has UNPROVED '^no$'
rm "$N/stub/tcp-silent"
# It comes back with a new server. (nbdkit 1.32 may abort if a reset comes while it sends.)
crash
serve_tcp "$port"
check "it heals" within 20 state_is attached
check "the load ends" unload
finish
