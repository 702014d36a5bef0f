#!/bin/bash
# SPDX-License-Identifier: MIT
# Detach: of a device in use, with a flush, with --force, after an outage, without a supervisor.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

# So that users are looked for.
touch "$N/stub/built-in"
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
check "it detaches after an outage" detach
check "the detach flushed" test "$(told 'done')" -gt "$before"
check "it attaches again" attach
crash
check "the loss is noticed again" within 5 state_is lost
check "a lost device without users is detached" detach
check "it is free" told_is configured 0
serve_again
check "it attaches once more" attach
load -e
check "the load gets on" loading 20 5
check "a device in use is refused" expect_status 3 'is open in process' detach
check "--force detaches" detach --force
check "the kernel disconnected it" within 5 told_at_least detaches 1
kill -KILL "$loader"
check "it is free after its last user" within 5 told_is configured 0
check "it attaches a last time" attach
kill_supervisor
check "it detaches without a supervisor, too" detach
check "it is free" told_is configured 0
finish
