# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# A network that tests can break: this machine, a router and the server's machine, as namespaces.
# Sourced after lib.bash. There can be several: N is the number, 0 unless net_up is told another one.
#
#   here 10.9N.1.1 -- 10.9N.1.254 router 10.9N.2.254 -- 10.9N.2.2 server
#
# A cut on the server's side of the router is silent: this machine's link stays up, and nothing
# answers. A cut on this side is like a cable that was pulled.

use_net() { # NUMBER: servers are in the network with this number from now on
	router=router$1 server_net=server$1 net_prefix=10.9$1
	in_server_net=(ip netns exec "$server_net")
	server_host=$net_prefix.2.2
}

net_up() { # [NUMBER]
	local near=near${1:-0}
	use_net "${1:-0}"
	modprobe veth
	ip netns add "$router"
	ip netns add "$server_net"
	ip link add "$near" type veth peer name r1 netns "$router"
	ip -n "$router" link add r2 type veth peer name far netns "$server_net"
	ip addr add "$net_prefix.1.1/24" dev "$near"
	ip link set "$near" up
	ip -n "$router" addr add "$net_prefix.1.254/24" dev r1
	ip -n "$router" addr add "$net_prefix.2.254/24" dev r2
	ip -n "$router" link set r1 up
	ip -n "$router" link set r2 up
	ip -n "$router" link set lo up
	# No ICMP "unreachable" when the server's side is down: it would inform the client.
	ip -n "$router" route add blackhole "$net_prefix.2.0/24" metric 9999
	echo 1 | ip netns exec "$router" tee /proc/sys/net/ipv4/ip_forward >/dev/null
	ip -n "$server_net" addr add "$net_prefix.2.2/24" dev far
	ip -n "$server_net" link set lo up
	ip -n "$server_net" link set far up
	ip -n "$server_net" route add default via "$net_prefix.2.254"
	ip route add "$net_prefix.2.0/24" via "$net_prefix.1.254"
}

# Not named "cut", because that is a command.
sever() { # cuts silently, without a FIN
	began=$("$fault" now)
	reconnects
	earlier=("${reconnects[@]}")
	ip -n "$router" link set r2 down
}

mend() {
	ip -n "$router" link set r2 up
	listening=$("$fault" now)
}

unplug() { # this machine loses its carrier
	began=$("$fault" now)
	reconnects
	earlier=("${reconnects[@]}")
	ip -n "$router" link set r1 down
}

plug() {
	ip -n "$router" link set r1 up
	listening=$("$fault" now)
}

# A host that dies silently and does not know its old connections when it is back.
host_gone() {
	began=$("$fault" now)
	reconnects
	earlier=("${reconnects[@]}")
	ip -n "$server_net" addr del "$net_prefix.2.2/24" dev far
	kill -KILL -- "-$server"
	wait "$server" 2>/dev/null || true
}

host_back() {
	ip -n "$server_net" addr add "$net_prefix.2.2/24" dev far
	ip -n "$server_net" route replace default via "$net_prefix.2.254"
	serve_again
}
