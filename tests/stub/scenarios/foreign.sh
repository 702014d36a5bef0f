#!/bin/bash
# SPDX-License-Identifier: MIT
# Another program detaches the device. A device of another program is left alone.
# shellcheck source=tests/stub/lib.bash disable=SC2119
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach
ctl detach 0
pid=$(supervisor_pid 0)
check "the supervisor ends" wait_for 5 gone "$pid"
check "it says why" logged 'detached by another program'
ctl attach 0 somebody
check "the device of another program is refused" \
	expect_status 3 'attached already to "somebody"' attach
check "that device was not changed" told_is changes 0
ctl detach 0
check "a free device is attached" attach
check "it detaches" detach
finish
