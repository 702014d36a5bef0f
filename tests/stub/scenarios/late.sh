#!/bin/bash
# SPDX-License-Identifier: MIT
# The driver notices the end of a connection later than the supervisor.
# shellcheck source=tests/stub/lib.bash disable=SC2119
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach
load -i "$image"
check "the load gets on" loading 20 5
ctl notice 0 600
crash
check "the loss is noticed" within 5 state_is lost
serve_again
check "it heals" within 10 state_is attached
check "the driver has it" told_is alive 1
check "the load gets on" loading 20 10
check "nothing failed, nothing is lost" unload
check "it detaches" detach
finish
