#!/bin/bash
# SPDX-License-Identifier: MIT
# Partitions of the previous disk are removed before the next disk is connected, not only before it
# is announced: a process that opened one in between would use the old disk's offsets on the new
# disk.
# shellcheck source=tests/stub/lib.bash disable=SC2119
. "$(dirname "$0")/../lib.bash"

serve
mkdir "$N/stub/sys/block/nbd0/nbd0p1" "$N/stub/sys/block/nbd0/nbd0p2"
check "it attaches" attach
check "the old partitions were removed before" told_is stale 0
check "nothing is logged" is "$(grep -c partitions "$N/stub/log")" 0
check "it detaches" detach
finish
