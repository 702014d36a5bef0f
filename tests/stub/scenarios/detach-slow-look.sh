#!/bin/bash
# SPDX-License-Identifier: MIT
# A machine with so many processes that the look for users of the device takes longer than a detach may.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

# So that users are looked for.
touch "$N/stub/built-in"
serve
check "it attaches" attach
touch "$N/stub/slow-look"
check "a detach says that it does not know who uses the device" \
	expect_status 1 'cannot find out within 10 s who uses /dev/nbd0, so it stays attached' detach
check "it is attached" state_is attached
check "nothing was disconnected" told_is detaches 0
supervisor=$(supervisor_pid 0)
check "with --force nobody looks" within 4 detach --force
check "the supervisor ends" wait_for 10 gone "$supervisor"
check "it is free" within 5 told_is configured 0
finish
