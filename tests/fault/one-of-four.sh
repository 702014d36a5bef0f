#!/bin/bash
# SPDX-License-Identifier: MIT
# One connection of four dies: the others carry on.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 120 "$@"
begin
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
kill -KILL "$(child)"
listening=$("$fault" now)
check "one of four: degraded, or healed already" wait_for 5 eval 'state_is degraded ||
	says "$json_reconnects" "^[1-9]"'
check "one of four: attached again" healed
check "one of four: all are alive" says connections-alive '^4$'
# Requests that were in flight on that connection wait for their timer, which is the documented
# pause: 30 s with several connections. The others' must not notice.
check "one of four: nobody else waited" eval 'figures; [[ $(figure new_ms) != -1* ]] &&
	(($(figure pause_ms) < 500))'
pause 32
check "one of four: nothing failed, nothing lost" unload 40
echo "  one of four: $(figures)"
check "one of four: detaches" release
finish
