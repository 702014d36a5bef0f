#!/bin/bash
# SPDX-License-Identifier: MIT
# A command that waits for its supervisor is stopped and continued (Ctrl-Z, fg), or gets a signal that
# it passes on: it goes on waiting.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2119,SC2317 # check() calls functions
. "$(dirname "$0")/../lib.bash"

sleeps() { # PID: it waits for something
	[[ $(sed 's/.*) //; s/ .*//' "/proc/$1/stat") = S ]]
}

is_stopped() { # PID
	[[ $(sed 's/.*) //; s/ .*//' "/proc/$1/stat") = T ]]
}

stop_and_continue() { # PID
	kill -STOP "$1"
	within 5 is_stopped "$1" || return
	kill -CONT "$1"
}

detached() { [[ ! -e $N/nbd0.state ]]; }

serve
check "it attaches" attach

# The supervisor is stopped, so that it does not answer.
supervisor=$(supervisor_pid 0)
for verb in --reconnect --resize --detach; do
	kill -STOP "$supervisor"
	"${nbd_attach[@]}" "$verb" nbd0 >"$N/said" 2>&1 </dev/null &
	waiting=$!
	started+=("$waiting")
	pause 0.5
	check "$verb waits" sleeps "$waiting"
	check "$verb is stopped, and goes on" stop_and_continue "$waiting"
	pause 0.5
	check "$verb waits again" sleeps "$waiting"
	kill -CONT "$supervisor"
	check "$verb succeeds" wait "$waiting"
	check "$verb says nothing of an interruption" refuses grep -i interrupt "$N/said"
done
check "it is detached" within 5 detached

# After the command of --exec has ended, a signal does not prevent the detach.
"${nbd_attach[@]}" --exec 'kill -STOP "$(cat "$NBD_ATTACH_RUNDIR/nbd0.lock")"; touch "$NBD_ATTACH_RUNDIR/ran"' \
	nbd0 -u "$sock" >"$N/said" 2>&1 </dev/null &
waiting=$!
started+=("$waiting")
check "--exec: the command runs" within 10 test -e "$N/ran"
pause 0.5
kill -TERM "$waiting"
pause 0.2
kill -HUP "$waiting"
pause 0.2
check "--exec: it goes on waiting for the supervisor" sleeps "$waiting"
kill -CONT "$(supervisor_pid 0)"
check "--exec: it succeeds" wait "$waiting"
check "--exec: nothing is said" is "$(grep -c interrupt "$N/said")" 0
check "--exec: the device is detached" within 5 detached
finish
