#!/bin/bash
# SPDX-License-Identifier: MIT
# --detach refuses a device in use, names its users, and always ends in bounded time.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 300
begin 75

sock=$scratch/sock

kit() { # ARGUMENT... of nbdkit
	start_server "$sock" nbdkit -f -U "$sock" "$@"
	server=$pid
}

attach() { # NAME
	check "$1: attaches" nbd_attach nbd0 -u "$sock"
}

# A refused --detach must harm neither the user of the device nor the supervisor.
refused() { # NAME REGEX
	check "$1: refused" expect_status 3 "$2" nbd_attach --detach nbd0
	check "$1: still attached" nbd_attach --check nbd0
	check "$1: still supervised" status_is nbd0 state attached
}

freed() { # NAME
	check "$1: detaches" nbd_attach --detach nbd0
	check "$1: nbd0 is free" wait_for 2 detached nbd0
}

kit memory 32M
attach "mounted"
mkfs.ext4 -q /dev/nbd0
mkdir "$scratch/mnt"
mount /dev/nbd0 "$scratch/mnt"
refused "mounted" "mounted.*$scratch/mnt"
check "mounted: still works" eval 'echo data >"$scratch/mnt/file" && sync -f "$scratch/mnt/file"'
umount "$scratch/mnt"
refused_by_umounted=$(findmnt -n /dev/nbd0)
check "unmounted: nothing is mounted any more" is "$refused_by_umounted" ''
freed "unmounted"

attach "again"
mount -r /dev/nbd0 "$scratch/mnt"
check "again: the file is there" is "$(cat "$scratch/mnt/file")" data
check "--force, mounted: detaches" expect_status 0 '' nbd_attach --detach --force nbd0
check "--force, mounted: no connection is left" \
	refuses cat "$scratch/mnt/file" "$scratch/mnt/lost+found"
umount "$scratch/mnt"
check "--force, mounted: nbd0 is free after the last user" wait_for 5 detached nbd0
check "--force, mounted: no supervisor" wait_for 5 no_supervisor nbd0

attach "swap"
mkswap /dev/nbd0 >/dev/null
swapon /dev/nbd0
refused "swap" 'swap'
swapoff /dev/nbd0
modprobe dm_mod
dmsetup create held --noudevsync --noudevrules --table '0 2048 linear /dev/nbd0 0'
refused "device-mapper" 'held|dm-0'
dmsetup remove --noudevsync held
exec 5<>/dev/nbd0
refused "open" "$$"
exec 5>&-
freed "open no more"
attach "partition"
partition() { # an MBR with one entry: type 83, sectors 2048 to 6143
	{
		head -c 446 /dev/zero
		printf '\0\0\0\0\x83\0\0\0\0\x08\0\0\0\x10\0\0'
		head -c 48 /dev/zero
		printf '\x55\xaa'
	} | dd of=/dev/nbd0 bs=512 iflag=fullblock status=none
	blockdev --rereadpt /dev/nbd0
	test -e /sys/block/nbd0/nbd0p1
}
if check "partition: made" partition; then
	IFS=: read -r major minor </sys/block/nbd0/nbd0p1/dev
	[[ -e /dev/nbd0p1 ]] || mknod /dev/nbd0p1 b "$major" "$minor"
	mkfs.ext4 -q /dev/nbd0p1
	mount /dev/nbd0p1 "$scratch/mnt"
	refused "partition, mounted" "mounted.*$scratch/mnt"
	umount "$scratch/mnt"
fi
freed "partition"
check "not attached: says so" expect_status 0 'nbd0.*not attached' nbd_attach --detach nbd0
check "not attached: no such device" expect_status 2 nbd4711 nbd_attach --detach nbd4711

waits_for_io() { # a dispatched request counts as in flight
	grep -q '[1-9]' /sys/block/nbd0/inflight
}

# A server that does not answer: --detach is bounded, and discards data only with --force
attach "stopped server"
exec 5<>/dev/nbd0 # opening it reads, and would block later
kill -STOP "$server"
start dd if=/dev/zero of=/dev/nbd0 bs=4k count=16 conv=fsync
writer=$pid
wait_for 10 grep -q '[1-9]' /sys/block/nbd0/inflight
exec 5>&-
check "stopped server: --detach names the writer" \
	expect_status 3 "$writer" nbd_attach --detach nbd0
