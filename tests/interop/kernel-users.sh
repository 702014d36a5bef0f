#!/bin/bash
# SPDX-License-Identifier: MIT
# The users of a device (src/kernel/usage.h), and the claim that flushes it (src/kernel/claim.h).
# shellcheck source=tests/lib.sh disable=SC2016,SC2034,SC2317
. "$(dirname "$0")/../lib.sh"
built kernel-try
in_guest 240
begin 45
# shellcheck source=tests/interop/kernel-lib.bash
. "$top/tests/interop/kernel-lib.bash"
a=$scratch/a b=$scratch/b mnt=$scratch/mnt
mkdir "$mnt"

echo "# kernel $(uname -r)"
server "$a" --filter=log memory 256M logfile="$scratch/log.a"
attach_with nbd0 "$a" || not_ok "attaches" </dev/null

used() { # NAME REGEX
	check "$1: named" answers "^usage 1 .*: .*$2" usage
	check "$1: the driver's references do not prove the contrary" eval '[[ $said != *proved* ]]'
}

held() { # NAME REGEX: the device is used, and the claim is refused
	used "$1" "$2"
	check "$1: cannot be claimed" answers '^claim: /dev/nbd0 is in use' claim 3000
}

unused() { # NAME
	check "$1 has ended: unused, as the driver's references prove" answers '^usage 0 .*proved' usage
}

modprobe -a ext4 dm_mod loop || true
mkfs.ext4 -q /dev/nbd0
mount /dev/nbd0 "$mnt"
held "a mount" "/dev/nbd0 is mounted on \"$mnt\""
start unshare -m sleep 60
wait_for 5 eval '[[ $(readlink /proc/$pid/ns/mnt) != $(readlink /proc/self/ns/mnt) ]]'
other=$pid
used "a mount and its copy in another namespace" "mounted on \"$mnt\""
umount "$mnt"
held "a mount in another namespace only" "mount namespace of process $other"
kill "$other"
wait "$other"
unused "a mount"

mkswap /dev/nbd0 >/dev/null
swapon /dev/nbd0
held "swap" "/dev/nbd0 is used for swap"
swapoff /dev/nbd0
unused "swap"

dmsetup create held --noudevsync --noudevrules --table '0 2048 linear /dev/nbd0 0'
held "device mapper" "/dev/nbd0 is part of the device-mapper device held"
dmsetup remove --noudevsync held
unused "device mapper"

loop=$(losetup -f --show /dev/nbd0)
used "a loop device" "/dev/nbd0 is the backing device of $loop"
losetup -d "$loop"
check "a loop device: has ended" wait_for 5 eval '! losetup -a | grep -q nbd0'
unused "a loop device"

if command -v mkfs.btrfs >/dev/null && modprobe btrfs; then
	mkfs.btrfs -q -f /dev/nbd0
	mount /dev/nbd0 "$mnt"
	check "btrfs: named" answers '^usage 2 .*btrfs.*mounted on' usage
	umount "$mnt"
fi

exec 5</dev/nbd0
used "an open descriptor" "/dev/nbd0 is open in process $$ "
check "an open descriptor: can be claimed, but not alone" answers '^claim taken [0-9]' claim 3000
check "an open descriptor: released" answers '^release' release
exec 5<&-
start python3 -c 'import mmap, os, time
fd = os.open("/dev/nbd0", os.O_RDWR)
m = mmap.mmap(fd, 4096)
os.close(fd)
open("'"$scratch"'/mapped", "w")
time.sleep(60)'
wait_for 20 test -e "$scratch/mapped"
used "a mapping" "open in process $pid .*python3"
kill "$pid"
wait "$pid"
unused "a mapping"

