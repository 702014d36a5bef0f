#!/bin/bash
# SPDX-License-Identifier: MIT
# The state file cannot be written for a while, as when /run is full. It is written as soon as it can be,
# although nothing happens to the device any more.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2154,SC2317
. "$(dirname "$0")/../lib.bash"

missing() { [[ ! -e $N/nbd0.state ]]; }

serve
mkdir "$N/nbd0.state.new" # where the file is written before it gets its name
check "it attaches" attach
check "it says that the state cannot be written" logged 'cannot write the state file'
pause 1
check "there is no state file" missing
rmdir "$N/nbd0.state.new"
check "it is written when it can be" within 10 state_is attached
check "it detaches" detach
finish
