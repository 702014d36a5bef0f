#!/bin/bash
# SPDX-License-Identifier: MIT
# A connection has ended, and the state file is older than that: it could not be written, because /run
# was full or had gone with an initramfs. The next supervisor does not know whether the server still
# holds old writes, and waits for the settling time.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2119,SC2317
. "$(dirname "$0")/../lib.bash"

serve_tcp
check "it attaches" attach --peer-timeout 20 -- "127.0.0.1:$port"
cp "$N/nbd0.state" "$N/earlier"
kill -STOP "$server"
echo 30000 >"$N/stub/tcp-silent"
check "the host is taken for dead" within 15 logged 'has acknowledged nothing for 20 s'
rm "$N/stub/tcp-silent"
kill_supervisor
cp "$N/earlier" "$N/nbd0.state"
check "the next one takes it over" attach --peer-timeout 20 -- "127.0.0.1:$port"
check "it knows of the loss" within 10 state_is lost
check "it waits for old writes" within 5 state_has UNSETTLED '^yes$'
kill -CONT "$server"
check "it heals" within 20 state_is attached
check "the log says that this is no proof" logged 'may still carry out old writes'
check "the state file no longer says so" within 5 state_has UNSETTLED '^no$'

kill_supervisor
crash
rm "$N/nbd0.state"
check "without a state file it is taken over, too" attach --peer-timeout 20 -- "127.0.0.1:$port"
check "that loss is known" within 10 state_is lost
check "the end of that connection is not" within 5 state_has UNSETTLED '^yes$'
check "the server is back" serve_tcp "$port"
check "it heals again" within 20 state_is attached
check "it detaches" detach
finish
