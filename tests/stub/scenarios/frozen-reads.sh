#!/bin/bash
# SPDX-License-Identifier: MIT
# A program writes a file in queue/ during an outage. The kernel freezes the queue for it, and every
# reader of such a file waits until the requests end, which wait for a new connection: the supervisor
# must not be one of these readers. (FIFOs without a writer stand for the files.)
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

queue=$N/stub/sys/block/nbd0/queue
files=(iostats logical_block_size max_sectors_kb write_cache)

freeze() {
	local f
	for f in "${files[@]}"; do
		mv "$queue/$f" "$N/$f"
		mkfifo "$queue/$f"
	done
}

# A blocked reader gets nothing, and the next one the value.
thaw() {
	local f fd
	for f in "${files[@]}"; do
		exec {fd}<>"$queue/$f"
		mv "$N/$f" "$queue/$f"
		exec {fd}>&-
	done
}

answers() { timeout 10 "${nbd_attach[@]}" --status nbd0; }

# A server that takes less in one request than servers usually do.
serve_with --filter=blocksize-policy -- blocksize-minimum=512 blocksize-preferred=4096 \
	blocksize-maximum=256K
check "it attaches" attach
load -i "$image"
check "the load gets on" loading 20 5
freeze
# Long enough for two looks at a device that is attached.
pause 7
check "the supervisor answers" answers
check "it heals" heals 10
check "it heals again" heals 10

# The state file tells the sizes of a block and of the largest request, which cannot be read.
kill_supervisor
crash
check "the next one takes the device over" attach
serve_again
check "and heals it" within 15 state_is attached
check "the load gets on with it" loading 20 10
thaw
check "nothing failed, nothing is lost" unload
check "it detaches" detach
finish
