#!/bin/bash
# SPDX-License-Identifier: MIT
# The device gets the export's features: read-only, trim, sizes, block sizes, connections.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 300
begin 115

sock=$scratch/sock
log=$scratch/requests

serve() { # COMMAND..., with $sock as its Unix socket; ends the one before
	stop "${server:-}"
	rm -f "$sock"
	start_server "$sock" "$@"
	server=$pid
}

kit() { # ARGUMENT... of nbdkit
	serve nbdkit -f -U "$sock" "$@"
}

attach() { # NAME ATTACH-ARGUMENT...
	check "$1: attaches" expect_status 0 '' nbd_attach nbd0 -u "$sock" "${@:2}"
}

detach() {
	check "$1: detaches" nbd_attach --detach nbd0
}

at_most() { # NUMBER LIMIT
	echo "$1, at most $2"
	(($1 <= $2))
}

queue() { # NAME
	cat "/sys/block/nbd0/queue/$1"
}

write_block() { # DEVICE [DD-ARGUMENT...]
	dd if=/dev/urandom of="$1" bs=4k count=1 oflag=direct conv=notrunc "${@:2}"
}

warned() { # REGEX: the last attach, on standard error
	cat "$scratch/stderr"
	grep -qiE "$1" "$scratch/stderr"
}

# Read-only
is_read_only() { # NAME ATTACH-ARGUMENT...
	attach "$@"
	check "$1: is read-only" is "$(blockdev --getro /dev/nbd0)" 1
	check "$1: refuses to write" refuses write_block /dev/nbd0
	check "$1: can be read" dd if=/dev/nbd0 of=/dev/null bs=64k count=4 iflag=direct
	detach "$1"
}
truncate -s 4M "$scratch/disk"
serve qemu-nbd -t -k "$sock" -r -f raw "$scratch/disk"
is_read_only "qemu-nbd -r"
kit -r memory 4M
is_read_only "nbdkit -r"
kit memory 4M
is_read_only "--read-only" --read-only
attach "read-write again"
check "read-write again: is not read-only" is "$(blockdev --getro /dev/nbd0)" 0
check "read-write again: can be written" write_block /dev/nbd0
detach "read-write again"

# Trim and zeroes
kit --filter=log memory 16M logfile="$log"
attach "trim"
check "trim: blkdiscard" blkdiscard -o 1M -l 4M /dev/nbd0
check "trim: reaches the server" grep -q 'Trim .*offset=0x100000 .*count=0x' "$log"
write_block /dev/nbd0 status=none
check "zeroes: blkdiscard -z" blkdiscard -z -l 1M /dev/nbd0
check "zeroes: are read back" cmp -n 1048576 /dev/nbd0 /dev/zero
if kernel_is 6.12; then
	check "zeroes: reach the server as such" grep -q 'Zero .*offset=0x0 ' "$log"
else
	skip "zeroes: reach the server as such" "nbd.ko sends none before 6.12"
fi
detach "trim"
serve "$top/tests/interop/minimal.py" "$sock" "$scratch/minimal" $((4 << 20))
attach "a server without trim"
check "a server without trim: no write-zeroes left over" is "$(queue write_zeroes_max_bytes)" 0
check "a server without trim: blkdiscard is refused" refuses blkdiscard /dev/nbd0
detach "a server without trim"

# Flush
kit --filter=log memory 16M logfile="$log"
attach "flush"
check "flush: fsync" dd if=/dev/urandom of=/dev/nbd0 bs=4k count=4 conv=fsync
check "flush: reaches the server" grep -q ' Flush ' "$log"
detach "flush"

# No flush: fsync succeeds although the server gets no request, and the user is warned
cat >"$scratch/noflush.sh" <<EOF
case \$1 in
get_size) echo 16M ;;
pread) head -c "\$3" /dev/zero ;;
pwrite) cat >/dev/null ;;
can_write | flush) ;;
can_flush) [ -e "$scratch/flushes" ] || exit 3 ;;
*) exit 2 ;;
esac
EOF
chmod +x "$scratch/noflush.sh"
no_flush='support flush: fsync succeeds without telling the server'
plugin() {
	kit --filter=log sh "$scratch/noflush.sh" logfile="$log"
}
status_has_flush() { # COUNT
	nbd_attach -s nbd0 >"$scratch/status"
	cat "$scratch/status"
	is "$(grep -c '  flush  *none: fsync succeeds' "$scratch/status")" "$1"
}
plugin
attach "no flush"
check "no flush: attach warns" warned "nbd0: .*$no_flush"
check "no flush: the kernel sends none" is "$(queue write_cache)" "write through"
check "no flush: --status" status_has_flush 1
check "no flush: --status --json" status_is nbd0 flush False
check "no flush: in the state file" grep -x FLUSH=no /run/nbd-attach/nbd0.state
check "no flush: --info" eval 'nbd_attach -I -u "$sock" | grep -E "^no flush +fsync succeeds"'
kill_now "$(supervisor nbd0)"
check "no flush: without a supervisor" eval 'wait_for 5 no_supervisor nbd0; status_has_flush 1'
rm -f /run/nbd-attach/nbd0.state
if kernel_is 5.14; then
	attach "no flush, taken over"
	check "no flush, taken over: attach warns" warned "nbd0: .*$no_flush"
	check "no flush, taken over: --status --json" status_is nbd0 flush False
