#!/bin/bash
# SPDX-License-Identifier: MIT
# The caller has closed standard input, output or error: no file of the supervisor gets its number.
# What else the caller has open is not kept.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2317
. "$(dirname "$0")/../lib.bash"

attach_without() { # DESCRIPTOR...
	local fd
	(
		for fd; do
			eval "exec $fd>&-"
		done
		exec "${nbd_attach[@]}" --io-timeout 1 nbd0 -u "$sock"
	)
}

standard() { # prints the files of the supervisor's standard descriptors; the stub logs to a file
	readlink "/proc/$(supervisor_pid 0)/fd/"{0,1,2} | sed "s|^$N/stub/log\$|/dev/null|" | sort -u
}

# It leaves the caller's just after the command has ended.
has_others() {
	is "$(standard)" /dev/null
}

serve
for closed in 0 1 2 '0 1' '1 2' '0 1 2'; do
	# shellcheck disable=SC2086 # a list
	check "without $closed: it attaches" attach_without $closed
	check "without $closed: the supervisor has others" within 5 has_others
	crash
	check "without $closed: it notices a loss" within 5 state_is lost
	serve_again
	check "without $closed: it heals" within 10 state_is attached
	check "without $closed: it detaches" detach
done
# A script holds its lock by a descriptor, and another process reads from a pipe.
exec {pipe}> >(cat >"$N/piped"; touch "$N/ended")
exec {lock}>"$N/lock-of-the-script"
flock "$lock"
check "it attaches" attach
exec {lock}>&- {pipe}>&-
check "the supervisor keeps no lock of the caller's" flock -n "$N/lock-of-the-script" true
check "... and no pipe" within 5 test -e "$N/ended"
check "it notices a loss all the same" eval 'crash; within 5 state_is lost'
serve_again
check "it heals all the same" within 10 state_is attached
check "it detaches" detach
check "it attaches" attach
for verb in status report; do
	check "--$verb to nowhere fails" eval "'${nbd_attach[0]}' --$verb nbd0 2>'$N/said' >&-; is \$? 1"
	check "--$verb says why" grep -x 'nbd-attach: cannot write to standard output' "$N/said"
done
check "it detaches" detach
finish
