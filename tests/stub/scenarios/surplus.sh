#!/bin/bash
# SPDX-License-Identifier: MIT
# Connections of a taken-over device are alive but taken for dead. The new ones are not needed and
# must not block later ones.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

clients() { # COUNT, of the server
	local now
	now=$(ss -xH state connected src "$sock" 2>/dev/null | wc -l)
	echo "$now clients, wanted $1"
	((now == $1))
}

serve
check "it attaches" attach -C 2
kill_supervisor
rm -f "$N/nbd0.state"
check "it is taken over" attach -C 2
check "all live" within 5 state_is attached
ctl block
# Both at once: if the first one were answered alone, its hand-over would keep the other one waiting.
printf 'event 0\nevent 0\n' | ctl - >"$N/events"
check "both are taken for dead" within 5 state_is healing
check "two others are made" within 10 clients 4
ctl unblock
check "the driver corrects that" within 10 state_is attached
check "the others are closed" within 5 clients 2
check "no socket was accepted" told_is taken 0
ctl break 0 0
check "a later loss heals" within 10 told_is taken 1
check "both live" within 5 told_is alive 2
check "it is attached" within 10 state_is attached
check "it detaches" detach
finish