else
	skip "no flush, taken over" "a device is not taken over before 5.14" 3
fi
detach "no flush, taken over"
attach "no flush, read-only" --read-only
check "no flush, read-only: no warning" eval '! warned "flush"'
check "no flush, read-only: --status" status_has_flush 0
detach "no flush, read-only"
in_foreground() { # ATTACH-ARGUMENT...; sets $foreground
	"${nbd_attach[@]}" -n nbd0 -u "$sock" "$@" >"$scratch/log.foreground" 2>&1 </dev/null &
	foreground=$!
	started+=("$foreground")
}
healed() { # COUNT: so many connections were replaced
	status_is nbd0 reconnects "$1" && status_is nbd0 state attached
}
in_foreground --accept features
check "a flush after an outage: attaches" wait_for 10 status_is nbd0 state attached
touch "$scratch/flushes"
plugin
check "a flush after an outage: heals" wait_for 10 healed 1
check "a flush after an outage: still none is sent" status_is nbd0 flush False
check "a flush after an outage: is told" grep 'nbd0: .* supports flush now, .* attach it again' \
	"$scratch/log.foreground"
detach "another flush"
wait_for 5 gone "$foreground"
in_foreground --accept features
check "a flush: attaches" wait_for 10 status_is nbd0 state attached
check "a flush: --status --json" status_is nbd0 flush True
check "a flush: --status" status_has_flush 0
check "a flush: --info" eval '! nbd_attach -I -u "$sock" | grep "^no flush"'
rm "$scratch/flushes"
plugin
check "a flush lost in an outage: heals" wait_for 10 healed 1
check "a flush lost in an outage: is warned of" grep 'nbd0: .* does not support flush, .* fsync may fail' \
	"$scratch/log.foreground"
check "a flush: detaches" nbd_attach --detach --force nbd0 # what is not flushed is lost
wait_for 5 gone "$foreground"

# Sizes
kit memory 41473
attach "41473 bytes"
check "41473 bytes: 81 sectors" is "$(cat /sys/block/nbd0/size)" 81
check "41473 bytes: a warning says so" warned 'warning|round|1 byte|last'
detach "41473 bytes"
attach "41473 bytes, --block-size 4096" --block-size 4096
check "41473 bytes, --block-size 4096: ten blocks" is "$(blockdev --getsize64 /dev/nbd0)" 40960
check "41473 bytes, --block-size 4096: logical" is "$(queue logical_block_size)" 4096
check "41473 bytes, --block-size 4096: the last can be read" \
	dd if=/dev/nbd0 of=/dev/null bs=4k skip=9 count=1 iflag=direct
detach "41473 bytes, --block-size 4096"
kit memory 3T
attach "3 TiB"
check "3 TiB: its size" is "$(blockdev --getsize64 /dev/nbd0)" $((3 << 40))
check "3 TiB: writes and verifies near the end" \
	writes_and_verifies /dev/nbd0 1M --offset=$(((3 << 40) - (1 << 20)))
dd if=/dev/urandom of="$scratch/block" bs=4k count=1 status=none
check "3 TiB: the last block" dd if="$scratch/block" of=/dev/nbd0 bs=4k oflag=direct \
	seek=$(((3 << 28) - 1))
blockdev --flushbufs /dev/nbd0
check "3 TiB: the last block has the data" cmp -i $(((3 << 40) - 4096)):0 /dev/nbd0 "$scratch/block"
check "3 TiB: the block 2 TiB before it does not" \
	cmp -n 4096 -i $(((1 << 40) - 4096)):0 /dev/nbd0 /dev/zero
detach "3 TiB"

# Block sizes
kit memory 4M --filter=blocksize-policy blocksize-minimum=4096 blocksize-error-policy=error
attach "minimum 4096"
check "minimum 4096: logical" is "$(queue logical_block_size)" 4096
check "minimum 4096: writes and verifies" writes_and_verifies /dev/nbd0
detach "minimum 4096"
check "minimum 4096: --block-size 512 is refused" expect_status 5 4096 \
	nbd_attach nbd0 -u "$sock" --block-size 512
kit memory 4M --filter=blocksize-policy blocksize-maximum=65536 blocksize-error-policy=error
attach "maximum 64 KiB"
check "maximum 64 KiB: no larger requests" at_most "$(queue max_sectors_kb)" 64
check "maximum 64 KiB: a large write is split" \
	dd if=/dev/urandom of=/dev/nbd0 bs=1M count=2 oflag=direct
