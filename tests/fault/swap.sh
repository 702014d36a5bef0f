#!/bin/bash
# SPDX-License-Identifier: MIT
# Swap on the device: a process whose memory is swapped out survives a restart of the server. The
# server is on the same machine, so its memory must not need the swap: the server is locked, the
# image is in ramfs, and only one control group is short of memory.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 400 "$@"
begin 15
# shellcheck source=tests/fault/lib.bash
. "$top/tests/fault/lib.bash"

group=/sys/fs/cgroup/hog

rounds() { # more than N rounds are complete
	(($(sed -n 's/^rounds \([0-9]*\).*/\1/p' "$scratch/hog" | tail -n 1) > $1))
}

# At least two more rounds complete, so one of them begins after now. A round of an emulated machine with
# other work takes 25 s.
goes_on() {
	local n
	n=$(grep -c ^rounds "$scratch/hog")
	wait_for 150 rounds $((n + 1))
}

mkdir -p "$scratch/ram"
mount -t ramfs ramfs "$scratch/ram"
image=$scratch/ram/image
truncate -s 256M "$image"
mountpoint -q /sys/fs/cgroup || mount -t cgroup2 cgroup2 /sys/fs/cgroup
echo +memory >/sys/fs/cgroup/cgroup.subtree_control
mkdir -p "$group"
echo 48M >"$group/memory.max"

serve nbdkit 10809 --swap
check "swap: attaches" attach --swap
check "swap: mkswap" mkswap "/dev/$device"
check "swap: swapon" swapon "/dev/$device"
start eval 'echo $BASHPID >"$group/cgroup.procs"; exec "$fault" hog 128 >"$scratch/hog" 2>&1'
hog=$pid
check "swap: is in use" goes_on
check "swap: pages were written to it" \
	eval '(($(awk "\$1 == \"pswpout\" {print \$2}" /proc/vmstat) > 5000))'
check "swap: killed, and back after 3 s" outage 3
check "swap: attached again" healed
check "swap: the process goes on" goes_on
check "swap: killed, and back after 3 s again" outage 3
check "swap: attached again" healed
check "swap: the process goes on again" goes_on
kill -TERM "$hog"
check "swap: the process ends" wait_for 60 gone "$hog"
check "swap: nothing was lost" is "$(tail -n 1 "$scratch/hog" | sed 's/.* wrong/wrong/')" 'wrong 0'
check "swap: swapoff" timeout 60 swapoff "/dev/$device"
check "swap: detaches" release
umount "$scratch/ram"
finish