sfdisk=$(command -v sfdisk || echo /sbin/sfdisk)
dd if=/dev/zero of=/dev/nbd0 bs=1M count=1 conv=fsync status=none
if [[ -x $sfdisk ]] && echo 2048,65536 | "$sfdisk" -q /dev/nbd0 >/dev/null 2>&1; then
	IFS=: read -r major minor </sys/block/nbd0/nbd0p1/dev
	[[ -e /dev/nbd0p1 ]] || mknod /dev/nbd0p1 b "$major" "$minor"
	mkfs.ext4 -q /dev/nbd0p1
	mount /dev/nbd0p1 "$mnt"
	held "a partition" "/dev/nbd0p1 is mounted on"
	umount "$mnt"
	exec 5</dev/nbd0p1
	used "an open partition" "/dev/nbd0p1 is open in process $$"
	check "an open partition: can be claimed, but not alone" answers '^claim taken [0-9]' claim 3000
	check "an open partition: released" answers '^release' release
	exec 5<&-
	unused "a partition"
else # without sfdisk there is no partition to use: only opens the device
	check "a partition" eval 'exec 5<>/dev/nbd0; exec 5<&-'
fi

start unshare -p -f --mount-proc sleep 60
check "processes in a child PID namespace are seen" answers '^usage 0 [0-9]' usage
kill "$pid"

# The claim
mkfs.ext4 -q -F /dev/nbd0
# Linux 5.10 counts several opens of a device as one.
alone=' alone'
[[ $(uname -r) != 5.10.* ]] || alone=''
check "a claim is known to be alone if the kernel counts opens" answers "^claim taken$alone [0-9]" \
	claim 3000
check "a claim: prevents mounts" refuses mount /dev/nbd0 "$mnt"
check "a claim: is released" answers '^release' release
check "a released claim: mounts work" wait_for 3 mount /dev/nbd0 "$mnt"
umount "$mnt"
flushes=$(grep -c ' Flush id=' "$scratch/log.a")
dd if=/dev/urandom of=/dev/nbd0 bs=1M count=4 status=none
check "a claim: flushes" answers '^claim taken' claim 5000
check "a claim: FLUSH reached the server" eval '(($(grep -c " Flush id=" "$scratch/log.a") > flushes))'
check "a claim does not stop a detach" within 2000 detach
check "a claim keeps the device" answers '^free no' free 100
answers '^release' release >/dev/null
check "a released claim frees the device" answers '^free yes' free 2000
ended

server "$b" --filter=log memory 16M logfile="$scratch/log.b"
check "a stopped server" attach_with nbd0 "$b"
kill -STOP "$server"
check "a stopped server: the claim blocks, the program does not" answers '^claim blocked' claim 500
check "a stopped server: the search for users works" answers '^usage 0 ' usage
check "a stopped server: the claim is released" answers '^release' release
kill -CONT "$server"
check "the server goes on: the claim's process ends" \
	wait_for 5 eval '! grep -qs nbd-claim /proc/[0-9]*/comm'
check "the server goes on: a claim succeeds" answers '^claim taken' claim 5000
check "the server goes on: the claim is released" answers '^release' release
check "no process is left" wait_for 5 eval '! grep -qs nbd-claim /proc/[0-9]*/comm'
kill -STOP "$server"
check "stopped again: the claim blocks" answers '^claim blocked' claim 500
check "stopped again: the sockets are shut down" answers '^shut' shut
check "stopped again: detaches" within 3000 detach
answers '^release' release >/dev/null
check "stopped again: free" answers '^free yes' free 3000
check "stopped again: no process is left" wait_for 5 eval '! grep -qs nbd-claim /proc/[0-9]*/comm'
ended
kill -KILL "$server"
rm -f "$b"

server "$b" memory 16M
check "a killed client" attach_with nbd0 "$b"
check "a killed client: has claimed" answers '^claim taken' claim 3000
kill -KILL "$tryer"
ended
check "a killed client: its claim ends with it" wait_for 5 eval '! grep -qs nbd-claim /proc/[0-9]*/comm'
check "no oops" eval '! dmesg | grep -E "BUG|Oops|WARNING|hung_task|blocked for more"'
exec 2>/dev/null # hides bash's message for every server that tidy_up() ends
finish
