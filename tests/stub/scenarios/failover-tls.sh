#!/bin/bash
# SPDX-License-Identifier: MIT
# --failover over TCP, with two connections, and over TLS.
# shellcheck source=tests/stub/net.bash disable=SC2317
. "$(dirname "$0")/../net.bash"
# shellcheck source=tests/stub/lib.bash
. "$(dirname "$0")/../lib.bash"

serve_port() { # PORT ARGUMENT... of nbdkit; sets $server
	nbdkit -f -i 127.0.0.1 -p "$1" "${@:2}" file "$image" >>"$N/server.said" 2>&1 </dev/null &
	server=$!
	started+=("$server")
	wait_for 10 listening "$1"
}

fails_over() { # NAME CONNECTIONS FIRST SECOND OPTION...; $first is the server that dies
	local name=$1
	check "$name: attaches" attach -C "$2" --failover "$4" --fence none "${@:5}" -- "$3"
	check "$name: with all connections" told_is alive "$2"
	# With several connections the kernel would keep requests in flight waiting for 30 seconds.
	(($2 == 1)) || echo 1000 >"$N/stub/sys/block/nbd0/queue/io_timeout"
	load
	check "$name: the load gets on" loading 20 5
	kill_now "$first"
	check "$name: the other server is used" within 10 json_is serving "$4"
	check "$name: it is attached" within 15 state_is attached
	check "$name: all connections live" within 5 told_is alive "$2"
	check "$name: the load gets on there" loading 20 10
	check "$name: nothing failed, nothing is lost" unload
	check "$name: detaches" detach
	truncate -s 0 "$image" && truncate -s 1M "$image" # empty for the next load
}

serve_port 10809
first=$server
serve_port 10810
fails_over "TCP, 2" 2 nbd://127.0.0.1/ nbd://127.0.0.1:10810/

echo "me:0123456789abcdef0123456789abcdef" >"$N/psk"
chmod 600 "$N/psk"
serve_port 10811 --tls=require --tls-psk="$N/psk"
first=$server
serve_port 10812 --tls=require --tls-psk="$N/psk"
fails_over TLS 1 nbds://127.0.0.1:10811/ nbds://127.0.0.1:10812/ --tls-psk "$N/psk"
finish
