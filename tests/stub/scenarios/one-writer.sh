#!/bin/bash
# SPDX-License-Identifier: MIT
# An export is attached for writing only once, also after a takeover; for reading any number of
# times.
# shellcheck source=tests/stub/lib.bash disable=SC2119
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach
check "a second one is refused" expect_status 3 'attached already' nbd_attach nbd1 -u "$sock"
kill_supervisor
check "it is taken over" attach
check "a second one is still refused" expect_status 3 'attached already' nbd_attach nbd1 -u "$sock"
check "no second device was made" told_is configured 0 1
check "a reader is not refused" nbd_attach -r nbd1 -u "$sock"
check "a second reader is not refused" nbd_attach -r nbd2 -u "$sock"
check "all are detached" nbd_attach --detach --all
check "the first is free" told_is configured 0
check "the last is free" told_is configured 0 2
finish
