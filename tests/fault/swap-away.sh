#!/bin/bash
# SPDX-License-Identifier: MIT
# Swap on the device is in use, and the whole machine has little memory left. While the server is
# down, 100 connections fail, each of which uses up a worker; then the device heals. No process of
# nbd-attach may wait for memory that waits for the device. Only the memory of one process is
# swapped out, because the server and this script run on the same machine.
# shellcheck source=tests/lib.sh disable=SC2016,SC2034,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 500 "$@"
begin 16
# shellcheck source=tests/fault/lib.bash
. "$top/tests/fault/lib.bash"

ram=$scratch/ram
port=10809

memory() { # KEY of /proc/meminfo: prints its KiB
	awk -v key="$1:" '$1 == key {print $2}' /proc/meminfo
}

# Fills a ramfs, which cannot be swapped out, until LEFT MiB of memory are left.
fill_memory() { # LEFT
	local more=$(($(memory MemAvailable) / 1024 - $1))
	timeout 60 dd if=/dev/zero of="$ram/ballast" bs=1M count="$more" status=none
}

rounds() { # at least N rounds of the process whose memory is swapped
	(($(grep -c ^rounds "$scratch/hog") >= $1))
}
goes_on() {
	wait_for 150 rounds $(($(grep -c ^rounds "$scratch/hog") + 2))
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
start refuser 10999 # loads its program into memory
kill_now "$pid"
start eval 'echo $BASHPID >$group/hog/cgroup.procs; exec "$fault" hog 128 >"$scratch/hog" 2>&1'
hog=$pid
check "swap: is in use" goes_on
check "swap: pages were written to it" \
	eval '(($(awk "\$1 == \"pswpout\" {print \$2}" /proc/vmstat) > 5000))'

crash
start refuser "$port"
away=$pid
check "swap: memory is short" fill_memory 64
check "swap: 100 connections fail" wait_for 120 refused 100
kill_now "$away"
rm "$ram/ballast" # otherwise the server on this machine could not start: it would wait for the swap
back() {
	serve_again || wait_for 20 listening "$port"
}
check "swap: the server is back" back
check "swap: heals" healed
check "swap: the supervisor is the same" is "$(supervisor "$device")" "$held"
check "swap: the process goes on" goes_on
kill -TERM "$hog"
check "swap: the process ends" wait_for 60 gone "$hog"
check "swap: nothing was lost" is "$(tail -n 1 "$scratch/hog" | sed 's/.* wrong/wrong/')" 'wrong 0'
check "swap: nothing failed" eval '! dmesg | grep -i "I/O error\|Read-error on swap"'
check "swap: swapoff" timeout 60 swapoff "/dev/$device"
check "swap: detaches" release
umount "$ram"
finish
