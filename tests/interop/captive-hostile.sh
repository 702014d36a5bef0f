#!/bin/bash
# SPDX-License-Identifier: MIT
# Hostile servers that nbd-attach starts for a device. With each of them the command must end in
# time with one sentence, and leave no process and no file.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 400
begin 61
# shellcheck source=tests/interop/captive-lib.bash
. "$(dirname "$0")/captive-lib.bash"

cd "$scratch" || exit 1

since() { # SECONDS LIMIT
	((SECONDS - $1 <= $2))
}

patience=3

refused() { # NAME STATUS REGEX COMMAND...
	local begun=$SECONDS
	check "hostile, $1: status $2 and a sentence" \
		expect_status "$2" "$3" nbd_attach --connect-timeout "$patience" nbd0 -- '[' "${@:4}" ']'
	check "hostile, $1: in time" since "$begun" $((patience + 15))
	check "hostile, $1: nothing is left" nothing_left
	check "hostile, $1: nbd0 is free" detached nbd0
}

cat >hostile-socket <<-'END'
	#!/usr/bin/python3
	# Takes the listening socket and misbehaves as its argument says.
	import os, socket, sys, time
	listener = socket.socket(fileno=3)
	while True:
	    client, _ = listener.accept()
	    if sys.argv[1] == "garbage":
	        client.sendall(os.urandom(4096))
	        time.sleep(1)
	    if sys.argv[1] == "die":
	        os._exit(7)
	    client.close()
END
chmod 755 hostile-socket
refused "ends at once" 5 'server false ended with exit status 1' false
refused "ends in peace at once" 4 'server true ended with exit status 0' true
refused "is no program" 6 'cannot run /etc/passwd: Permission denied' /etc/passwd
refused "is not there" 6 'cannot run no-such-server: No such file' no-such-server
refused "never accepts" 4 'server sleep \(process [0-9]+\): no answer .* within 3 s' sleep 1000
refused "closes its socket" 4 'server sh .*no answer' sh -c 'exec 3<&-; exec sleep 1000'
refused "is deaf to SIGTERM" 4 'no answer' sh -c 'trap "" TERM; while :; do sleep 1000; done'
patience=15 # Python needs some seconds to start
refused "garbage" 5 'server .*' ./hostile-socket garbage
refused "hangs up" 4 'closed the connection' ./hostile-socket hang-up
refused "accepts and dies" 5 'server hostile-socket ended with exit status 7' ./hostile-socket die
patience=3
refused "floods its errors" 4 'no answer' sh -c 'yes hostile >&2'
refused "leaves children" 5 'server sh ended with exit status 1: bye' \
	sh -c 'setsid sleep 1000 & sleep 1000 & (trap "" TERM; sleep 1000) & echo bye >&2; exit 1'
refused "goes to the background" 4 'server setsid ended with exit status 0' setsid --fork sleep 1000
check "hostile, --command: garbage" expect_status 5 'server sh.*' \
	nbd_attach --connect-timeout 3 nbd0 --command -- '[' sh -c 'yes; sleep 1000' ']'
check "hostile, --command: nothing is left" nothing_left

# A server that dies as soon as the device is attached: --status says so, and restarts are limited.
cat >hostile-once <<-'END'
	#!/bin/sh
	[ ! -e hostile-bad ] || exit 9
	exec nbdkit memory 16M
END
chmod 755 hostile-once
check "dies repeatedly: attaches" nbd_attach nbd0 -- '[' ./hostile-once ']'
touch hostile-bad
kill -KILL "$(server_of nbd0)"
check "dies repeatedly: --status says so" wait_for 15 eval '
	nbd_attach --status nbd0 | grep -qE "^  captive +hostile-once does not start, failures in a row: [1-9]"'
check "dies repeatedly: --status says why" wait_for 15 eval '
	status_is nbd0 state lost >/dev/null; state_of nbd0 LAST_ERROR | grep -q "ended with exit status 9"'
before=$(state_of nbd0 CAPTIVE_STARTS)
pause 5 # the only fixed pause: counts the starts during this time
status_is nbd0 state lost >/dev/null
check "dies repeatedly: restarts are limited" \
	test $(($(state_of nbd0 CAPTIVE_STARTS) - before)) -le 12
rm hostile-bad
check "dies repeatedly: heals when the server stays alive" wait_for 20 status_is nbd0 state attached
ends "dies repeatedly" nbd0
finish
