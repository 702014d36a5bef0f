#!/bin/bash
# SPDX-License-Identifier: MIT
# src/kernel against a real kernel: attach, events, busy devices, and a detach that never hangs.
# shellcheck source=tests/lib.sh disable=SC2016,SC2034,SC2317
. "$(dirname "$0")/../lib.sh"
built kernel-try
in_guest 240
begin 65
# shellcheck source=tests/interop/kernel-lib.bash
. "$top/tests/interop/kernel-lib.bash"
a=$scratch/a b=$scratch/b

echo "# kernel $(uname -r)"
server "$a" memory 16M
first=$server

check "attaches" attach_with nbd0 "$a"
check "netlink is the default" is "${said% *}" 'attach nbd0 netlink'
check "the size" is "$(</sys/block/nbd0/size)" 32768
if kernel_is 5.14; then
	check "the identifier is in backend" is "$(</sys/block/nbd0/backend)" try
else
	check "this kernel has no attribute backend" \
		is "$(ls /sys/block/nbd0/backend 2>/dev/null)" ''
fi
check "reads and writes" writes_and_verifies /dev/nbd0
check "already attached: refused" eval '
	"$try" nbd0 "$a" 2>"$scratch/err" </dev/null; is "$?" 3 && grep "attached already" "$scratch/err"'
check "already attached: the device still works" writes_and_verifies /dev/nbd0
check "no events" answers '^events$' events 100
check "the device has no user" answers '^usage 0 ' usage
check "detaches" within 2000 detach
check "free" answers '^free yes' free 2000
check "a second detach succeeds" within 2000 detach
check "ends" ended

exec 5</dev/nbd1
check "the device is open: busy" eval '
	"$try" nbd1 "$a" 2>"$scratch/err" </dev/null; is "$?" 3'
exec 5<&-
check "closed again: attaches" attach_with nbd1 "$a"
exec 5</dev/nbd1
check "an opener is named" answers "^usage 1 .*/dev/nbd1 is open in process $$ " usage
check "an opener does not block a detach" within 2000 detach
check "an opener keeps the device" answers '^free no' free 100
exec 5<&-
check "the last close frees it" answers '^free yes' free 2000
ended

check "a device made on demand" attach_with nbd200 "$a"
tell detach >/dev/null && ended
# A device that the kernel removes after DISCONNECT refuses for a short time with EINVAL.
check "a device that is just being removed" attach_with -o dying=1 nbd3 "$a"
tell detach >/dev/null && ended
check "a device that is just being removed, made on demand" attach_with -o dying=1 nbd201 "$a"
tell detach >/dev/null && ended
check "a number beyond the last device: refused" eval '
	"$try" nbd1048575 "$a" 2>"$scratch/err" </dev/null; is "$?" 2 && grep "the last NBD device" "$scratch/err"'

check "blocks of 4096" attach_with -o block=4096 nbd0 "$a"
check "blocks of 4096: the kernel has them" is "$(queue logical_block_size)" 4096
tell detach >/dev/null && ended
if kernel_is 6.15; then
	check "blocks of 65536" attach_with -o block=65536 nbd0 "$a"
	tell detach >/dev/null && ended
else
	check "blocks of 8192: refused" eval '
		"$try" -o block=8192 nbd0 "$a" 2>"$scratch/err" </dev/null; is "$?" 6 &&
		grep "8192" "$scratch/err"'
fi
check "payload of 64 KiB" attach_with -o payload=65536 nbd0 "$a"
check "payload of 64 KiB: limits the requests" is "$(queue max_sectors_kb)" 64
tell detach >/dev/null && ended

check "two connections" attach_with -o flags=0x100 nbd0 "$a" "$a"
check "two connections: read and write" writes_and_verifies /dev/nbd0
tell detach >/dev/null && ended
server "$b" --filter=multi-conn memory 16M multi-conn-mode=disable
check "two connections, the server allows one: refused" eval '
	"$try" nbd0 "$b" "$b" 2>"$scratch/err" </dev/null; is "$?" 5 && grep "one connection" "$scratch/err"'
