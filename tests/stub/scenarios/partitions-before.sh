#!/bin/bash
# SPDX-License-Identifier: MIT
# Partitions of the disk that was attached before are gone when the next one is connected, not only
# when it is announced: whoever opens one in between would read and write at the old disk's place.
# shellcheck source=tests/stub/lib.bash disable=SC2119
. "$(dirname "$0")/../lib.bash"

serve
mkdir "$N/stub/sys/block/nbd0/nbd0p1" "$N/stub/sys/block/nbd0/nbd0p2"
check "it attaches" attach
check "the kernel had forgotten them before" told_is stale 0
check "nothing is said" is "$(grep -c partitions "$N/stub/log")" 0
check "it detaches" detach
finish
