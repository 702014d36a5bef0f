#!/bin/bash
# SPDX-License-Identifier: MIT
# The dead timeout passes: I/O fails. Then the device heals, and I/O waits in the next outage.
# shellcheck source=tests/stub/lib.bash disable=SC2119
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach --dead-timeout 3
load -e
check "the load gets on" loading 20 5
crash
check "the dead timeout passes" within 10 state_is expired
check "I/O fails" within 5 told_at_least failed 1
check "the kernel fails at once" within 5 told_is dead-timeout 0
serve_again
check "it heals" within 10 state_is attached
check "the kernel waits again" within 5 told_is dead-timeout 3
check "no request times out" told_is timeout 0
check "the load gets on again" loading 20 5
check "nothing acknowledged is lost" unload
load -c -i "$image" -b 64
check "there is a load again" loading 80 5
crash
check "the loss is noticed" within 5 told_at_least pending 1
serve_again
check "it heals once more" within 10 state_is attached
check "no request failed" unload
check "it detaches" detach
finish
