#!/bin/bash
# SPDX-License-Identifier: MIT
# The machine shuts down while another command talks to the supervisor: --shutdown tries again. A
# supervisor that was not told reads the grace when an outage begins, but not with --swap.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2154,SC2317
. "$(dirname "$0")/../lib.bash"

not_told() { # as after a --shutdown that gave up
	echo 2 >"$N/shutdown"
}

serve
check "it attaches" attach --connect-timeout 2
load -e
check "the load gets on" loading 20 5
kill -STOP "$server"
start "${nbd_attach[@]}" --resize nbd0
asker=$pid
check "another command talks to the supervisor" within 4 expect_status 3 'another command' \
	nbd_attach --reconnect nbd0
check "the machine shuts down" nbd_attach --shutdown --grace 10
check "the other command has ended" wait_for 5 gone "$asker"
kill -CONT "$server"
check "it is cancelled" nbd_attach --shutdown --grace infinity
check "the load gets on again" loading 20 10

not_told
crash
check "not told: the supervisor knows of the shutdown" within 10 logged 'has 2 s to come back'
check "not told: I/O fails" within 10 told_at_least failed 1
check "not told: the state is expired" within 5 state_is expired
check "the load ends" unload
check "it detaches" detach --force

rm "$N/shutdown"
truncate -s 0 "$image" && truncate -s 1M "$image" # empty for the load
serve
check "it attaches as swap" attach --swap
load -e
check "its load gets on" loading 20 5
errors=$(told failed)
not_told
crash
check "swap: its requests wait" within 10 told_at_least pending 1
check "swap: no file is read" within 10 logged 'is lost .*I/O waits, for at most 600 s'
check "swap: nothing fails" told_is failed "$errors"
check "swap: told, it fails the I/O" nbd_attach --shutdown --grace 0
check "swap: I/O fails" within 10 told_at_least failed $((errors + 1))
check "its load ends" unload
check "it detaches again" detach --force
finish
