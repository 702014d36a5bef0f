#!/bin/bash
# SPDX-License-Identifier: MIT
# The machine shuts down while a device has no supervisor. If its server is down, its I/O fails
# after the grace period and not before. If its server is alive, nothing happens.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2034,SC2317
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach
load -e
check "the load gets on" loading 20 5
held=$(supervisor_pid 0)
kill -KILL "$held"
wait_for 5 gone "$held"
check "server alive: the machine shuts down" nbd_attach --shutdown --grace 2
check "server alive: the load gets on" loading 20 5
check "server alive: nothing failed" told_is failed 0
crash
check "server gone: requests wait" within 5 told_at_least pending 1
began=${EPOCHREALTIME/./}
nbd_attach --shutdown --grace 2 2>"$N/said" &
started+=("$!")
check "server gone: I/O fails" within 10 told_at_least failed 1
took=$(((${EPOCHREALTIME/./} - began) / 1000))
check "server gone: not before the grace period is over" eval 'echo "$took ms"; ((took >= 1900))'
check "server gone: --shutdown says so" \
	grep -q 'has no supervisor and no server: its I/O fails in 2 s' "$N/said"
kill -TERM "$loader"
check "the load ends" wait_for 10 gone "$loader"
check "it detaches" detach --force
finish