detach "maximum 64 KiB"
kit memory 4M
attach "no maximum"
check "no maximum: the old limit is gone" refuses at_most "$(queue max_sectors_kb)" 64
check "no maximum: the driver's own limit" is "$(queue max_sectors_kb)" 128
kernel_is 6.12 || check "read-ahead suits a network" is "$(queue read_ahead_kb)" 512
detach "no maximum"
check "without nbd-attach, io_timeout is the driver's" is "$(queue io_timeout)" 30000
check "without nbd-attach, read-ahead is the kernel's" at_most "$(queue read_ahead_kb)" 256
kit memory 4M --filter=blocksize-policy blocksize-maximum=32M blocksize-error-policy=error
attach "maximum 32 MiB"
if ! kernel_is 6.12; then
	check "maximum 32 MiB: requests of 1 MiB" is "$(queue max_sectors_kb)" 1024
fi
check "maximum 32 MiB: writes and verifies" writes_and_verifies /dev/nbd0
detach "maximum 32 MiB"
check "maximum 32 MiB: the next user has the usual limit" is "$(queue max_sectors_kb)" 128

# Connections
kit memory 8M
attach "-C 4" -C 4
check "-C 4: four connections" status_is nbd0 connections 4
check "-C 4: all are alive" status_is nbd0 connections-alive 4
check "-C 4: writes and verifies" writes_and_verifies /dev/nbd0 1M --numjobs=2 --offset_increment=1M
detach "-C 4"
kit memory 8M --filter=multi-conn multi-conn-mode=disable
attach "-C 4, the server allows one" -C 4
check "-C 4, the server allows one: a warning" warned 'connection'
check "-C 4, the server allows one: one connection" status_is nbd0 connections 1
check "-C 4, the server allows one: works" writes_and_verifies /dev/nbd0
detach "-C 4, the server allows one"

# Backends
kit memory 4M
attach "ioctl" --backend ioctl
check "ioctl: --status says so" status_is nbd0 backend ioctl
check "ioctl: writes and verifies" writes_and_verifies /dev/nbd0
check "ioctl: --check" nbd_attach --check nbd0
detach "ioctl"
check "ioctl: nbd0 is free" detached nbd0
attach "netlink" --backend=netlink
check "netlink: --status says so" status_is nbd0 backend netlink
if kernel_is 5.14; then
	check "netlink: the identifier is the URI" \
		grep -q '^nbd+unix:///?socket=' /sys/block/nbd0/backend
else
	skip "netlink: the identifier is the URI" "the kernel has no identifiers before 5.14"
fi
detach "netlink"

# From 6.4 on the driver's netlink interface also exists in other network namespaces.
elsewhere() { # ARGUMENT...
	timeout -k 2 20 unshare -n "${nbd_attach[@]}" "$@"
}
if kernel_is 6.4; then
	check "another network namespace: attaches" elsewhere nbd0 -u "$sock"
	check "another network namespace: by netlink" status_is nbd0 backend netlink
	skip "no netlink: auto is refused" "from 6.4 on netlink is in every network namespace"
else
	check "another network namespace: netlink is missing" expect_status 6 'network namespace' \
		elsewhere nbd0 -u "$sock" --backend netlink
	check "no netlink: auto is refused" expect_status 6 'only in the first network namespace' \
		elsewhere nbd0 -u "$sock"
	check "no netlink: ioctl by request" expect_status 0 '' elsewhere nbd0 -u "$sock" --backend ioctl
	check "no netlink: warns" grep -q 'using ioctl' "$scratch/stderr"
	check "no netlink: --status says so" status_is nbd0 backend ioctl
fi
check "another network namespace: writes and verifies" writes_and_verifies /dev/nbd0
detach "another network namespace"

# A device that the kernel chooses. The pipe ends only if the supervisor holds no end of it.
piped() { # FILE COMMAND...
	timeout 20 "${@:2}" | cat >"$1"
	return "${PIPESTATUS[0]}"
}
check "auto: attaches" piped "$scratch/auto" \
	"${nbd_attach[@]}" auto -u "$sock" --identifier a --read-only
check "auto: prints the device" grep -qx '/dev/nbd[0-9][0-9]*' "$scratch/auto"
check "auto: the device is attached" nbd_attach --check "$(cat "$scratch/auto")"
check "auto: attaches a second time" \
	expect_status 0 '' nbd_attach auto -u "$sock" --identifier a --read-only
check "auto: the second device is another one" refuses cmp "$scratch/auto" "$scratch/stdout"
cp "$scratch/stdout" "$scratch/another"
check "auto: detaches" nbd_attach --detach "$(cat "$scratch/auto")"
check "auto: detaches the other" nbd_attach --detach "$(cat "$scratch/another")"

stop "$server"
finish
