#!/bin/bash
# SPDX-License-Identifier: MIT
# --fail-now while the kernel works on a hand-over: it still holds when the hand-over fails.
# shellcheck source=tests/stub/lib.bash disable=SC2119
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach
load -e -i "$image"
check "the load gets on" loading 20 5
crash
check "the loss is noticed" within 5 state_is lost
ctl decline 0 10000
ctl block
serve_again
check "a connection is handed to the kernel" within 10 state_is healing
check "--fail-now succeeds" \
	expect_status 0 'I/O fails until the server is back' nbd_attach --fail-now nbd0
check "no request has failed yet" told_is failed 0
crash
ctl unblock
check "the kernel is told to let I/O fail" within 10 told_is dead-timeout 0
check "the status says so" within 5 state_is expired
ctl decline 0 0
serve_again
check "it heals" within 20 state_is attached
check "io_timeout is set again" within 10 grep -x 1000 "$N/stub/sys/block/nbd0/queue/io_timeout"
check "the load gets on" loading 20 10
crash
check "the next loss is noticed" within 5 state_is lost
before=$(told failed)
pause 1
check "I/O waits in the next outage" told_is failed "$before"
serve_again
check "it heals again" within 15 state_is attached
check "nothing is lost" unload
check "it detaches" detach
finish
