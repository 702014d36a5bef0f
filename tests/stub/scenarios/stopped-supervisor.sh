#!/bin/bash
# SPDX-License-Identifier: MIT
# --detach waits only some seconds for a stopped supervisor. After --detach has given up, the device
# is not detached when the supervisor goes on.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach
supervisor=$(supervisor_pid 0)
kill -STOP "$supervisor"
began=$SECONDS
check "--detach --all gives up" expect_status 1 'does not answer.*stays attached' nbd_attach --detach --all
check "within 15 s" test $((SECONDS - began)) -lt 15
kill -CONT "$supervisor"
check "the supervisor goes on" within 5 nbd_attach --reconnect nbd0
check "it is attached" state_is attached
check "nothing was disconnected" told_is detaches 0
check "it detaches" nbd_attach --detach --all
finish
