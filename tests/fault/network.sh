#!/bin/bash
# SPDX-License-Identifier: MIT
# The network is cut without a FIN and comes back; the server's host dies and comes back without its
# old connections; a server of one client misses the end of that one.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 300 "$@"
begin 52
# shellcheck source=tests/fault/lib.bash
. "$top/tests/fault/lib.bash"
# shellcheck source=tests/fault/net.bash
. "$top/tests/fault/net.bash"

until_gone() { # SECONDS since the beginning
	local left=$(($1 - ($("$fault" now) - began) / 1000000000))
	((left <= 0)) || pause "$left"
}

away() { # NAME CONNECTIONS SECONDS GO COME: runs GO, and COME after SECONDS
	local name="$1, $2" go=$4 come=$5
	new_image
	# nbdkit (1.32) aborts if a connection is reset while it sends; that would cause another
	# outage.
	serve qemu-nbd 10809 --shared=8
	check "$name: attaches" attach -C "$2" || return
	check "$name: load" load -r 500
	pause 1
	"$go"
	# Not before the peer timeout of 10 s: until then the network may just be slow.
	if (($3 >= 15)); then
		check "$name: is lost after some 10 s" wait_for 20 eval \
			'state_is lost || state_is healing'
		check "$name: is not lost before" eval '(($("$fault" now) - began >= 9000000000))'
	fi
	until_gone "$3"
	check "$name: back after $3 s" "$come"
	if (($3 < 10)) && [[ $go = sever ]]; then
		pause 8 # ends later than the peer timeout after the cut: TCP has recovered by then
		check "$name: stays attached all the time" \
			is "$(state_value STATE) $(state_value RECONNECTS)" \
			'attached 0'
	else
		check "$name: attached again" healed
	fi
	pause 3
	check "$name: nothing failed, nothing lost" unload
	echo "  $name: $(figures)"
	check "$name: detaches" release
}

net_up
away "cut 15 s" 1 15 sever mend
away "cut 15 s" 4 15 sever mend
# Shorter than the peer timeout: the connection survives, because TCP retransmits.
away "cut 4 s" 1 4 sever mend
away "cable pulled 15 s" 1 15 unplug plug
away "host rebooted" 1 15 host_gone host_back
away "host rebooted at once" 1 3 host_gone host_back

# The reset of a connection without a descriptor is lost in the cut network and never repeated, so a
# server of one client would keep its dead client, and serve nobody else.
taken_over_one_client() {
	local name="one client, taken over" old
	new_image
	serve qemu-nbd 10809
	check "$name: attaches" attach || return
	old=$(supervisor "$device")
	kill -KILL "$old"
	wait_for 10 gone "$old"
	check "$name: is taken over" attach
	check "$name: load" load -r 500
	pause 1
	sever
	check "$name: is lost" wait_for 30 eval 'state_is lost || state_is healing'
	until_gone 20
	check "$name: the network is back" mend
	check "$name: attached again" healed
	pause 3
	check "$name: nothing failed, nothing lost" unload
	echo "  $name: $(figures)"
	check "$name: detaches" release
}
taken_over_one_client
finish
