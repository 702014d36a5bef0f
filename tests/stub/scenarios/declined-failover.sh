#!/bin/bash
# SPDX-License-Identifier: MIT
# Taken over without a state file; then the driver reports a death that did not happen, and another
# server is dialled (--failover). The driver declines that connection, because the old one is alive: the
# status names the server that the device is connected to.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

other=$N/other.sock
options=(--failover "nbd+unix:///?socket=$other" --fence true)

takes_over() {
	kill_supervisor
	rm -f "$N/nbd0.state"
	attach "$@"
}

serve
first=$server
check "it attaches" attach "${options[@]}"
load -i "$image"
check "it is taken over" takes_over "${options[@]}"
check "the address is that of its server" state_has ADDRESS "$sock"
nbdkit -f -U "$other" file "$image" >/dev/null 2>&1 &
started+=("$!")
wait_for 10 listening "$other"
kill -STOP "$first"
ctl event 0
check "the rumour is believed" within 5 state_is lost
check "the other server is offered" within 20 told_at_least offered 2
check "the rumour is refuted" within 20 state_is attached
kill -CONT "$first"
check "no socket was accepted" told_is taken 0
check "the address is still that of its server" state_has ADDRESS "$sock"
check "the load gets on" loading 20 5
kill_now "$first"
check "now it is lost, and the other one serves" within 20 state_has ADDRESS "$other"
check "it heals" within 20 state_is attached
check "nothing failed, nothing is lost" unload
check "it detaches" detach
finish
