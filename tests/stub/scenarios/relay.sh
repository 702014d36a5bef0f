#!/bin/bash
# SPDX-License-Identifier: MIT
# A relay between the kernel and the server: the end of either one is an outage. The end of a relay
# proves nothing about the server, unless the relay says that the server was first.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2034,SC2119,SC2120,SC2154,SC2317
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach --relay
load -i "$image"
check "the load gets on" loading 20 5
crash
check "the loss is noticed" within 5 state_is lost
serve_again
check "it heals" within 10 state_is attached
check "the load gets on" loading 20 10
check "the server had ended, so nothing was waited for" eval '! logged "without a confirmation"'
for child in $(pgrep -P "$(supervisor_pid 0)"); do
	kill -KILL "$child"
done
check "the end of the relay is an outage, too" within 10 told_is taken 2
check "it heals" within 10 state_is attached
check "its server may still hold writes" logged "without a confirmation from its server"
check "nothing failed, nothing is lost" unload
check "it detaches" detach

# It goes along when another supervisor takes the device over, with its TLS session.
goes_along() { # NAME OPTION...
	local name=$1 old relay new
	shift
	check "$name: it attaches for a handover" attach --relay "$@"
	load
	old=$(supervisor_pid 0)
	relay=$(pgrep -P "$old" nbd-relay)
	start "${nbd_attach[@]}" -n --relay --io-timeout 1s "$@" nbd0 -u "$sock"
	new=$pid
	check "$name: another supervisor takes over" within 10 eval '[[ $(supervisor_pid 0) = "$new" ]]'
	check "$name: the former one has ended" wait_for 10 gone "$old"
	check "$name: the relay stays" running "$relay"
	check "$name: the load gets on with it" loading 20 10
	check "$name: it heals" heals 10
	check "$name: the relay has ended" wait_for 5 gone "$relay"
	check "$name: nothing failed in the handover" unload
	check "$name: it detaches after the handover" detach
	truncate -s 0 "$image" && truncate -s 1M "$image" # empty for the next load
}

crash
truncate -s 0 "$image" && truncate -s 1M "$image"
serve_again
goes_along plain
crash
echo "me:0123456789abcdef0123456789abcdef" >"$N/psk"
chmod 600 "$N/psk"
serve_with --tls=require --tls-psk="$N/psk"
goes_along TLS --tls --tls-psk "$N/psk"
crash
serve_with

# A relay that a server has taken over may not end by itself. Here it is stopped instead.
check "it attaches again" attach --relay
relay=$(pgrep -P "$(supervisor_pid 0)" nbd-relay)
kill -STOP "$relay"
check "it detaches" detach --force
check "the relay does not outlive the device" wait_for 5 gone "$relay"
kill -KILL "$relay" 2>/dev/null
finish
