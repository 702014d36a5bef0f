#!/bin/bash
# SPDX-License-Identifier: MIT
# --exec: attaches, runs a command, detaches; the exit status is the command's.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2119,SC2317 # check() calls functions
. "$(dirname "$0")/../lib.bash"

detached() { [[ ! -e $N/nbd0.state ]] || ! state_is attached; }

run() { # STATUS REGEX COMMAND [OPTION...]
	expect_status "$1" "$2" nbd_attach -q --exec "$3" "${@:4}"
}

serve
check "the command gets the device" run 0 '' 'echo "it is $NBD_DEVICE"; exit 0' nbd0 -u "$sock"
check "its output is the command's" is "$(<"$scratch/stdout")" 'it is /dev/nbd0'
check "the device is detached" within 5 detached
check "the exit status is the command's" run 7 '' 'exit 7' nbd0 -u "$sock"
check "it is detached after a failure, too" within 5 detached
check "auto: the command gets the device, which is not printed" \
	run 0 '' 'echo "$NBD_DEVICE"' auto -u "$sock"
check "auto: nothing but the command's output" is "$(<"$scratch/stdout")" '/dev/nbd0'
check "a command that a signal ends: 128 and its number" run 143 '' 'kill -TERM $$' nbd0 -u "$sock"
check "no server: 4, and the command does not run" run 4 'does not exist' "touch $N/ran" nbd0 -u "$N/none"
check "no server: it did not run" test ! -e "$N/ran"
check "a server of its own" run 0 '' 'test -n "$NBD_DEVICE"' nbd0 -- [ nbdkit -f file "$image" ]

# The program that reads the messages has ended, such as tee(1) after Ctrl-C.
unread() { # STATUS COMMAND
	nbd_attach --exec "$2" nbd0 -u "$sock" 2>&1 | true
	is "${PIPESTATUS[0]}" "$1"
}
check "nobody reads the messages: the exit status is the command's" unread 7 'exit 7'
check "... the device is detached" detached
check "... the command does not ignore SIGPIPE" unread 141 'kill -PIPE $$'

# What was attached before is not detached.
check "it attaches" attach
check "attached already: 3" run 3 'attached already' "touch $N/ran" nbd0 -u "$sock"
check "attached already: nothing else is said" is "$(grep -c . "$scratch/stderr")" 1
check "... for other options, too" run 3 'attached already' "touch $N/ran" nbd0 -r -u "$sock"
check "... nothing else is said" is "$(grep -c . "$scratch/stderr")" 1
check "attached already: the command does not run" test ! -e "$N/ran"
check "attached already: it stays attached" state_is attached
check "it detaches" detach

# A signal to nbd-attach reaches the command, and the device is detached.
"${nbd_attach[@]}" -q --exec "touch $N/begun; exec sleep 60" nbd0 -u "$sock" &
waiting=$!
started+=("$waiting")
check "the command begins" within 10 test -e "$N/begun"
kill -TERM "$waiting"
check "a signal ends the command" wait_for 10 gone "$waiting"
check "and the device is detached" within 5 detached

# A signal that the caller ignores, as nohup(1) does, ends nothing.
(
	trap '' HUP
	exec "${nbd_attach[@]}" -q --exec "touch $N/deaf; sleep 1; touch $N/survived" nbd0 -u "$sock"
) &
waiting=$!
started+=("$waiting")
check "nohup: the command begins" within 10 test -e "$N/deaf"
kill -HUP "$waiting"
check "nohup: SIGHUP ends nothing" wait "$waiting"
check "nohup: the command ran to its end" test -e "$N/survived"
check "--exec needs the background" expect_status 2 'cannot be combined' \
	nbd_attach --exec true -n nbd0 -u "$sock"
finish
