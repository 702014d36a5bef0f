#!/bin/bash
# SPDX-License-Identifier: MIT
# Processes that are ready for an outage are replaced if they are killed before.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

spares() { # prints their process IDs
	local p children
	read -ra children -d '' < <(cat "/proc/$(supervisor_pid 0)"/task/*/children)
	for p in "${children[@]}"; do
		[[ $(<"/proc/$p/comm") = nbd-handshake ]] && echo "$p"
	done 2>/dev/null
}

spares_are() { # COUNT; none of them is in $killed
	local now
	now=$(spares)
	echo "now ${now//$'\n'/ }, wanted $1, killed ${killed[*]}"
	(($(wc -w <<<"$now") == $1)) && ! grep -qxFf <(printf '%s\n' "${killed[@]}") <<<"$now"
}

killed=(none)
serve
check "it attaches" attach --swap
check "five are ready" within 5 spares_are 5
mapfile -t killed < <(spares)
kill -KILL "${killed[@]}"
check "the supervisor notices" within 5 logged 'ended before it was needed'
check "five others are ready" within 15 spares_are 5
check "it is attached" state_is attached
crash
check "the loss is noticed" within 5 logged 'is lost'
serve_again
check "it heals" within 10 told_is alive 1
check "it says so" within 5 logged 'again after'
check "it detaches" detach
finish
