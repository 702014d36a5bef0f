#!/bin/bash
# SPDX-License-Identifier: MIT
# A program has written, and waits in its last close(2) for a server that is lost: no process has the
# device open, no request is under way, and none was ever completed. A plain --detach refuses, and so
# does SIGTERM. fault/last-close.sh shows the kernel's side.
# shellcheck source=tests/stub/lib.bash disable=SC2119
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach
crash
check "the loss is noticed" within 5 state_is lost
touch "$N/stub/unwritten"
check "data waits for the server: --detach refuses" expect_status 4 'cannot be flushed' detach
check "SIGTERM: the supervisor ends" kill_supervisor TERM
check "... and leaves the device attached" told_is configured 1
check "nothing was disconnected" told_is detaches 0
check "it is taken over" attach
check "still lost" within 10 state_is lost
serve_again
check "it heals" within 20 state_is attached
rm "$N/stub/unwritten"
crash
check "lost again" within 5 state_is lost
check "in doubt about writes before the takeover, it refuses" expect_status 4 'cannot be flushed' detach
check "--force detaches" detach --force

serve_again
check "it attaches again" attach
crash
check "the loss is noticed again" within 5 state_is lost
check "nothing was written: it detaches" detach
check "... the device is free" told_is configured 0
finish
