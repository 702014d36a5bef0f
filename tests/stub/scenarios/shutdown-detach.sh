#!/bin/bash
# SPDX-License-Identifier: MIT
# While the machine shuts down, --detach waits at most 30 seconds until a device has no users.
# Otherwise, and for a root file system, it does not wait.
# Slow: it is started first.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2034,SC2317
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach
load
check "the load gets on" loading 20 5
check "no shutdown: refused" expect_status 3 'open in process' detach
check "the machine shuts down" nbd_attach --shutdown --grace 10
detach >"$N/said" 2>&1 &
detacher=$!
started+=("$detacher")
pause 3
check "in use: it waits" running "$detacher"
check "in use: it is attached" state_is attached
kill -TERM "$loader"
check "its user has ended: --detach ends" wait_for 8 gone "$detacher"
wait "$detacher"
check "its user has ended: --detach succeeds" is "$?" 0
check "its user has ended: the device is free" told_is configured 0

truncate -s 0 "$image" && truncate -s 1M "$image" # empty for the load
check "it attaches again" attach
load
check "the load gets on again" loading 20 5
before=$SECONDS
TEST_LIMIT=50 check "a user that stays: --detach refuses in the end" expect_status 3 'open in process' detach
took=$((SECONDS - before))
check "a user that stays: after 30 seconds" eval 'echo "$took s"; ((took >= 29 && took <= 40))'
check "nothing failed, nothing is lost" unload
check "it detaches" detach

truncate -s 0 "$image" && truncate -s 1M "$image"
check "it attaches with --root" attach --root
load
check "the load gets on with --root" loading 20 5
before=$SECONDS
check "a root file system is never closed: --detach refuses" expect_status 3 'open in process' detach
took=$((SECONDS - before))
check "... without waiting for it" eval 'echo "$took s"; ((took < 10))'
check "nothing failed with --root" unload
check "it detaches with --root" detach
finish
