# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# A network that tests can break: this machine, a router and the server's machine, as namespaces.
# Sourced after lib.bash.
#
#   here 10.9.1.1 -- 10.9.1.254 router 10.9.2.254 -- 10.9.2.2 server
#
# A cut on the server's side of the router is silent: this machine's link stays up, and nothing
# answers. A cut on this side is like a cable that was pulled.

net_up() {
	modprobe veth
	ip netns add router
	ip netns add server
	ip link add near type veth peer name r1 netns router
	ip -n router link add r2 type veth peer name far netns server
	ip addr add 10.9.1.1/24 dev near
	ip link set near up
	ip -n router addr add 10.9.1.254/24 dev r1
	ip -n router addr add 10.9.2.254/24 dev r2
	ip -n router link set r1 up
	ip -n router link set r2 up
	ip -n router link set lo up
	# No ICMP "unreachable" when the server's side is down: it would inform the client.
	ip -n router route add blackhole 10.9.2.0/24 metric 9999
	echo 1 | ip netns exec router tee /proc/sys/net/ipv4/ip_forward >/dev/null
	ip -n server addr add 10.9.2.2/24 dev far
	ip -n server link set lo up
	ip -n server link set far up
	ip -n server route add default via 10.9.2.254
	ip route add 10.9.2.0/24 via 10.9.1.254
	in_server_net=(ip netns exec server)
	server_host=10.9.2.2
}

# Not named "cut", because that is a command.
sever() { # cuts silently, without a FIN
	began=$("$fault" now)
	reconnects
	earlier=("${reconnects[@]}")
	ip -n router link set r2 down
}

mend() {
	ip -n router link set r2 up
	listening=$("$fault" now)
}

unplug() { # this machine loses its carrier
	began=$("$fault" now)
	reconnects
	earlier=("${reconnects[@]}")
	ip -n router link set r1 down
}

plug() {
	ip -n router link set r1 up
	listening=$("$fault" now)
}

# A host that dies silently and does not know its old connections when it is back.
host_gone() {
	began=$("$fault" now)
	reconnects
	earlier=("${reconnects[@]}")
	ip -n server addr del 10.9.2.2/24 dev far
	kill -KILL -- "-$server"
	wait "$server" 2>/dev/null || true
}

host_back() {
	ip -n server addr add 10.9.2.2/24 dev far
	ip -n server route replace default via 10.9.2.254
	serve_again
}
