#!/bin/bash
# SPDX-License-Identifier: MIT
# --peer-timeout: a peer that acknowledges nothing is given up after that time and not before. The
# default is ten seconds.
# Slow: it is started first.
# shellcheck source=tests/stub/net.bash disable=SC2317
. "$(dirname "$0")/../net.bash"
# shellcheck source=tests/stub/lib.bash
. "$(dirname "$0")/../lib.bash"

# Milliseconds since the network was cut.
now() { date +%s%3N; }

serve_port() { # 10809
	nbdkit -f -i 127.0.0.1 -p 10809 file "$image" >>"$N/server.said" 2>&1 </dev/null &
	server=$!
	started+=("$server")
	wait_for 10 listening 10809
}

serve_port
truncate -s 1M "$N/other"
nbdkit -f -i 127.0.0.1 -p 10810 file "$N/other" >>"$N/server.said" 2>&1 </dev/null &
started+=("$!")
wait_for 10 listening 10810
check "attaches with five seconds" attach --peer-timeout 5 -- 127.0.0.1:10809
check "another device attaches with the default" nbd_attach nbd1 127.0.0.1:10810
load
check "the load gets on" loading 20 5
"$stub" load nbd1 -s 7 >"$N/load1.said" 2>&1 </dev/null &
started+=("$!")
check "the load of the other device gets on" within 5 told_at_least 'done' 20 1
began=$(now)
cut_network
check "five seconds: is lost" within 10 state_is lost
took=$(($(now) - began))
echo "  five seconds: after $took ms"
check "five seconds: not before" eval '((took >= 4500))'
check "five seconds: not much later" eval '((took <= 8000))'
check "the default: is attached meanwhile" json_is state attached 1
check "the default: is lost" within 10 json_is state lost 1
took=$(($(now) - began))
echo "  the default: after $took ms"
check "the default: after ten seconds" eval '((took >= 9000))'
# A server without the old connections: nbdkit (1.32) aborts if a connection is reset.
crash
mend_network
check "the server is back" serve_port
check "it heals" within 15 state_is attached
check "nothing failed, nothing is lost" unload
check "it detaches" detach
finish
