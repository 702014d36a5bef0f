#!/bin/bash
# SPDX-License-Identifier: MIT
# --peer-uid: another user takes a port of the loopback interface during an outage, with one
# connection and with a relay. --resize also checks the user.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

if (($(id -u))); then
	echo "skipped: only root can serve as two users"
	check "not root" true
	finish
fi
chmod 711 "$N"
chmod 666 "$image"
other=(setpriv --reuid 65534 --regid 65534 --clear-groups)

mine() {
	as=()
	serve_tcp "$port"
}

anothers() {
	as=("${other[@]}")
	serve_tcp "$port"
}

refused() { # NAME OFFERED: a server of another user replaces root's server for a time
	crash
	check "$1: the loss is noticed" within 5 state_is lost
	anothers
	check "$1: another user's server is refused" within 10 state_has LAST_ERROR \
		'it is uid 65534, and --peer-uid wants 0'
	check "$1: the state is refused" state_is refused
	check "$1: no socket was offered" told_is offered "$2"
	crash
	mine
	check "$1: the right server heals it" within 10 state_is attached
}

mine
to=(-- 127.0.0.1:"$port")
check "--peer-uid names another user: refused" \
	expect_status 5 'it is uid 0, and --peer-uid wants 65534' \
	attach --peer-uid nobody "${to[@]}"
check "it attaches" attach --peer-uid root "${to[@]}"
load -i "$image"
check "the load gets on" loading 20 5
refused "the kernel's socket" 0
check "nothing failed, nothing is lost" unload
check "--resize succeeds" nbd_attach --resize nbd0
check "it detaches" detach

check "a relay: --peer-uid names another user: refused" expect_status 5 'it is uid 0' \
	attach --peer-uid 65534 --relay "${to[@]}"
check "a relay: it attaches" attach --peer-uid 0 --relay "${to[@]}"
refused "a relay" "$(told offered)"
check "a relay: it detaches" detach
finish
