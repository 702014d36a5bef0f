#!/bin/bash
# SPDX-License-Identifier: MIT
# The kernel accepts no commands, because a command for another device does not end. A detach that
# reports failure does not happen later. If it may still happen, the answer says so.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach
ctl block
check "a plain detach gives up" expect_status 1 'stays attached' detach
ctl unblock
check "the kernel goes on" within 5 nbd_attach --reconnect nbd0
pause 0.5
check "it is attached" state_is attached
check "nothing was disconnected" told_is detaches 0
load -e
check "the load gets on" loading 20 5
ctl block
check "with --force the detach cannot be taken back" \
	expect_status 1 'not yet finished' detach --force
check "nothing was disconnected yet" told_is detaches 0
check "it is being detached" state_is detaching
supervisor=$(supervisor_pid 0)
ctl unblock
check "then it is detached" within 5 told_is detaches 1
check "the supervisor ends" wait_for 10 gone "$supervisor"
kill -KILL "$loader"
check "it is free" within 5 told_is configured 0
finish
