#!/bin/bash
# SPDX-License-Identifier: MIT
# --fail-now: many programs wait for a server that does not come back, and an administrator gives up.
# Their I/O fails at once, the file system can be unmounted, and the device works again when the server
# is back.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 240 "$@"
begin 24
# shellcheck source=tests/fault/lib.bash
. "$top/tests/fault/lib.bash"

waiting=() # process IDs

wait_for_device() { # COMMAND...: it waits for the device, and ends when that fails
	"$@" >"$scratch/waiting" 2>&1 </dev/null 8>&- 9>&- &
	waiting+=($!)
	started+=($!)
}

in_the_kernel() { # at least NUMBER of them wait there
	local p n=0
	for p in "${waiting[@]}"; do
		process_state "$p"
		[[ $process_state != D ]] || n=$((n + 1))
	done
	echo "$n of ${#waiting[@]} wait, wanted $1"
	((n >= $1))
}

all_gone() {
	local p
	for p in "${waiting[@]}"; do
		gone "$p" || return
	done
}

reports() { # REGEX
	nbd_attach --report "$device" >"$scratch/report"
	cat "$scratch/report"
	grep -qE -- "$1" "$scratch/report"
}

new_image
serve nbdkit 10809
check "attaches" attach
check "a file system" mkfs.ext4 -q -F "/dev/$device"
mkdir "$scratch/mnt"
check "mounts" mount "/dev/$device" "$scratch/mnt"
check "a file" dd if=/dev/zero of="$scratch/mnt/before" bs=4k count=4 conv=fsync
crash
check "the supervisor notices" wait_for 10 state_is lost
for ((i = 0; i < 100; i++)); do
	wait_for_device dd if="/dev/$device" of=/dev/null bs=4k count=1 skip="$i" iflag=direct
done
for ((i = 0; i < 100; i++)); do
	wait_for_device dd if=/dev/zero of="$scratch/mnt/file$i" bs=4k count=1 conv=fsync
done
check "they wait in the kernel" wait_for 30 in_the_kernel 150
check "none has failed" refuses all_gone
check "another device: is refused" expect_status 1 'is not attached' nbd_attach --fail-now nbd9
check "--fail-now" nbd_attach --fail-now "$device"
check "all of them end" wait_for 20 all_gone
check "the status says so" wait_for 5 state_is expired
check "new requests fail, too" refuses timeout 10 dd if="/dev/$device" of=/dev/null bs=4k count=1 \
	iflag=direct
check "--report: the kernel's lines" reports "^\[[0-9.]+\] .*$device"
check "--report: the states" grep -E 'UTC  (lost|expired)$' "$scratch/report"
check "--report: the kernel" grep -F "Linux $(uname -r)" "$scratch/report"
check "--report: its settings of the device" grep -E '^queue/io_timeout: [0-9]+$' "$scratch/report"
check "--report: no address" refuses grep -F 127.0.0.1 "$scratch/report"
check "the file system can be unmounted" timeout 30 umount "$scratch/mnt"
check "serves again" serve_again
check "heals" healed
check "the file system can be repaired" eval 'e2fsck -fy /dev/$device; (($? < 4))'
check "what was written before is there" eval \
	'mount /dev/$device "$scratch/mnt" && cmp -n 16384 "$scratch/mnt/before" /dev/zero'
check "unmounts" umount "$scratch/mnt"
check "detaches" release
finish
