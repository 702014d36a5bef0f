#!/bin/bash
# SPDX-License-Identifier: MIT
# One connection of four dies: the others carry on.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 240 "$@"
begin 17
# shellcheck source=tests/fault/lib.bash
. "$top/tests/fault/lib.bash"

child() { # of the server: nbd-server has one for each connection
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
check "one of four: and no other" says "$json_reconnects" '^1$'
check "one of four: it was never lost" says outages '^0$'
check "one of four: all are alive" says connections-alive '^4$'
# Requests that were in flight on that connection wait for their timer, which is the documented
# pause: 30 s with several connections. The others' must not notice.
check "one of four: nobody else waited" eval 'figures; [[ $(figure new_ms) != -1* ]] &&
	(($(figure pause_ms) < 500))'
pause 32
check "one of four: nothing failed, nothing lost" unload 40
echo "  one of four: $(figures)"
check "one of four: detaches" release

# A driver that knows of a dead connection would take another one, and say so.
alive_for_the_driver() {
	local lines
	lines=$(dmesg | grep -c "$device: reconnected socket")
	pause 12
	echo "before: $lines"
	[[ $(dmesg | grep -c "$device: reconnected socket") = "$lines" ]] && state_is attached
}

# Nobody has noted which socket is whose, and two of them died: the kernel is asked again until all
# are alive. The guest has fewer processors than the device has connections, so that not even their
# number can be read.
name="no state file, two of four dead"
new_image
serve nbd-server 10809
check "$name: attaches" attach -C 4
check "$name: load" load -r 500
pause 1
supervisor=$(supervisor "$device")
kill -KILL "$supervisor"
check "$name: the supervisor goes" wait_for 5 gone "$supervisor"
rm "/run/nbd-attach/$device.state"
kill -KILL "$(child)"
pause 0.2
kill -KILL "$(child)"
pause 0.2
check "$name: adopted" attach -C 4
check "$name: attached" wait_for 20 says connections-alive '^4$'
check "$name: all are alive for the driver too" alive_for_the_driver
pause 25
check "$name: nothing failed, nothing lost" unload 40
check "$name: detaches" release
finish
