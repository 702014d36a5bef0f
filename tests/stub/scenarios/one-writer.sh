#!/bin/bash
# SPDX-License-Identifier: MIT
# One export is attached for writing once: also after a takeover; for reading as often as wanted.
# shellcheck source=tests/stub/lib.bash disable=SC2119
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach
check "a second one is refused" expect_status 3 'attached already' nbd_attach nbd1 -u "$sock"
kill_supervisor
check "it is taken over" attach
check "a second one is refused still" expect_status 3 'attached already' nbd_attach nbd1 -u "$sock"
check "no second device was made" told_is configured 0 1
check "a reader is not" nbd_attach -r nbd1 -u "$sock"
check "nor a second reader" nbd_attach -r nbd2 -u "$sock"
check "all are detached" nbd_attach --detach --all
check "the first is free" told_is configured 0
check "the last is free" told_is configured 0 2
finish
