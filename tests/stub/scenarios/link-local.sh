#!/bin/bash
# SPDX-License-Identifier: MIT
# Link-local addresses, whose interface goes and comes back with another number.
# shellcheck source=tests/stub/net.bash disable=SC2317
. "$(dirname "$0")/../net.bash"
# shellcheck source=tests/stub/lib.bash
. "$(dirname "$0")/../lib.bash"

make_interface() {
	ip link add v0 type veth peer name v1 &&
		ip address add fe80::1/64 dev v0 nodad &&
		ip address add fe80::2/64 dev v0 nodad &&
		ip link set v0 up &&
		ip link set v1 up
}

serve_port() { # 10809
	nbdkit -f -p 10809 file "$image" >>"$N/server.said" 2>&1 </dev/null &
	server=$!
	started+=("$server")
	wait_for 10 listening 10809
}

# The server ends first: the device need not find out that the connection is dead.
lose_interface() {
	crash
	within 5 state_is lost &&
		ip link delete v0
}

heals() { make_interface && serve_port && within 10 state_is attached; }

if ! make_interface; then
	skip "a link-local server heals" "no pair of network interfaces can be made"
	finish
fi
serve_port
check "it attaches" attach -- "[fe80::1%v0]:10809"
check "the interface goes" lose_interface
check "the state says so" within 5 state_has LAST_ERROR "the network interface of its address is missing"
check "it heals" heals
check "another device attaches from an address with its interface" \
	nbd_attach nbd1 --source fe80::2%v0 "[fe80::1]:10809"
check "it detaches" nbd_attach --detach nbd1
check "it detaches" detach
finish
