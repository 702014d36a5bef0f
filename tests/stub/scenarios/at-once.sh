#!/bin/bash
# SPDX-License-Identifier: MIT
# Attaches right after a detach, and right after a supervisor was killed. The old supervisor or one
# of its helpers may still be ending; that is no reason to refuse.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach --on-change "sleep 0.7"
check "it detaches" detach
check "it attaches again at once" attach
pid=$(supervisor_pid 0)
kill -KILL "$pid"
wait_for 5 gone "$pid"
# Holds the lock like a helper that was just forked.
start flock -o "$N/nbd0.lock" sleep 60
holder=$pid
check "the lock is held" wait_for 5 eval '! flock -n "$N/nbd0.lock" true'
(pause 0.7; kill -KILL "$holder") &
check "it is taken over nevertheless" attach
check "it is attached" state_is attached
check "a live supervisor is a reason" expect_status 3 'attached already' attach -r
check "it detaches" detach
finish
