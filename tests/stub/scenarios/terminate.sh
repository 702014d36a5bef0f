#!/bin/bash
# SPDX-License-Identifier: MIT
# SIGTERM: detaches what surely nobody uses, and leaves what somebody may.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2154
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach
touch "$N/stub/unsure"
check "in doubt it ends" kill_supervisor TERM
check "and leaves the device" told_is configured 1
check "and says so" logged 'stays attached: some processes cannot be examined'
rm "$N/stub/unsure"
check "it is taken over" attach
start "$stub" open nbd0
opener=$pid
check "it is open" within 5 told_is openers 1
check "in use it ends" kill_supervisor TERM
check "and leaves the device" told_is configured 1
kill_now "$opener"
check "it is taken over again" attach
check "unused it ends" kill_supervisor TERM
check "and detaches" told_is configured 0
finish
