#!/bin/bash
# SPDX-License-Identifier: MIT
# The driver accepts a socket but does not log it. A socket that counts as declined is shut down, so
# that the driver notices its end and accepts another one.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach
ctl mute 0 on
crash
check "the loss is noticed" within 5 state_is lost
serve_again
check "a socket is taken, and then offered again" within 10 told_at_least declined 19
ctl mute 0 off
check "it heals" within 15 state_is attached
check "the driver has a connection" told_is alive 1
load -i "$image"
check "the load gets on" loading 20 5
check "nothing fails" unload
check "it detaches" detach
finish
