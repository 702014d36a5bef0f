#!/bin/bash
# SPDX-License-Identifier: MIT
# The usual --io-timeout: requests in flight go on soon after an outage, new ones at once, and a slow
# server does not fill the kernel's log.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 150 "$@"
begin 14
# shellcheck source=tests/fault/lib.bash
. "$top/tests/fault/lib.bash"
usual_outages

at_most() { # FIGURE LIMIT
	echo "$1, at most $2"
	awk -v a="$1" -v b="$2" 'BEGIN {exit !(a >= 0 && a <= b)}'
}

# With the kernel's log of the time of the load.
stuck() {
	dmesg | grep -c 'Possible stuck'
}

new_image
# nbdkit carries out 16 requests at a time, so none waits for another one.
check "a server that takes 6 s for a write" serve nbdkit 10809 --filter=delay wdelay=6
check "attaches" attach
check "the default" is "$(<"/sys/block/$device/queue/io_timeout")" 10000
dmesg -C
check "16 writes at a time for 10 s" timeout 60 fio --name=slow --filename="/dev/$device" --rw=randwrite --bs=4k \
	--iodepth=16 --ioengine=libaio --direct=1 --runtime=10 --time_based --size=8M
check "hardly a line in the kernel's log" at_most "$(stuck)" 20
check "it detaches" release

new_image
# Each write takes a moment, so some are in flight at the crash.
check "a server" serve nbdkit 10809 --filter=delay wdelay=300ms
check "attaches again" attach
load -r 50
pause 2
outage 1
check "heals" healed
pause 15
check "nothing failed, nothing lost" unload
figures
check "there were requests in flight" at_most "$(figure inflight_ms | head -n 1)" 999999
check "new requests go on at once" at_most "$(figure new_ms)" 3000
# The kernel looks a second late, and the guest is slow.
check "the last one that was in flight goes on" at_most "$(figure inflight_ms)" 13500
check "it detaches again" release
finish