check "stopped server: --force ends it" expect_status 0 '' nbd_attach --detach --force nbd0
check "stopped server: the writer gets its error" refuses wait "$writer"
check "stopped server: nbd0 is free" wait_for 5 detached nbd0
check "stopped server: no supervisor" wait_for 5 no_supervisor nbd0
kill -CONT "$server"
attach "stopped server, nobody writes"
kill -STOP "$server"
check "stopped server, nobody writes: --detach waits for the flush, then refuses" \
	expect_status 4 'flush' nbd_attach --detach nbd0
check "stopped server, nobody writes: still attached" nbd_attach --check nbd0
kill -CONT "$server"
freed "stopped server, goes on"

# A process opens the device while it is being flushed, after the first search for users
kill_now "$server"
start_server "$scratch/slow" nbdkit -f -U "$scratch/slow" eval get_size='echo 4194304' \
	pread='head -c "$3" /dev/zero' pwrite='cat >/dev/null' can_flush='exit 0' \
	flush="touch '$scratch/flushing'; while test -e '$scratch/hold'; do sleep 0.1; done"
server=$pid
check "opened during the flush: attaches" nbd_attach nbd0 -u "$scratch/slow"
touch "$scratch/hold"
rm -f "$scratch/flushing"
refused_late() {
	start "${nbd_attach[@]}" --detach nbd0
	wait_for 10 test -e "$scratch/flushing" || return
	exec 5</dev/nbd0
	rm "$scratch/hold"
	wait "$pid"
	is "$?" 3 && grep "open in process $$ " "$scratch/log"
}
check "opened during the flush: refused" refused_late
check "opened during the flush: still attached" status_is nbd0 state attached
check "opened during the flush: still works" dd if=/dev/nbd0 of=/dev/null count=8 iflag=direct
exec 5<&-
freed "closed again"
kill_now "$server"
rm -f "$sock"
kit memory 32M

# A killed server
attach "killed server"
held=$(supervisor nbd0)
kill_now "$server"
check "killed server: the state says so" wait_for 10 status_is nbd0 state lost
check "killed server: the supervisor stays" running "$held"
freed "killed server"
check "killed server: the supervisor ends" wait_for 5 gone "$held"
rm -f "$sock"
kit memory 32M
check "killed server, dirty, --no-reconnect: attaches" nbd_attach nbd0 -u "$sock" --no-reconnect
exec 5>/dev/nbd0
head -c 65536 /dev/zero >&5
kill_now "$server"
check "killed server, dirty, --no-reconnect: the state says so" \
	wait_for 10 status_is nbd0 state expired
exec 5>&- # the last close writes the dirty pages, and the write fails
check "killed server, dirty, --no-reconnect: cannot be flushed" \
	expect_status 4 'cannot be flushed' nbd_attach --detach nbd0
check "killed server, dirty, --no-reconnect: --force detaches" nbd_attach --detach --force nbd0
check "killed server, dirty, --no-reconnect: nbd0 is free" wait_for 5 detached nbd0
rm -f "$sock"
kit memory 32M
attach "killed server, dirty"
start dd if=/dev/zero of=/dev/nbd0 bs=4k count=16 conv=fsync oflag=direct
writer=$pid
wait "$writer"
exec 5<>/dev/nbd0
kill_now "$server"
wait_for 10 status_is nbd0 state lost >/dev/null
start dd if=/dev/zero of=/dev/nbd0 bs=4k count=16 conv=fsync
writer=$pid
wait_for 10 waits_for_io
exec 5>&-
check "killed server, I/O waits: --detach refuses" \
	expect_status 3 'nbd0' nbd_attach --detach nbd0
began=$(date +%s%N)
check "killed server, I/O waits: --force ends it" expect_status 0 '' nbd_attach --detach --force nbd0
check "killed server, I/O waits: within 2 s" test $((($(date +%s%N) - began) / 1000000)) -lt 2000
check "killed server, I/O waits: the writer gets its error" refuses wait "$writer"
check "killed server, I/O waits: nbd0 is free" wait_for 5 detached nbd0
rm -f "$sock"
kit memory 32M
check "killed server, -C 2: attaches" nbd_attach nbd0 -u "$sock" -C 2
kill_now "$server"
check "killed server, -C 2: the state says so" wait_for 10 status_is nbd0 state lost
freed "killed server, -C 2"
rm -f "$sock"
kit memory 32M
check "killed server, ioctl: attaches" nbd_attach nbd0 -u "$sock" --backend ioctl
held=$(supervisor nbd0)
kill_now "$server"
check "killed server, ioctl: the supervisor ends" wait_for 10 gone "$held"
check "killed server, ioctl: nbd0 is free" wait_for 5 detached nbd0

finish
