#!/bin/bash
# SPDX-License-Identifier: MIT
# --shutdown and a lost device without a supervisor: its I/O fails after the grace period, unless
# another supervisor has taken it over meanwhile.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2154,SC2317
. "$(dirname "$0")/../lib.bash"

alone() { # makes the device lost and without a supervisor
	crash
	within 10 state_is lost || return
	kill_supervisor
}

serve
check "it attaches" attach
load -e
check "the load gets on" loading 20 5
check "it is lost and has no supervisor" alone
start "${nbd_attach[@]}" --shutdown --grace 3
shutdown=$pid
check "--shutdown finds it" within 15 grep -q 'no supervisor and no server' "$scratch/log"
serve_again
check "another supervisor takes it over" attach
check "it heals" within 10 told_is alive 1
check "--shutdown ends" wait_for 10 gone "$shutdown"
check "nothing has failed" told_is failed 0
check "the kernel waits as before" told_is dead-timeout 600
check "no request times out" told_is timeout 0
check "the load gets on again" loading 20 10

check "it is lost again and has no supervisor" alone
start "${nbd_attach[@]}" --shutdown --grace 6
shutdown=$pid
check "--shutdown finds it again" within 15 grep -q 'no supervisor and no server' "$scratch/log"
serve_again
check "a supervisor takes it over" attach
check "it heals, too" within 5 told_is alive 1
check "it is attached" within 5 state_is attached
kill_supervisor
check "--shutdown ends, although that one has ended" wait_for 15 gone "$shutdown"
check "the kernel waits as before, because the server is there" told_is dead-timeout 600
check "nothing has failed" told_is failed 0
check "a supervisor takes it over again" attach

check "it is lost once more and has no supervisor" alone
start "${nbd_attach[@]}" --shutdown --grace 3
shutdown=$pid
check "--shutdown finds it once more" within 15 grep -q 'no supervisor and no server' "$scratch/log"
check "the shutdown is called off" nbd_attach --shutdown --grace infinity
check "the one before ends" wait_for 10 gone "$shutdown"
check "so I/O waits" told_is dead-timeout 600
check "nothing has failed" told_is failed 0

began=${EPOCHREALTIME/./}
check "the machine shuts down" nbd_attach --shutdown --grace 2
took=$(((${EPOCHREALTIME/./} - began) / 1000))
check "not before the grace period is over" test "$took" -ge 1900
check "I/O fails" within 5 told_at_least failed 1
check "the load ends" unload
check "the grace period is cancelled" nbd_attach --shutdown --grace infinity
serve_again
check "it is taken over once more" attach
check "it heals again" within 15 told_is alive 1
check "the state is attached" within 10 state_is attached
check "the kernel waits again" within 5 told_is dead-timeout 600
check "it detaches" detach
finish
