#!/bin/bash
# SPDX-License-Identifier: MIT
# A supervisor is asked to end while it takes a device over and the kernel does not answer. It ends
# after a limited time. The device stays attached, and the state file of the supervisor before it stays
# as it was, for the next one.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2154,SC2317
. "$(dirname "$0")/../lib.bash"

asks_kernel() { told_is commands 1; }

serve
check "it attaches" attach
load -i "$image"
check "the load gets on" loading 20 5
kill_supervisor
before=$(state_value IDENTIFIER)
ctl block
start "${nbd_attach[@]}" --io-timeout 1 nbd0 -u "$sock"
waiting=$pid
check "another one asks the kernel" within 10 asks_kernel
supervisor=$(supervisor_pid 0)
kill -TERM "$supervisor"
pause 1
check "the state file is as it was" is "$(state_value IDENTIFIER)" "$before"
check "it still has the connection" state_has CONNECTIONS_ALIVE '^1$'
kill -TERM "$supervisor" # again: the limit does not begin anew
check "it ends" wait_for 15 gone "$supervisor"
kill -KILL "$supervisor" 2>/dev/null
wait "$waiting"
check "the command that waited for it says that it has failed" is "$?" 1
check "... and why" grep 'stays attached: the kernel has not answered for 10 s' "$N/log"
check "the state file is still as it was" is "$(state_value IDENTIFIER)" "$before"
check "it still has its connection" state_has CONNECTIONS_ALIVE '^1$'
check "the device is attached" told_is configured 1
ctl unblock
check "the next one takes it over" attach
check "the load gets on" loading 20 10
check "nothing failed, nothing is lost" unload
check "it detaches" detach
finish
