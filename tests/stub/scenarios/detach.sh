#!/bin/bash
# SPDX-License-Identifier: MIT
# Detaching: who uses it is asked, it is flushed, --force, after an outage, without a supervisor.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach
mkdir "$N/stub/sys/block/nbd0/holders/dm-7"
check "a holder is named" expect_status 3 'part of dm-7' detach
rmdir "$N/stub/sys/block/nbd0/holders/dm-7"
before=$(told 'done')
crash
check "the loss is noticed" within 5 state_is lost
serve_again
check "it heals" within 10 state_is attached
check "after an outage it detaches" detach
check "with a flush" test "$(told 'done')" -gt "$before"
check "it attaches again" attach
crash
check "the loss is noticed again" within 5 state_is lost
check "a lost one that nobody uses is detached" detach
check "it is free" told_is configured 0
serve_again
check "once more" attach
load -e
check "the load gets on" loading 20 5
check "in use is refused" expect_status 3 'is open in process' detach
check "--force detaches" detach --force
check "requests fail then" within 5 told_at_least detaches 1
kill -KILL "$loader"
check "it is free when the last user is gone" within 5 told_is configured 0
check "once more" attach
kill_supervisor
check "without a supervisor, too" detach
check "it is free" told_is configured 0
finish
