#!/bin/bash
# SPDX-License-Identifier: MIT
# A supervisor hands its device over to a new one, and whichever of the two is killed at whichever
# moment: one is in charge, no lock is free meanwhile, and nothing is lost.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2119,SC2154,SC2317
. "$(dirname "$0")/../lib.bash"

# The new supervisor; it stays in the foreground, as under a service manager.
succeed() { # [OPTION...]
	start "${nbd_attach[@]}" -v -n --io-timeout 1s "$@" nbd0 -u "$sock"
	new=$pid
}

in_charge() { # PID
	local p
	p=$(supervisor_pid 0)
	echo "the lock names $p, wanted $1"
	[[ $p = "$1" ]] && ! gone "$1" && ! flock -n "$N/nbd0.lock" true
}

# Traces the messages of both supervisors.
between() { # PHASE VICTIM
	rm -f "$N/between"
	python3 "$top/tests/stub/between.py" "$N/nbd0.control" "$@" >"$N/between" 2>&1 </dev/null &
	started+=("$!")
	wait_for 10 grep -q listening "$N/between"
}

said() { # WORD
	cat "$N/between"
	grep -q "$1" "$N/between"
}

# Restarts the supervisor in the background, with descriptors of its connections.
back() {
	rm -f "$N/nbd0.control.real"
	kill_supervisor && attach && heals 10
}

serve
check "it attaches" attach --name data
load
old=$(supervisor_pid 0)
between none 0
succeed --name data
check "the new one takes over" within 10 in_charge "$new"
check "the old one has ended" wait_for 10 gone "$old"
check "all messages were exchanged" said commit
check "locks, mark and connection were passed" said 'offer .* 5 '
check "the state is attached" within 5 state_is attached
check "it says so" logged 'handed over to another supervisor'
check "the load gets on" loading 20 10
check "no connection was replaced" told_is taken 0
check "a foreground supervisor keeps its device" \
	expect_status 3 'is attached already, by the nbd-attach process' "${nbd_attach[@]}" -n nbd0 -u "$sock"
check "it is in charge" in_charge "$new"
check "it heals" heals 10
check "a command is answered" nbd_attach --reconnect nbd0

for victim in asked offer ready commit; do
	check "$victim: in the background again" back
	old=$(supervisor_pid 0)
	between "$victim" "$old"
	before=$(told offered)
	succeed
	check "the old one is killed at $victim: the new one is in charge" within 15 in_charge "$new"
	check "the messages had reached that point" said "^$victim"
	# A takeover without descriptors asks the driver with a socket that leads nowhere.
	[[ $victim = asked ]] || check "it has the descriptors" told_is offered "$before"
	check "it heals" heals 10
done

# The new one's number is known after its start only.
for victim in asked offer ready; do
	check "$victim: in the background again" back
	old=$(supervisor_pid 0)
	between "$victim" "-$N/new"
	rm -f "$N/new"
	# It writes its number before it becomes the program.
	start bash -c 'echo $$ >"$1/new"; exec "${@:2}"' - "$N" "${nbd_attach[@]}" -n nbd0 -u "$sock"
	check "the new one is killed at $victim" wait_for 15 gone "$pid"
	check "the messages had reached that point" said "^$victim"
	check "the old one is in charge" within 10 in_charge "$old"
	mv "$N/nbd0.control.real" "$N/nbd0.control"
	check "it is attached" within 10 state_is attached
	check "it heals" heals 10
done
check "nothing failed, nothing is lost" unload
check "it detaches" detach

truncate -s 0 "$image" && truncate -s 1M "$image" # empty for the load
check "it attaches with a name" attach --name data
check "the name is taken" refuses flock -n "$N/name-data.lock" true
succeed --name other
check "another name: the new one takes over" within 10 in_charge "$new"
check "... with its own name" refuses flock -n "$N/name-other.lock" true
check "... and the former name is free" flock -n "$N/name-data.lock" true
check "it detaches with the other name" detach
finish
