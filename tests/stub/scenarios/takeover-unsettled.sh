#!/bin/bash
# SPDX-License-Identifier: MIT
# A supervisor dies after it has cut a connection and before a new one is used. The next supervisor
# learns from the state file that the server may still hold old writes, and waits, too.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2119,SC2317
. "$(dirname "$0")/../lib.bash"

serve_tcp
check "it attaches" attach --peer-timeout 20 -- "127.0.0.1:$port"
kill -STOP "$server"
echo 30000 >"$N/stub/tcp-silent"
check "the host is taken for dead" within 15 logged 'has acknowledged nothing for 20 s'
rm "$N/stub/tcp-silent"
check "the state file says so" within 5 state_has UNSETTLED '^yes$'
check "after the settling time it counts as settled" state_has UNPROVED '^no$'
kill_supervisor
check "no socket was handed over" told_is offered 0
check "the next one takes it over" attach --peer-timeout 20 -- "127.0.0.1:$port"
check "the state file still says so" state_has UNSETTLED '^yes$'
check "it knows of the loss" within 10 state_is lost
kill -CONT "$server"
check "it heals" within 20 state_is attached
check "not before the settling time has passed" eval '(($(state_value LAST_OUTAGE_MS) >= 2000))'
check "the log says that this is no proof" logged 'may still carry out old writes'
check "the state file no longer says so" state_has UNSETTLED '^no$'
check "it detaches" detach
finish
