#!/bin/bash
# SPDX-License-Identifier: MIT
# --detach of several devices: none waits for another, whose server does not confirm its flush.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2154,SC2317
. "$(dirname "$0")/../lib.bash"

attach_three() {
	nbd_attach -q nbd0 -u "$sock" --identifier slow && nbd_attach -q nbd1 -u "$N/quick" \
		--identifier one && nbd_attach -q nbd2 -u "$N/quick" --identifier two
}

slow=$sock sock=$N/quick
serve
sock=$slow
rm -f "$N/nbdkit.pid"
serve
for how in '--all' 'nbd0 nbd1 nbd2'; do
	check "$how: three are attached" attach_three
	kill -STOP "$server"
	# shellcheck disable=SC2086 # several words
	start "${nbd_attach[@]}" --detach $how
	check "$how: the last one is free" within 8 told_is configured 0 2
	check "$how: and the one before" within 8 told_is configured 0 1
	check "$how: while the first one waits for its server" told_is configured 1 0
	check "$how: ... and the command for it" running "$pid"
	kill -CONT "$server"
	check "$how: the command ends" wait_for 15 gone "$pid"
	wait "$pid"
	check "$how: it succeeds" is $? 0
	check "$how: the first one is free as well" told_is configured 0
done
check "one is attached" attach
check "a name that nothing has: the command fails" refuses nbd_attach -q --detach nbd0 no/device
check "a name that nothing has: the other device is free" told_is configured 0
finish
