#!/bin/bash
# SPDX-License-Identifier: MIT
# --swap: the supervisor dies in an outage, while it waits for the end of a connection in which the
# server still holds a write. The state file is not written in an outage, and yet the next
# supervisor knows that it has to wait. (The server is stopped; another one has taken its place.)
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2119,SC2317
. "$(dirname "$0")/../lib.bash"

holds() { # SECONDS N: at most N sockets are offered to the driver meanwhile
	pause "$1"
	offered_at_most "$2"
}

serve
check "it attaches" attach --swap "$@"
kill -STOP "$server"
"$stub" load nbd0 -d 1 -b 8 -e >"$N/load.said" 2>&1 </dev/null &
loader=$!
started+=("$loader")
check "a write is under way" within 10 told_at_least in-flight 1
ctl break 0 0
check "the driver has ended the connection" within 5 told_is alive 0
stopped=$server
serve
check "the server may hold the write, so no other connection is used" holds 5 0
kill_supervisor
check "the next one takes it over" attach --swap "$@"
# One is offered to learn which connections are dead.
check "it waits, too" holds 6 1
kill -CONT "$stopped"
kill_now "$loader"
check "it detaches" detach --force
finish
