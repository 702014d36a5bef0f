#!/bin/bash
# SPDX-License-Identifier: MIT
# The supervisor is killed under load. The next one takes the device over and heals it.
# shellcheck source=tests/stub/lib.bash disable=SC2119
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach
load -i "$image"
check "the load gets on" loading 20 5
first=$(supervisor_pid 0)
kill -KILL "$first"
wait_for 5 gone "$first"
check "the load gets on without a supervisor" loading 20 5
check "the next one takes it over" attach
check "it says so" logged 'taken over, attached to'
check "it is attached" within 5 state_is attached
check "its connection was kept" told_is taken 0

# A supervisor that is killed between CONNECT and what follows leaves the driver's own io_timeout.
first=$(supervisor_pid 0)
kill -KILL "$first"
wait_for 5 gone "$first"
echo 30000 >"$N/stub/sys/block/nbd0/queue/io_timeout"
check "the next one takes it over again" attach
check "it corrects io_timeout" within 10 grep -x 1000 "$N/stub/sys/block/nbd0/queue/io_timeout"
crash
check "the loss is noticed" within 10 state_is lost
serve_again
check "it heals" within 10 state_is attached
check "nothing failed, nothing is lost" unload
check "it detaches" detach
finish
