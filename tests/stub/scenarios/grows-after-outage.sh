#!/bin/bash
# SPDX-License-Identifier: MIT
# The server comes back with a larger export. The device grows when no request is under way.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach
load -i "$image"
check "the load gets on" loading 20 5
crash
check "the loss is noticed" within 5 state_is lost
truncate -s 2M "$image"
serve_again
check "it heals" within 10 state_is attached
kill -STOP "$server"
check "requests are under way" within 5 told_at_least in-flight 1
pause 4
# The driver would freeze the queue for it, until they have been answered.
check "it does not grow meanwhile" told_is frozen 0
kill -CONT "$server"
check "nothing failed, nothing is lost" unload
check "it grows" within 15 told_is size 2097152
check "one command changed the size" told_is sizes 1
check "--status has the new size" json_is size-bytes 2097152
check "it detaches" detach
finish
