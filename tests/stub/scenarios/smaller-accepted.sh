#!/bin/bash
# SPDX-License-Identifier: MIT
# --accept smaller, read-only and features at attach holds for every outage.
# shellcheck source=tests/stub/lib.bash disable=SC2119
. "$(dirname "$0")/../lib.bash"

serve_with
check "it attaches" attach --accept smaller,read-only,features
for round in 1 2; do
	crash
	check "the loss is noticed ($round)" within 5 state_is lost
	truncate -s 512K "$image"
	serve_with -r
	check "it heals ($round)" within 10 state_is attached
done
check "the device keeps its size" told_is size 1048576
check "it detaches" detach
finish
