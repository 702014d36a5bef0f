#!/bin/bash
# SPDX-License-Identifier: MIT
# The main task: a server dies and comes back while the device is in use.
# shellcheck source=tests/stub/lib.bash disable=SC2119
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach
check "the driver has the connection" told_is alive 1
load -i "$image"
check "the load gets on" loading 20 5
crash
check "the loss is noticed" within 5 state_is lost
check "requests wait" within 5 told_at_least pending 1
serve_again
check "it heals" within 10 state_is attached
check "the load gets on again" loading 20 10
check "one socket was taken" told_is taken 1
kill -STOP "$server"
check "every request is in flight" within 5 told_is in-flight 4
crash
check "the loss is noticed again" within 5 state_is lost
serve_again
check "it heals again" within 10 state_is attached
check "requests in flight are soon sent again" loading 20 10
check "nothing failed, nothing is lost" unload
check "it detaches" detach
check "the device is free" told_is configured 0
finish
