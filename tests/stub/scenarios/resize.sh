#!/bin/bash
# SPDX-License-Identifier: MIT
# --resize at a moment without requests: with one connection, several, and a relay; to a larger, a
# smaller and the same size.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

size=1048576
serve
for options in "" "-C 3" "--relay"; do
	# shellcheck disable=SC2086
	check "it attaches $options" attach $options
	check "equal: nothing to do $options" expect_status 0 "has the export's size" nbd_attach --resize nbd0
	((size += 1048576))
	truncate -s "$size" "$image"
	check "larger: grows $options" expect_status 0 'has grown from' nbd_attach --resize nbd0
	check "the kernel knows the new size $options" told_is size "$size"
	check "all are alive $options" within 5 state_is attached
	load -c -b 512 -i "$image"
	check "the load gets on $options" loading 20 5
	check "nothing fails $options" unload
	truncate -s 1M "$image"
	check "smaller: is refused $options" expect_status 5 'smaller now' nbd_attach --resize nbd0
	check "the kernel keeps its size $options" told_is size "$size"
	truncate -s "$size" "$image"
	check "it detaches $options" detach
done
finish
