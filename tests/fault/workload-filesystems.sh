#!/bin/bash
# SPDX-License-Identifier: MIT
# XFS and Btrfs on a server that dies every few seconds: files with fsync, then the file system's own
# check; Btrfs is scrubbed meanwhile.
# shellcheck source=tests/lib.sh disable=SC2154,SC2317 # check() calls functions
. "$(dirname "$0")/../lib.sh"
in_guest 420 "$@"
begin 31
# shellcheck source=tests/fault/lib.bash
. "$top/tests/fault/lib.bash"
# shellcheck source=tests/fault/workload.bash
. "$top/tests/fault/workload.bash"

mnt=$scratch/mnt
mkdir -p "$mnt" "$scratch/files"

writes_files() {
	rm -rf "$scratch/files/"*
	"$fault" files -j 2 "$mnt" "$scratch/files" >"$scratch/files/said" 2>&1 </dev/null &
	filer=$!
	started+=("$filer")
}

# Copies trees beside the files with fsync, so that directories and much data are written as well.
copies() { # SECONDS
	local until=$((SECONDS + $1)) n=0
	while ((SECONDS < until)); do
		rm -rf "$mnt/tree.$((n % 3))"
		cp -r "$top/src" "$mnt/tree.$((n++ % 3))" || return
		sync -f "$mnt" || return
	done
	diff -r "$top/src" "$mnt/tree.$(((n - 1) % 3))"
}

files_ended() {
	local status
	kill -TERM "$filer"
	wait_for 60 gone "$filer" || return
	wait "$filer"
	status=$?
	cat "$scratch/files/said"
	return "$status"
}

scrubs() {
	btrfs scrub start -B "$mnt" | tee "$scratch/scrub" && grep -q 'no errors found' "$scratch/scrub"
}

no_device_error() {
	btrfs device stats -c "$mnt"
}

file_system() { # NAME MIB CHECK... of the file system; ${make[@]} makes it
	local name=$1
	attach_image "$name" "$2" || return
	check "$name: mkfs" "${make[@]}" "/dev/$device"
	check "$name: mounts" mount -t "$name" "/dev/$device" "$mnt" || return
	dies_often
	writes_files
	check "$name: trees are copied" copies 25
	if [[ $name = btrfs ]]; then
		check "btrfs: a scrub while the server dies" scrubs
	fi
	survived "$name" 3
	check "$name: no write failed" files_ended
	if [[ $name = btrfs ]]; then
		check "btrfs: another scrub" scrubs
		check "btrfs: no error is counted" no_device_error
	fi
	check "$name: unmounts" umount "$mnt"
	check "$name: the file system's own check" "${@:3}" "/dev/$device"
	mount -t "$name" -o ro "/dev/$device" "$mnt"
	check "$name: every confirmed record is there" "$fault" verify-files "$scratch/files/ledger" "$mnt"
	umount "$mnt"
	ends_clean "$name"
}

make=(mkfs.xfs -q -f)
needs "xfs" 14 mkfs.xfs xfs_repair && file_system xfs 320 xfs_repair -n
make=(mkfs.btrfs -q -f)
needs "btrfs" 17 mkfs.btrfs btrfs && file_system btrfs 256 btrfs check --readonly
finish
