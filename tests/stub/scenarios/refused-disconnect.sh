#!/bin/bash
# SPDX-License-Identifier: MIT
# The kernel refuses to disconnect a lost device whose timeouts were already set to fail waiting
# requests. The next connection must restore them, or a live server would be cut off.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach
crash
check "the loss is noticed" within 5 state_is lost
ctl refuse 0 on
check "it stays attached" refuses detach
check "waiting requests fail" told_is dead-timeout 0
check "it is lost" within 5 state_is lost
ctl refuse 0 off
serve_again
check "it heals" within 10 state_is attached
check "the kernel waits as before" told_is dead-timeout 600
check "no request times out" told_is timeout 0
check "it detaches" detach
finish
