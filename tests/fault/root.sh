#!/bin/bash
# SPDX-License-Identifier: MIT
# The root file system is on the device: the program and its libraries are on it, so no file can be
# read during an outage. The server is down while 100 connections fail, each of which uses up a
# worker; then the device heals. Workers are copies of a zygote, which has everything in memory.
# shellcheck source=tests/lib.sh disable=SC2013,SC2016,SC2034,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 200 "$@"
begin 17
# shellcheck source=tests/fault/lib.bash
. "$top/tests/fault/lib.bash"

root=/mnt # outside the scratch directory, which is always removed at the end
child=''
port=10809

# Copies the program and its libraries to the device.
move_in() {
	local file
	mkdir -p "$root"/{run,proc,sys,dev}
	cp "${nbd_attach[0]}" "$root/nbd-attach" || return
	for file in $(ldd "${nbd_attach[0]}" | grep -o '/[^ ]*'); do
		mkdir -p "$root${file%/*}" && cp "$file" "$root$file" || return
	done
	for file in run proc sys dev; do
		mount --bind "/$file" "$root/$file" || return
	done
	dd if=/dev/urandom of="$root/data" bs=1M count=4 status=none && sync
}

child_named() { # NAME; sets $child
	for child in $(cat "/proc/$held"/task/*/children); do
		[[ $(<"/proc/$child/comm") = "$1" ]] && return
	done
	false
}

score() { # PID NUMBER
	is "$(<"/proc/$1/oom_score_adj")" "$2"
}

mkdir -p "$scratch/ram"
mount -t ramfs ramfs "$scratch/ram"
image=$scratch/ram/image
truncate -s 64M "$image"
serve nbdkit "$port" --swap
check "root: attaches" attach
mkfs.ext4 -q "/dev/$device"
check "root: mounts" mount "/dev/$device" "$root"
check "root: the program is copied to it" move_in
digest=$(md5sum <"$root/data")
held=$(supervisor "$device")
kill_now "$held"
wait_for 10 gone "$held"
check "root: the program on the device takes it over" \
	timeout 30 chroot "$root" /nbd-attach "$device" 127.0.0.1:$port disk
held=$(supervisor "$device")
check "root: the supervisor's root is the device" is "$(readlink "/proc/$held/root")" "$root"
check "root: a zygote runs" wait_for 10 child_named nbd-zygote
check "root: the OOM killer spares the zygote" score "$child" -1000
check "root: a spare worker is ready" wait_for 10 child_named nbd-handshake
check "root: the OOM killer treats the spare worker as ordinary" wait_for 10 score "$child" 0

sync
crash
start refuser "$port"
away=$pid
echo 3 >/proc/sys/vm/drop_caches
check "root: 100 connections fail" wait_for 120 refused 100
kill_now "$away"
back() { # starts the server, whose files were dropped from memory, too
	serve_again || wait_for 20 listening "$port"
}
check "root: the server is back" back
check "root: heals" healed
check "root: the supervisor is the same" is "$(supervisor "$device")" "$held"
# Reads from the device, as the page cache was dropped.
check "root: the files are intact" eval '[[ $(md5sum <"$root/data") = "$digest" ]]'
check "root: nothing failed" eval '! dmesg | grep -i "I/O error\|EXT4-fs error"'
kill_now "$held" # its root and its files in /run would keep the mounts busy
wait_for 10 gone "$held"
unmount() {
	umount "$root"/{run,proc,sys,dev} && wait_for 10 umount "$root"
}
check "root: unmounts" unmount
check "root: is detached" nbd_attach --detach "$device"
umount "$scratch/ram"
finish
