#!/bin/bash
# SPDX-License-Identifier: MIT
# --watch-size: the device follows by itself.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach --watch-size 1
truncate -s 2M "$image"
check "it grows" within 10 told_is size 2097152
check "the log tells" within 5 logged 'the export has a new size, and the device was changed to it: 2 MiB'
truncate -s 1M "$image"
check "a smaller one is told of" within 10 logged 'smaller now'
check "and not followed" told_is size 2097152
check "it detaches" detach
finish
