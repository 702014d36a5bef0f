#!/bin/bash
# SPDX-License-Identifier: MIT
# A lost device with requests under way: a plain --detach refuses. Here no open descriptor of the
# user can be seen.
# shellcheck source=tests/stub/lib.bash disable=SC2119
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach
load -e
check "the load gets on" loading 20 5
kill -STOP "$server"
check "requests are under way" within 5 told_is in-flight 4
crash
check "the loss is noticed" within 5 state_is lost
rm -rf "$N/stub/proc/$loader"
check "it is refused" expect_status 3 'requests waiting|in use' detach
check "nothing was disconnected" told_is detaches 0
check "it is still lost" within 5 state_is lost
serve_again
check "it heals" within 10 state_is attached
check "the load ends" unload
check "it detaches" detach
finish
