#!/bin/bash
# SPDX-License-Identifier: MIT
# A server answers everything but closes late: --resize of the healthy device does not make its I/O
# fail, although the dead timeout is shorter than that delay.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2119,SC2317
. "$(dirname "$0")/../lib.bash"

for options in "" "-C 2"; do
	serve python3 -B "$top/tests/interop/slow.py" "$sock" "$image" 0 late
	# shellcheck disable=SC2086
	check "it attaches $options" attach --dead-timeout 4 $options
	load -b 64 -d 1 -r 5 -i "$image"
	check "the load gets on $options" loading 5 10
	truncate -s 2M "$image"
	check "it grows $options" expect_status 0 'has grown from' nbd_attach --resize nbd0
	check "the load gets on $options" loading 5 10
	check "it took less than the dead timeout $options" \
		eval '(($(state_value LAST_OUTAGE_MS) < 4000))'
	check "nothing failed, nothing is lost $options" unload
	check "it detaches $options" detach
	crash
	rm -f "$image"
	truncate -s 1M "$image"
done
finish
