#!/bin/bash
# SPDX-License-Identifier: MIT
# --failover: a server whose connection ended before the kernel was offered it has got no write, so it
# is not fenced off when the first server is back.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2154
. "$(dirname "$0")/../lib.bash"

port=$((20000 + RANDOM % 12000)) # below the ports that the kernel gives by itself
nbdkit -f -U "$N/other.sock" file "$image" >/dev/null 2>&1 &
started+=("$!")
wait_for 10 listening "$N/other.sock"
touch "$N/flag"
python3 "$top/tests/stub/fickle.py" "$port" "$N/other.sock" "$N/flag" >"$N/fickle.said" 2>&1 &
started+=("$!")
wait_for 10 listening "$port"

serve
check "it attaches" attach -v --failover "nbd://127.0.0.1:$port" --fence "echo \"\$NBD_FAILED_URI\" >>$N/fenced"
crash
check "the first server is fenced off" within 10 test -s "$N/fenced"
check "the other one ends its connection" within 10 grep -q ended "$N/fickle.said"
check "before the kernel is offered it" within 5 logged 'ended before the kernel was offered it'
check "nothing was offered" told_is offered 0
serve_again
check "the first server is used again" within 20 state_is attached
check "the other one was not fenced off" test "$(wc -l <"$N/fenced")" = 1
check "the state file names no other one" state_has SERVING "$sock"
check "it detaches" detach
finish
