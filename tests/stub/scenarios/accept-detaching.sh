#!/bin/bash
# SPDX-License-Identifier: MIT
# --reconnect --accept is refused while the device is being detached. If it stays attached, what was
# asked for then does not count in a later outage.
# Slow: it is started first.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2154
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach
ctl block
start "${nbd_attach[@]}" --detach nbd0
check "it is being detached" within 5 state_is detaching
kill_now "$pid" # while it waits for the answer, no other command gets one
check "--accept is refused" expect_status 3 'is being detached' \
	nbd_attach --reconnect --accept read-only,features nbd0
check "the kernel is too busy: it stays attached" within 15 state_is attached
ctl unblock
crash
check "the loss is noticed" within 5 state_is lost
serve nbdkit -f -U "$sock" -r file "$image"
check "a server that is read-only is refused" within 5 state_is refused
check "it can be accepted now" nbd_attach --reconnect --accept read-only,features nbd0
check "it heals" within 5 state_is attached
check "it detaches" detach
finish
