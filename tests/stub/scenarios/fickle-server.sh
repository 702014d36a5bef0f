#!/bin/bash
# SPDX-License-Identifier: MIT
# One of two connections is lost, and each new one ends with its handshake, before the kernel
# is offered it: the next ones come less and less often, although the other connection lives.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2154,SC2317
. "$(dirname "$0")/../lib.bash"

ended_at_most() { # COUNT
	local n
	n=$(grep -c ended "$N/fickle.said")
	echo "$n ended, wanted $1 at most"
	((n <= $1))
}

serve
python3 "$top/tests/stub/fickle.py" "$N/fickle" "$sock" "$N/flag" >"$N/fickle.said" &
started+=("$!")
wait_for 10 test -S "$N/fickle"
check "it attaches" attach -C 2 -v -- -u "$N/fickle"
touch "$N/flag"
ctl break 0 0
check "the loss is noticed" within 5 state_is degraded
pause 8
check "a new connection ends before the kernel is offered it" logged 'ended before the kernel was offered it'
check "the next ones come less and less often" ended_at_most 40
rm "$N/flag"
check "it heals" within 10 state_is attached
check "it detaches" detach
finish
