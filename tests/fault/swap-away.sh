#!/bin/bash
# SPDX-License-Identifier: MIT
# Swap on the device, in use, and little memory left in the whole machine: while the server is
# away, 100 connections fail, each of which uses up a worker, and then the device heals. Nothing of
# nbd-attach may wait for memory that waits for the device. Only the memory of one process is
# swapped out: the server is in the same machine, and so is this script.
# shellcheck source=tests/lib.sh disable=SC2016,SC2034,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 300 "$@"
begin 16
# shellcheck source=tests/fault/lib.bash
. "$top/tests/fault/lib.bash"

ram=$scratch/ram
port=10809

memory() { # KEY: KiB, as /proc/meminfo has it
	awk -v key="$1:" '$1 == key {print $2}' /proc/meminfo
}

# Files in memory that cannot be swapped out, until LEFT MiB are left for everything else.
fill_memory() { # LEFT
	local more=$(($(memory MemAvailable) / 1024 - $1))
	timeout 60 dd if=/dev/zero of="$ram/ballast" bs=1M count="$more" status=none
}

rounds() { # of the process whose memory is swapped: at least N
	(($(grep -c ^rounds "$scratch/hog") >= $1))
}
goes_on() {
	wait_for 90 rounds $(($(grep -c ^rounds "$scratch/hog") + 2))
}

group=/sys/fs/cgroup
mountpoint -q $group || mount -t cgroup2 cgroup2 $group
echo +memory >$group/cgroup.subtree_control
mkdir -p $group/hog $group/rest
echo 48M >$group/hog/memory.max
echo 0 >$group/rest/memory.swap.max
echo $$ >$group/rest/cgroup.procs

mkdir -p "$ram"
mount -t ramfs ramfs "$ram"
image=$ram/image
truncate -s 256M "$image"
serve nbdkit "$port" --swap
check "swap: attaches" attach --swap
held=$(supervisor "$device")
check "swap: mkswap" mkswap "/dev/$device"
check "swap: swapon" swapon "/dev/$device"
start refuser 10999 # its program is in memory then
kill_now "$pid"
start eval 'echo $BASHPID >$group/hog/cgroup.procs; exec "$fault" hog 128 >"$scratch/hog" 2>&1'
hog=$pid
check "swap: in use" goes_on
check "swap: really" eval '(($(awk "\$1 == \"pswpout\" {print \$2}" /proc/vmstat) > 5000))'

crash
start refuser "$port"
away=$pid
check "swap: memory is short" fill_memory 64
check "swap: 100 connections fail" wait_for 120 refused 100
kill_now "$away"
rm "$ram/ballast" # a server in the same machine could not start: it would wait for the swap
back() {
	serve_again || wait_for 20 listening "$port"
}
check "swap: the server again" back
check "swap: heals" healed
check "swap: by the same supervisor" is "$(supervisor "$device")" "$held"
check "swap: it goes on" goes_on
kill -TERM "$hog"
check "swap: the process in it ends" wait_for 60 gone "$hog"
check "swap: nothing was lost" is "$(tail -n 1 "$scratch/hog" | sed 's/.* wrong/wrong/')" 'wrong 0'
check "swap: nothing failed" eval '! dmesg | grep -i "I/O error\|Read-error on swap"'
check "swap: swapoff" timeout 60 swapoff "/dev/$device"
check "swap: detaches" release
umount "$ram"
finish
