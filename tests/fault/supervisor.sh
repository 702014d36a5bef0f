#!/bin/bash
# SPDX-License-Identifier: MIT
# The supervisor is killed under load and started again with the same arguments.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 300 "$@"
begin 70
# shellcheck source=tests/fault/lib.bash
. "$top/tests/fault/lib.bash"

sock=$scratch/sock

start_over() { # attaches with the same arguments; that must not disturb I/O
	attach "$@"
}

kill_supervisor() {
	local held
	held=$(supervisor "$device")
	kill -KILL "$held"
	wait_for 5 gone "$held"
}

adopts() { # NAME KIND CONNECTIONS BETWEEN...: runs BETWEEN while no supervisor runs
	local name=$1 kind=$2 n=$3 attached=adopted
	shift 3
	[[ $1 = lives_on ]] || attached=healed # the new supervisor must heal it
	new_image
	serve "$kind" "$sock" # qemu-nbd serves one client by default
	check "$name: attaches" attach -C "$n" || return
	check "$name: load" load -r 500
	pause 1
	check "$name: kill the supervisor" kill_supervisor
	check "$name: between" "$@"
	check "$name: adopted" start_over -C "$n"
	check "$name: attached" "$attached"
	check "$name: has a supervisor" supervised "$device"
	pause 2
	check "$name: a second one is content" expect_status 0 already start_over -C "$n"
	check "$name: a different one is refused" expect_status 3 already start_over -t 9 -C "$n"
	# The new supervisor must also heal the next outage.
	check "$name: then killed, and back after 1 s" outage 1
	check "$name: attached again" healed
	pause 2
	check "$name: nothing failed, nothing lost" unload
	echo "  $name: $(figures)"
	check "$name: detaches" release
}

lives_on() {
	pause 1
	return 0 # not the status of pause
}

died_in_between() {
	crash
}

died_and_back() {
	outage 1
}

adopts "live" nbdkit 1 lives_on
adopts "live, 4" nbdkit 4 lives_on
adopts "live, one client only" qemu-nbd 1 lives_on
adopts "server died and came back in between" nbdkit 1 died_and_back

# A takeover must not need the server: its outage may be the reason for the takeover
new_image
serve nbdkit "$sock"
check "server dead: attaches" attach
check "server dead: load" load -r 500
pause 1
kill_supervisor
died_in_between
check "server dead: adopted nevertheless" start_over
check "server dead: says that it is lost" wait_for 10 eval 'state_is lost || state_is healing'
serve_again
check "server dead: attached when it is back" healed
pause 2
check "server dead: nothing failed, nothing lost" unload
check "server dead: detaches" release

new_image
serve nbdkit "$sock"
check "killed while lost: attaches" attach
check "killed while lost: load" load -r 500
pause 1
crash
wait_for 5 eval 'state_is lost || state_is healing'
kill_supervisor
serve_again
check "killed while lost: adopted" start_over
check "killed while lost: attached" healed
pause 2
check "killed while lost: nothing failed, nothing lost" unload
check "killed while lost: detaches" release

# A device in use stays attached when the supervisor gets SIGTERM
new_image
serve nbdkit "$sock"
check "SIGTERM: attaches" attach
check "SIGTERM: load" load -r 500
held=$(supervisor "$device")
kill -TERM "$held"
check "SIGTERM: the supervisor ends" wait_for 10 gone "$held"
check "SIGTERM: the device stays" attached "$device"
check "SIGTERM: adopted" start_over
check "SIGTERM: attached" adopted
check "SIGTERM: nothing failed, nothing lost" unload

# A device with another identifier is not taken over
kill_supervisor
check "another identifier: is refused" expect_status 3 '' attach -i another
check "SIGTERM: detaches" release
finish
