#!/bin/bash
# SPDX-License-Identifier: MIT
# If the kernel's log cannot be read, the program cannot know whether a socket was accepted.
# shellcheck source=tests/stub/lib.bash disable=SC2119
. "$(dirname "$0")/../lib.bash"

touch "$N/stub/no-kmsg"
serve
check "it attaches" attach
load -i "$image"
check "the load gets on" loading 20 5
ctl decline 0 1
crash
check "the loss is noticed" within 5 state_is lost
serve_again
check "it heals" within 10 state_is attached
check "the driver has it" told_is alive 1
check "the load gets on" loading 20 10
check "nothing failed, nothing is lost" unload
check "it detaches" detach
check "with two connections" attach -C 2
ctl break 0 0
check "one is replaced" within 10 told_is alive 2
check "it is attached" within 10 state_is attached
check "it detaches" detach
finish
