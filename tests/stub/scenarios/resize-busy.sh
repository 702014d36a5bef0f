#!/bin/bash
# SPDX-License-Identifier: MIT
# --resize while requests are under way: with several connections or a relay, no connection is cut.
# A device grows only at a moment without requests.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach -C 2
load -d 8 -r 2000 -i "$image"
check "the load gets on" loading 20 5
kill -STOP "$server"
check "requests are under way" within 5 told_is in-flight 8
truncate -s 2M "$image"
nbd_attach --connect-timeout 1 --resize nbd0 >/dev/null 2>&1 &
asker=$!
started+=("$asker")
pause 1
check "no socket is taken" told_is taken 0
check "no size was changed" told_is sizes 0
kill -CONT "$server"
check "the load gets on" loading 20 10
check "nothing failed, nothing is lost" unload
check "the command ends" wait_for 20 gone "$asker"
check "it grows at a moment without requests" expect_status 0 'grown|size' nbd_attach --resize nbd0
check "the kernel knows the new size" told_is size 2097152
check "it detaches" detach
finish