stop "$server" && rm -f "$b"
server "$b" -r memory 16M
check "read-only" attach_with nbd0 "$b"
check "read-only: the kernel says so" is "$(</sys/block/nbd0/ro)" 1
tell detach >/dev/null && ended
check "no longer read-only" attach_with nbd0 "$a"
check "no longer read-only: the kernel says so" is "$(</sys/block/nbd0/ro)" 0
check "an identifier of 4000 bytes" answers '^detach' detach
ended
id=$(printf %04000d 7)
check "an identifier of 4000 bytes: attaches" attach_with -o "id=$id" nbd0 "$a"
if kernel_is 5.14; then
	check "an identifier of 4000 bytes: kept" is "$(</sys/block/nbd0/backend)" "$id"
else
	skip "an identifier of 4000 bytes: kept" "the kernel has no identifiers before 5.14"
fi
tell detach >/dev/null && ended
check "an identifier of 4001 bytes: refused" eval '
	"$try" -o "id=0$id" nbd0 "$a" 2>"$scratch/err" </dev/null; is "$?" 2'

# A server that dies, and one that does not answer
stop "$server" && rm -f "$b"
server "$b" memory 16M
check "a server's death: attaches" attach_with nbd0 "$b"
kill -KILL "$server"
check "a server's death: an event" answers 'dead' events 1000
check "a server's death: the event comes once" answers '^events$' events 300
check "a server's death: detaches" within 2000 detach
check "a server's death: free" answers '^free yes' free 2000
ended
rm -f "$b"
server "$b" memory 16M
check "a stopped server: attaches" attach_with nbd0 "$b"
kill -STOP "$server"
start dd if=/dev/zero of=/dev/nbd0 bs=1M count=8 oflag=direct
wait_for 10 grep -q '[1-9]' /sys/block/nbd0/inflight
check "a stopped server: shut" answers '^shut$' shut
check "a stopped server: detaches" within 3000 detach
wait "$pid"
check "a stopped server: free" answers '^free yes' free 3000
ended
kill -KILL "$server"
rm -f "$b"

# ioctl
server "$b" memory 16M
check "ioctl: attaches" attach_with -o backend=ioctl -o block=4096 nbd0 "$b"
check "ioctl: is used" is "${said% *}" 'attach nbd0 ioctl'
check "ioctl: reads and writes" writes_and_verifies /dev/nbd0
check "ioctl: its own opener is no user" answers '^usage 0 ' usage
check "ioctl: both backends refuse the attached device" eval '
	"$try" -o backend=ioctl nbd0 "$a" 2>"$scratch/err" </dev/null; is "$?" 3 &&
	{ "$try" nbd0 "$a" 2>"$scratch/err" </dev/null; is "$?" 3; }'
check "ioctl: claims" answers '^claim taken' claim 3000
check "ioctl: releases" answers '^release' release
check "ioctl: detaches" within 2000 detach
check "ioctl: free" answers '^free yes' free 2000
check "ioctl: our own detach causes no event" answers '^events$' events 200
ended
check "ioctl: attaches again" attach_with -o backend=ioctl nbd0 "$b"
kill -KILL "$server"
check "ioctl: a server's death ends it" answers 'ended' events 1000
check "ioctl: free after a server's death" answers '^free yes' free 2000
check "ioctl: nothing left to detach" within 2000 detach
ended
rm -f "$b"
server "$b" memory 16M
check "ioctl, a stopped server: attaches" attach_with -o backend=ioctl nbd0 "$b"
kill -STOP "$server"
check "ioctl, a stopped server: detaches" within 2000 detach
check "ioctl, a stopped server: free" answers '^free yes' free 2000
ended
kill -KILL "$server"
rm -f "$b"
server "$b" memory 16M
check "ioctl: attaches once more" attach_with -o backend=ioctl nbd0 "$b"
check "ioctl: the device ends with the process" eval 'ended; wait_for 3 detached nbd0'
stop "$server"
stop "$first"

check "no oops, no hung task" eval '! dmesg | grep -E "BUG|Oops|WARNING|hung_task|blocked for more"'
exec 2>/dev/null # hides bash's message for every server that tidy_up() ends
finish
