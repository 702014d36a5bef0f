#!/bin/bash
# SPDX-License-Identifier: MIT
# A kernel that freezes the queue for a new io_timeout blocks the process that writes it until the
# requests end. That process holds no lock of its supervisor: if the supervisor dies, the next one
# can take the device over. (A FIFO without a reader stands for the queue.)
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

timeout=$N/stub/sys/block/nbd0/queue/io_timeout

serve
check "it attaches" attach --dead-timeout 1
crash
check "the dead timeout passes" within 10 state_is expired
check "the kernel fails at once" within 5 told_is dead-timeout 0
rm -f "$timeout"
mkfifo "$timeout"
serve_again
check "it heals" within 10 state_is attached
kill_supervisor
check "the device can be taken over" attach --dead-timeout 1
check "it is attached" within 5 state_is attached
# The next supervisor has begun to write it, too.
check "the write was blocked all the time" is "$(timeout 5 head -c 4 "$timeout")" 1000
rm "$timeout"
check "it detaches" detach
finish
