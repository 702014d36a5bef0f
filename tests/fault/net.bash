# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# A network to break: this machine, a router and the server's machine, as namespaces. Sourced
# after lib.bash.
#
#   here 10.9.1.1 -- 10.9.1.254 router 10.9.2.254 -- 10.9.2.2 server
#
# What is cut behind the router is cut without a sign: this machine's link stays up, and nothing
# answers. What is cut before it is a cable that was pulled.

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
	# Not "unreachable", which would tell the client, when the server's side is down.
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

# Not "cut", which lib.sh means otherwise.
sever() { # without a FIN, without a sign
	began=$("$fault" now)
	reconnects
	earlier=("${reconnects[@]}")
	ip -n router link set r2 down
}

mend() {
	ip -n router link set r2 up
	listening=$("$fault" now)
}

unplug() { # this machine's carrier goes
	began=$("$fault" now)
	reconnects
	earlier=("${reconnects[@]}")
	ip -n router link set r1 down
}

plug() {
	ip -n router link set r1 up
	listening=$("$fault" now)
}

# A host that goes without a word, and does not know its old connections when it is back.
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
