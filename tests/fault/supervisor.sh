#!/bin/bash
# SPDX-License-Identifier: MIT
# The supervisor killed under load, and started again with the same arguments.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 300 "$@"
begin 70
# shellcheck source=tests/fault/lib.bash
. "$top/tests/fault/lib.bash"

sock=$scratch/sock

start_over() { # with the same arguments; it must not touch I/O
	attach "$@"
}

kill_supervisor() {
	local held
	held=$(supervisor "$device")
	kill -KILL "$held"
	wait_for 5 gone "$held"
}

adopts() { # NAME KIND CONNECTIONS BETWEEN...: what happens while nobody supervises
	local name=$1 kind=$2 n=$3 attached=adopted
	shift 3
	[[ $1 = lives_on ]] || attached=healed # by the supervisor that took it over
	new_image
	serve "$kind" "$sock" # qemu-nbd with its default of one client
	check "$name: attaches" attach -C "$n" || return
	check "$name: load" load -r 500
	pause 1
	check "$name: kill the supervisor" kill_supervisor
	check "$name: between" "$@"
	check "$name: adopted" start_over -C "$n"
	check "$name: attached" "$attached"
	check "$name: has a supervisor" supervised "$device"
	pause 2
	check "$name: a second one is refused" expect_status 3 already start_over -C "$n"
	# Adopted is only what heals again.
	check "$name: then killed, and back after 1 s" outage 1
	check "$name: attached again" healed
	pause 2
	check "$name: nothing failed, nothing lost" unload
	echo "  $name: $(figures)"
	check "$name: detaches" release
}

lives_on() {
	pause 1
	return 0 # the pause says that its time is up
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

# Adopting must not need the server: it may be the reason why somebody looks
new_image
serve nbdkit "$sock"
check "server dead: attaches" attach
check "server dead: load" load -r 500
pause 1
kill_supervisor
died_in_between
check "server dead: adopted all the same" start_over
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

# A device in use stays attached when the supervisor is told to go
new_image
serve nbdkit "$sock"
check "SIGTERM: attaches" attach
check "SIGTERM: load" load -r 500
held=$(supervisor "$device")
kill -TERM "$held"
check "SIGTERM: the supervisor goes" wait_for 10 gone "$held"
check "SIGTERM: the device stays" attached "$device"
check "SIGTERM: adopted" start_over
check "SIGTERM: attached" adopted
check "SIGTERM: nothing failed, nothing lost" unload

# Another server's device with another identifier is not ours to adopt
kill_supervisor
check "another identifier: is refused" expect_status 3 '' attach -i another
check "SIGTERM: detaches" release
finish
