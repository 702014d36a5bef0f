#!/bin/bash
# SPDX-License-Identifier: MIT
# With queue/iostats = 0 (a usual tuning) the program cannot see whether the device is idle, so it
# assumes that it is not.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

serve_with --filter=delay -- rdelay=300ms wdelay=300ms
check "it attaches" attach -C 2
load -b 16 -d 4 -r 1000 -i "$image"
check "the load gets on" loading 4 5
echo 0 >"$N/stub/sys/block/nbd0/queue/iostats"
check "the load gets on" loading 4 5
truncate -s 2M "$image"
nbd_attach --resize nbd0 >/dev/null 2>&1 &
asker=$!
started+=("$asker")
pause 2
check "no connection in use is cut" told_is taken 0
check "no request has waited" told_is failed 0
check "nothing failed, nothing is lost" unload 40
check "the command ends" wait_for 20 gone "$asker"
check "it detaches" detach
finish
