#!/bin/bash
# SPDX-License-Identifier: MIT
# A server that says that its export has another name than the one that was attached is refused: at
# a reconnect, as a server of --failover, and after another supervisor has taken the device over.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2119,SC2317
. "$(dirname "$0")/../lib.bash"

# nbdkit says NAME when it is asked for the default export.
named() { # NAME [SOCKET]
	serve nbdkit -f -U "${2:-$sock}" --filter=exportname file "$image" default-export="$1"
}

refused() {
	within 10 state_is refused && state_has LAST_ERROR \
		"back with another export's name: not connected to it; if that is intended, use .--reconnect --accept name"
}

# Nothing is offered to the kernel, and I/O waits.
nothing_is_taken() { # TAKEN
	local value
	ask 'done'
	pause 0.7
	told_is 'done' "$value" && told_is taken "$1"
}

named one
check "it attaches" attach
load -i "$image"
check "the load gets on" loading 20 5
crash
named two
check "a reconnect: another name is refused, with what to do" refused
check "... no socket was offered, and I/O waits" nothing_is_taken 0
check "... --status says so" eval 'nbd_attach --status nbd0 | grep "another export.s name"'
crash
named one
check "the right name heals it" within 10 state_is attached
check "... and the load gets on" loading 20 10

kill_supervisor
check "another supervisor takes it over" attach
before=$(told taken)
crash
named two
check "after a takeover: another name is refused" refused
check "... no socket was offered, and I/O waits" nothing_is_taken "$before"
kill_supervisor
attach
check "taken over in this outage: another name is refused" refused
# The takeover itself has offered a dead socket, to find out about the connection.
check "... no further socket was offered, and I/O waits" nothing_is_taken "$(told taken)"
crash
named one
check "the right name heals it" within 20 state_is attached
check "nothing failed, nothing is lost" unload
check "it detaches" detach

crash
rm "$image" && truncate -s 1M "$image"
named one
first=$sock
check "with another server: it attaches" attach --failover "nbd+unix:///?socket=$N/second" --fence none
load -i "$image"
check "the load gets on" loading 20 5
before=$(told taken)
crash
sock=$N/second
named two "$sock"
check "another server with another name is refused" within 10 state_has LAST_ERROR "another export's name"
check "... no socket was offered, and I/O waits" nothing_is_taken "$before"
crash
named one "$sock"
check "another server with the right name is used" within 20 state_is attached
check "... and the load gets on" loading 20 10
check "... it is that one" state_has ADDRESS second
check "nothing failed, nothing is lost" unload
sock=$first
check "it detaches" detach
finish
