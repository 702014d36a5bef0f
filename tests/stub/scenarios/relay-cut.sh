#!/bin/bash
# SPDX-License-Identifier: MIT
# A relay gives up a server whose host has vanished, and the server, which has time for one client
# only, learns of that when the network is back, although the relay's reset was lost. What the old
# connection held may still be carried out: the log warns of it. The same if the relay is killed
# during the cut.
# Slow: it is started first.
# shellcheck source=tests/stub/net.bash disable=SC2317
. "$(dirname "$0")/../net.bash"
# shellcheck source=tests/stub/lib.bash
. "$(dirname "$0")/../lib.bash"

qemu-nbd -f raw -b 127.0.0.1 -p 10809 -t "$image" >>"$N/server.said" 2>&1 </dev/null &
server=$!
started+=("$server")
wait_for 10 listening 10809

check "it attaches" attach --relay --peer-timeout 5 -- 127.0.0.1:10809
cut_network
load -i "$image"
check "the loss is noticed" within 20 state_is lost
check "the reason is told" logged "acknowledged nothing for 5 s"
mend_network
check "it heals" within 30 state_is attached
check "the load gets on" loading 20 10
check "the log warns of old writes" logged "without a confirmation from its server"
check "nothing failed, nothing is lost" unload
check "it detaches" detach

dd if=/dev/zero of="$image" bs=1M count=1 conv=notrunc status=none
check "it attaches again" attach --relay --peer-timeout 20 -- 127.0.0.1:10809
cut_network
load -i "$image"
kill -KILL "$(pgrep -P "$(supervisor_pid 0)" nbd-relay)"
check "the loss is noticed" within 5 state_is lost
mend_network
check "it heals" within 30 state_is attached
check "nothing failed, nothing is lost" unload
check "it detaches" detach
finish
