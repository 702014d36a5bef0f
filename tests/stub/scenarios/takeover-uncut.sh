#!/bin/bash
# SPDX-License-Identifier: MIT
# A taken-over connection that cannot be cut counts as alive: the driver continues to send on it and
# needs no other. If the network is cut, the log says so; no server is dialled, no request fails,
# and I/O goes on when the network is back.
# Slow: it is started first.
# shellcheck source=tests/stub/net.bash disable=SC2317
. "$(dirname "$0")/../net.bash"
# shellcheck source=tests/stub/lib.bash disable=SC2119
. "$(dirname "$0")/../lib.bash"

serve_port() { # 10809
	nbdkit -f -i 127.0.0.1 -p 10809 file "$image" >>"$N/server.said" 2>&1 </dev/null &
	server=$!
	started+=("$server")
	wait_for 10 listening 10809
}

# The dead timeout must not pass while the network is cut.
attach_tcp() { attach --peer-timeout 5 --dead-timeout 3 -- 127.0.0.1:10809; }

serve_port
check "it attaches" attach_tcp
load -i "$image"
check "the load gets on" loading 20 5
kill_supervisor
touch "$N/stub/no-destroy"
check "it is taken over" attach_tcp
offered=$(told offered)
cut_network
check "the log says that it cannot be cut" within 20 logged 'does not let this one close it'
pause 4 # the dead timeout would pass
check "it is still attached" state_is attached
check "its connection counts as alive" state_has CONNECTIONS_ALIVE '^1$'
check "no other socket was offered" told_is offered "$offered"
check "the driver keeps the dead timeout" told_is dead-timeout 3
mend_network
check "I/O goes on" loading 20 30
check "I/O uses the same connection" told_is offered "$offered"
check "the log says so once" is "$(grep -c 'does not let this one close it' "$N/stub/log")" 1
crash
check "a death is noticed" within 15 state_is lost
check "the server is back" serve_port
check "it heals" within 15 state_is attached
check "nothing failed, nothing is lost" unload
check "it detaches" detach
finish
