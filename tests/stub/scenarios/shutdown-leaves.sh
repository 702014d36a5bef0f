#!/bin/bash
# SPDX-License-Identifier: MIT
# The machine shuts down while a server is lost, and the supervisor of the device ends before it has
# made the I/O fail, as with its login session: --shutdown makes it fail then, after the grace.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2154,SC2317
. "$(dirname "$0")/../lib.bash"

loses() {
	crash
	within 10 state_is lost && within 5 told_at_least pending 1
}

shut_down() { # SECONDS; sets $shutdown and $began
	began=${EPOCHREALTIME/./}
	start "${nbd_attach[@]}" --shutdown --grace "$1"
	shutdown=$pid
}

not_before() { # MS
	local took=$(((${EPOCHREALTIME/./} - began) / 1000))
	echo "$took ms"
	((took >= $1))
}

attach_again() {
	nbd_attach --shutdown --grace infinity
	serve_again
	attach && within 15 told_is alive 1 && within 10 state_is attached &&
		within 5 told_is dead-timeout 600 && loading 20 10
}

serve
check "it attaches" attach
load -e
check "the load gets on" loading 20 5

before=${EPOCHREALTIME/./}
check "server alive: the machine shuts down" nbd_attach --shutdown --grace 20
check "server alive: --shutdown does not wait" test $(((${EPOCHREALTIME/./} - before) / 1000)) -lt 8000
check "it is cancelled" nbd_attach --shutdown --grace infinity

check "the server is lost" loses
shut_down 4
check "the supervisor has the grace" within 10 logged 'has 4 s to come back'
check "then it ends, and the device stays" kill_supervisor TERM
check "--shutdown takes its place" within 5 grep -q 'no supervisor and no server' "$scratch/log"
check "the I/O still waits" told_is failed 0
check "the I/O fails" within 10 told_at_least failed 1
check "not before the grace is over" not_before 3900
check "--shutdown ends" wait_for 10 gone "$shutdown"

check "it is taken over" attach_again
check "the server is lost again" loses
errors=$(told failed)
touch "$N/stub/unhurried-look"
kill -TERM "$(supervisor_pid 0)"
check "the supervisor looks for users before it ends" within 5 state_is leaving
shut_down 1
check "ending already: the I/O fails" within 15 told_at_least failed $((errors + 1))
check "ending already: not before the grace is over" not_before 900
check "ending already: --shutdown ends" wait_for 10 gone "$shutdown"
rm "$N/stub/unhurried-look"

check "the load ends" unload
check "it detaches" detach --force

nbd_attach --shutdown --grace infinity
truncate -s 0 "$image" && truncate -s 1M "$image" # empty for the load
start python3 "$top/tests/stub/manager.py" "$N" "${nbd_attach[@]}" -n --io-timeout 1 nbd0 -u "$sock"
check "a manager listens" wait_for 10 test -p "$N/start"
serve_again
echo >"$N/start"
check "it attaches for a service manager" within 10 state_is attached
load -e
check "its load gets on" loading 20 5
check "its server is lost" loses
before=${EPOCHREALTIME/./}
check "the machine shuts down again" nbd_attach --shutdown --grace 20
check "a manager keeps the supervisor: no wait" test $(((${EPOCHREALTIME/./} - before) / 1000)) -lt 8000
nbd_attach --shutdown --grace 0
check "the load ends as well" unload
check "it detaches again" detach --force
finish
