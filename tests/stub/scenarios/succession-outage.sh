#!/bin/bash
# SPDX-License-Identifier: MIT
# A foreground supervisor is started in an outage of a device that a background supervisor has: it
# waits until the server is back, and then gets the device.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2154,SC2317
. "$(dirname "$0")/../lib.bash"

in_charge() { # PID
	echo "in charge: $(supervisor_pid 0), wanted $1"
	[[ $(supervisor_pid 0) = "$1" ]]
}

serve
check "it attaches" attach
load
check "the load gets on" loading 20 5
old=$(supervisor_pid 0)
crash
check "the loss is noticed" within 10 state_is lost
start "${nbd_attach[@]}" -n nbd0 -u "$sock"
new=$pid
wait_for 2 false
check "in the outage the new supervisor waits" running "$new"
check "... and the old one keeps the device" in_charge "$old"
check "... which stays lost" state_is lost
serve_again
check "after the outage the new one gets it" within 20 in_charge "$new"
check "... and the old one ends" wait_for 10 gone "$old"
check "it is attached" within 10 state_is attached
check "the load gets on" loading 20 10
crash
check "another loss is noticed" within 10 state_is lost
serve_again
check "it heals" within 20 state_is attached
check "nothing failed, nothing is lost" unload
check "it detaches" detach
finish
