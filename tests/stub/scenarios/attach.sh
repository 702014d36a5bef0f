#!/bin/bash
# SPDX-License-Identifier: MIT
# Attach: the kernel's settings, a server that does not run, --wait, auto, an attached device.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

check "no server: exit status 4" expect_status 4 'does not exist: is the server running' attach
check "nothing is attached" told_is configured 0
nbd_attach --wait=20 nbd0 -u "$sock" 2>"$N/stub/log" &
waiting=$!
started+=("$waiting")
check "--wait logs that it waits" within 5 logged 'trying again'
check "--wait waits" running "$waiting"
serve
check "it attaches when the server starts" wait_for 10 gone "$waiting"
wait "$waiting"
check "it exits with 0" is $? 0
check "the dead timeout is the default" told_is dead-timeout 600
check "no request times out" told_is timeout 0
check "requests are checked every ten seconds" is "$(<"$N/stub/sys/block/nbd0/queue/io_timeout")" 10000
check "the size is the export's" told_is size 1048576
check "the identifier is the URI" told_is identifier "nbd+unix:///?socket=$sock"
check "attached already" expect_status 3 'attached already' attach -r
truncate -s 2M "$N/other"
start nbdkit -f -U "$N/other.sock" file "$N/other" >>"$N/server.said" 2>&1
wait_for 10 listening "$N/other.sock"
nbd_attach auto -u "$N/other.sock" >/dev/full 2>"$N/said"
check "auto fails if it cannot print the name" is "$? $(tail -n1 "$N/said")" \
	"1 nbd-attach: /dev/nbd1 is attached, but its name cannot be written to standard output"
check "the same command finds it" is "$(nbd_attach auto -u "$N/other.sock" 2>"$N/said")" /dev/nbd1
check "its supervisor goes on" kill -0 "$(supervisor_pid 1)"
check "it is detached" nbd_attach --detach nbd1
auto=$(nbd_attach auto -u "$N/other.sock" 2>"$N/stub/log")
check "auto takes the next device" is "$auto $(<"$N/stub/log")" "/dev/nbd1 nbd-attach: /dev/nbd1: attached to nbd+unix:///?socket=$N/other.sock, 2 MiB"
check "both get a node if they have none" is "$(sort -u "$N/stub/nodes" | xargs)" "nbd0 nbd1"
check "--detach --all ends both" nbd_attach --detach --all
check "the first is free" told_is configured 0
check "the second is free" told_is configured 0 1
finish
