#!/bin/bash
# SPDX-License-Identifier: MIT
# One connection of four dies: the others carry on.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 240 "$@"
begin 17
# shellcheck source=tests/fault/lib.bash
. "$top/tests/fault/lib.bash"

child() { # prints a child of nbd-server, which has one for each connection
	local children
	read -ra children <"/proc/$server/task/$server/children"
	echo "${children[0]}"
}

new_image
serve nbd-server 10809
check "one of four: attaches" attach -C 4
check "one of four: load" load -r 500
pause 1
began=$("$fault" now)
reconnects
earlier=("${reconnects[@]}")
kill -KILL "$(child)"
listening=$("$fault" now)
check "one of four: the connection is replaced" healed
check "one of four: no other connection is replaced" says "$json_reconnects" '^1$'
check "one of four: the device was never lost" says outages '^0$'
check "one of four: all are alive" says connections-alive '^4$'
# Requests in flight on that connection wait for the kernel's timer: with several connections that
# takes 30 s, as the manual says. Requests on the other connections must not wait.
check "one of four: other requests did not wait" eval 'figures; [[ $(figure new_ms) != -1* ]] &&
	(($(figure pause_ms) < 500))'
pause 32
check "one of four: nothing failed, nothing lost" unload 40
echo "  one of four: $(figures)"
check "one of four: detaches" release

# If the driver had a dead connection left, it would accept another socket and log that.
alive_for_the_driver() {
	local lines
	lines=$(dmesg | grep -c "$device: reconnected socket")
	pause 12
	echo "before: $lines"
	[[ $(dmesg | grep -c "$device: reconnected socket") = "$lines" ]] && state_is attached
}

# No file tells which socket belongs to which connection, and two connections died: sockets are
# handed to the kernel until all are alive. The guest has fewer processors than the device has
# connections, so even their number cannot be read.
name="no state file, two of four dead"
if kernel_is 5.14; then
	new_image
	serve nbd-server 10809
	check "$name: attaches" attach -C 4
	check "$name: load" load -r 500
	pause 1
	supervisor=$(supervisor "$device")
	kill -KILL "$supervisor"
	check "$name: the supervisor ends" wait_for 5 gone "$supervisor"
	rm "/run/nbd-attach/$device.state"
	kill -KILL "$(child)"
	pause 0.2
	kill -KILL "$(child)"
	pause 0.2
	check "$name: adopted" attach -C 4
	check "$name: attached" wait_for 20 says connections-alive '^4$'
	check "$name: the driver has no dead connection" alive_for_the_driver
	pause 25
	check "$name: nothing failed, nothing lost" unload 40
	check "$name: detaches" release
else
	skip "$name" "a device without a state file is not taken over before 5.14" 8
fi
finish
