#!/bin/bash
# SPDX-License-Identifier: MIT
# Under load, a new supervisor takes the device from a supervisor in the background. The old one is
# killed in the middle, too. The next outage must heal; qemu-nbd serves one client.
# shellcheck source=tests/lib.sh disable=SC2154,SC2317 # check() calls functions
. "$(dirname "$0")/../lib.sh"
in_guest 200 "$@"
begin 16
# shellcheck source=tests/fault/lib.bash
. "$top/tests/fault/lib.bash"

control=/run/nbd-attach/$device.control

succeed() { # as under a service manager; its messages are in $scratch/new
	"${nbd_attach[@]}" -n "$device" "$server_host:$server_where" disk >"$scratch/new" 2>&1 </dev/null &
	new=$!
	started+=("$new")
}

in_charge() { # PID
	[[ $(supervisor "$device") = "$1" ]] && running "$1" && state_is attached
}

takes() {
	old=$(supervisor "$device")
	succeed
	wait_for 30 in_charge "$new" && wait_for 10 gone "$old" && return
	cat "$scratch/new" "$scratch/log"
	return 1
}

killed_in_the_middle() { # PHASE
	old=$(supervisor "$device")
	python3 "$top/tests/stub/between.py" "$control" "$1" "$old" >"$scratch/between" 2>&1 </dev/null &
	started+=("$!")
	# Python needs a while on an emulated processor that has a load.
	wait_for 60 grep -q listening "$scratch/between" || {
		echo "it does not listen" && cat "$scratch/between"
		return 1
	}
	succeed
	wait_for 30 in_charge "$new" && grep -q "^$1" "$scratch/between" && return
	cat "$scratch/between" "$scratch/new"
	return 1
}

ends() { # the supervisor in charge, with SIGKILL
	old=$(supervisor "$device")
	kill_now "$old"
	wait_for 5 gone "$old"
}

new_image
serve qemu-nbd 10809
check "attaches" attach
check "load" load -r 500
pause 1
check "the new one takes over" takes
check "the same command again finds it attached" expect_status 0 'already attached' attach
check "another one is refused" expect_status 3 '' attach -C 3
check "an outage of 1 s" outage 1
check "attached again" healed
check "its supervisor is killed" ends
check "one in the background takes over" attach
check "an outage of 1 s" outage 1
check "attached again" healed
check "the old one is killed after its offer" killed_in_the_middle offer
check "an outage of 1 s" outage 1
check "attached again" healed
pause 1
check "nothing failed, nothing lost" unload
echo "  $(figures)"
check "detaches" release
finish
