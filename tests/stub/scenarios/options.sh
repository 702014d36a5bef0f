#!/bin/bash
# SPDX-License-Identifier: MIT
# Options that are passed to the kernel, which keeps them over an outage.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2119,SC2317
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach --timeout 7 --dead-timeout 30 -b 4096 -i ours -r
check "the timeout" told_is timeout 7
check "the dead timeout" told_is dead-timeout 30
check "the identifier" told_is identifier ours
check "read-only" is "$(<"$N/stub/sys/block/nbd0/ro")" 1
check "the block size" is "$(<"$N/stub/sys/block/nbd0/queue/logical_block_size")" 4096
check "the queue's timeout" is "$(<"$N/stub/sys/block/nbd0/queue/io_timeout")" 7000
crash
check "the loss is noticed" within 5 state_is lost
serve_again
check "it heals" within 10 state_is attached
check "the timeout stays" told_is timeout 7
check "the dead timeout stays" told_is dead-timeout 30
check "it detaches" detach

# The flags of the server can be hidden from the kernel.
queue() { # ATTRIBUTE
	cat "$N/stub/sys/block/nbd0/queue/$1"
}
has_flag() { # WORD
	nbd_attach --status --json nbd0 | grep -q "\"$1\""
}
check "trim and write-zeroes: it attaches" attach
check "... and the kernel uses both" eval 'has_flag trim && has_flag write-zeroes &&
	(($(queue discard_max_bytes) > 0))'
kill_supervisor
taken_over=$N/taken-over
attach --no-trim 2>"$taken_over"
check "a device that was attached with trim: taken over with a warning" \
	grep -q 'attached without --no-trim .*: detach it and attach it again' "$taken_over"
check "it detaches" detach
check "--no-trim: it attaches" attach --no-trim
check "... and the kernel does not use it" eval 'refuses has_flag trim && has_flag write-zeroes &&
	is "$(queue discard_max_bytes)" 0'
crash
serve_again
check "... and it heals" within 10 state_is attached
check "--no-trim: it detaches" detach
check "--no-write-zeroes: it attaches" attach --no-write-zeroes
check "... and the kernel does not use it" eval 'has_flag trim && refuses has_flag write-zeroes'
check "--no-write-zeroes: it detaches" detach
finish
