#!/bin/bash
# SPDX-License-Identifier: MIT
# The load itself: it must find every error that it looks for, or the other scripts prove nothing.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 300 "${@:1}"
begin 32
# shellcheck source=tests/fault/lib.bash
. "$top/tests/fault/lib.bash"

sock=$scratch/sock

finds() { # WHAT COMMAND...: its output names the error, and its status reports it
	local what=$1 status
	shift
	"$@" >"$scratch/finds"
	status=$?
	cat "$scratch/finds"
	((status == 1)) && grep -qE "$what" "$scratch/finds"
}

attach_plain() { # without a supervisor: this is about the load
	timeout 20 nbd-client -unix "$sock" -N disk "/dev/$device" -timeout 30
}

# Copies a confirmed block of the image with dd.
block() { # dd-ARGUMENT...
	dd bs=4096 count=1 status=none conv=notrunc "$@"
}

rewritten() { # sets $hot to one of the hot blocks (see load.c) that was written at least twice
	hot=50
	"$fault" verify "$scratch/load/ledger" "$image"
}

new_image
serve nbdkit "$sock"
check "an honest server: attaches" attach_plain
check "an honest server: load" load
pause 1
cp "$image" "$scratch/earlier"
pause 2
check "an honest server: nothing failed" load_ended
check "an honest server: nothing lost, on the device and in the image" verified
check "an honest server: at least 100 requests" eval '(($(stat -c %s "$scratch/load/log") > 3200))'

flip() { # flips all bits of a byte of the block
	local byte
	byte=$(dd if="$image" bs=1 skip=$((hot * 4096 + 2000)) count=1 status=none | od -An -tu1)
	# shellcheck disable=SC2059 # the byte is the format
	printf "\\x$(printf %02x $((byte ^ 255)))" |
		dd of="$image" bs=1 seek=$((hot * 4096 + 2000)) conv=notrunc status=none
}

# Each error is put into the image, and then removed again
check "every block is compared" rewritten
cp "$image" "$scratch/right"
block if=/dev/zero of="$image" seek="$hot"
check "a lost write is found in the image" finds 'lost [1-9]' verified
cp "$scratch/right" "$image"
block if="$scratch/earlier" of="$image" skip="$hot" seek="$hot"
check "a stale write is found in the image" finds 'stale [1-9]' verified
cp "$scratch/right" "$image"
block if="$image" of="$image" skip="$hot" seek=$((hot + 1))
check "a misplaced write is found in the image" finds 'foreign [1-9]' verified
cp "$scratch/right" "$image"
flip
check "one wrong byte is found in the image" finds 'torn [1-9]' verified
cp "$scratch/right" "$image"
flip
check "one wrong byte is found through the device" \
	finds 'torn [1-9]' "$fault" verify "$scratch/load/ledger" "/dev/$device"
cp "$scratch/right" "$image"
check "without the errors, everything verifies" verified

# While the load runs, its own reads must notice
check "a block with an old content: load" load -q 4
pause 1
block if="$image" of="$scratch/old" skip="$hot"
for ((i = 0; i < 40; i++)); do
	block if="$scratch/old" of="$image" seek="$hot"
	pause 0.05
done
check "a block with an old content is found by reading" finds 'wrong [1-9]' load_ended
release >/dev/null

# A server that loses confirmed writes
new_image
serve nbdkit "$sock" --filter=cow
check "a server that drops writes: attaches" attach_plain
check "a server that drops writes: load" load
pause 2
load_ended >/dev/null
check "a server that drops writes is found in the image" finds 'lost [1-9]' verified
release >/dev/null

# A server that loses confirmed writes at a restart, like one with a cache whose host reboots
new_image
serve nbdkit "$sock" --filter=cow
attach_plain >/dev/null 2>&1
check "a server that forgets: load" load
pause 2
load_ended >/dev/null
release >/dev/null
serve nbdkit "$sock"
attach_plain >/dev/null 2>&1
check "a server that forgets is found through the device" finds 'lost [1-9]' \
	"$fault" verify "$scratch/load/ledger" "/dev/$device"
release >/dev/null

# A server that refuses some writes
new_image
serve nbdkit "$sock" --filter=error error-pwrite-rate=2%
attach_plain >/dev/null 2>&1
check "a server that refuses: load" load
pause 2
check "a refused write is counted" finds 'failed [1-9]' load_ended
check "a refused write is in the log" finds 'failed [1-9]' "$fault" times "$scratch/load/log"
release >/dev/null

# The load reports a pause and its length
new_image
serve nbdkit "$sock"
attach_plain >/dev/null 2>&1
check "a stopped server: load" load
pause 1
stop_server
pause 2
cont_server
pause 1
check "a stopped server: nothing failed" load_ended
check "a stopped server: the pause is seen" \
	eval 'figures && (($(figure pause_ms) >= 1900 && $(figure pause_ms) < 4000))'
check "a stopped server: the requests in flight are seen" \
	eval 'figures && (($(figure inflight) > 0)) && [[ $(figure inflight_ms) != -1* ]]'
release >/dev/null

# Files
new_image
serve nbdkit "$sock"
attach_plain >/dev/null 2>&1
check "files: load" files_load
pause 3
check "files: nothing lost" files_unload
check "files: load" files_load
pause 2
sync
pause 1
kill -TERM "$filer" && wait "$filer"
umount "$scratch/mnt"
mount "/dev/$device" "$scratch/mnt"
block if=/dev/zero of="$scratch/mnt/records-1" seek=3
check "files: a lost record is found" \
	finds 'lost [1-9]' "$fault" verify-files "$scratch/files/ledger" "$scratch/mnt"
umount "$scratch/mnt"
release >/dev/null

# fio, too
new_image
serve nbdkit "$sock"
attach_plain >/dev/null 2>&1
fio_load 16 400 4
check "fio: an honest server" fio_ended
release >/dev/null
serve nbdkit "$sock" --filter=error error-pwrite-rate=2%
attach_plain >/dev/null 2>&1
fio_load 16 400 4
check "fio: a refused write is found" refuses fio_ended
release >/dev/null
finish
