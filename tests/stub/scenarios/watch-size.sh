#!/bin/bash
# SPDX-License-Identifier: MIT
# --watch-size: the device follows the export's size by itself.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach --watch-size 1
truncate -s 2M "$image"
check "it grows" within 10 told_is size 2097152
check "the log says so" \
	within 5 logged 'the export has a new size, and the device was changed to it: 2 MiB'
truncate -s 1M "$image"
check "a smaller export is logged" within 10 logged 'smaller now'
check "the device keeps its size" told_is size 2097152
check "it detaches" detach
finish
