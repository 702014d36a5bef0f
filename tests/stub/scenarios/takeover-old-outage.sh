#!/bin/bash
# SPDX-License-Identifier: MIT
# A supervisor dies in an outage, and another one takes the device over. The dead timeout counts from
# the beginning of the outage, also with --swap, where the state file is not written in an outage. If it
# passed while no supervisor ran, the server still has a chance.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2317
. "$(dirname "$0")/../lib.bash"

# Seconds for which the present outage lasts.
lasts() { # LEAST MOST
	local ms
	ms=$(json last-outage-ms)
	echo "$ms ms"
	((ms >= $1 * 1000 && ms <= $2 * 1000))
}

for swap in '' --swap; do
	serve
	check "it attaches${swap:+ with $swap}" attach $swap --dead-timeout 60
	crash
	check "the loss is noticed" within 5 told_at_least dead-told 1
	check "... and the supervisor knows it" within 5 logged 'I/O waits, for at most (60|59) s'
	pause 4
	kill_supervisor
	: >"$N/stub/log"
	check "another one takes it over" attach $swap --dead-timeout 60
	check "it is lost" within 5 logged 'I/O waits, for at most (4[0-9]|5[0-6]) s'
	[[ $swap ]] || check "the outage has lasted since it began" lasts 4 20
	kill_supervisor
	# By now the time is over; without --connect-timeout it would have 10 s.
	: >"$N/stub/log"
	check "one with a shorter dead timeout" attach $swap --dead-timeout 4 --connect-timeout 2
	check "has little time" within 5 logged 'I/O waits, for at most [12] s'
	check "then I/O fails" within 5 logged 'no connection for ([5-9]|[1-9][0-9]) s: I/O fails'
	kill_supervisor
	serve_again
	: >"$N/stub/log"
	check "the next one has a chance" attach $swap --dead-timeout 4
	check "it heals" within 10 logged 'connected to .* again'
	check "the kernel waits" within 5 told_is dead-timeout 4
	check "it detaches" detach
	: >"$N/stub/log"
	crash
done
finish
