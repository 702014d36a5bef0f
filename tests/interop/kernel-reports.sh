#!/bin/bash
# SPDX-License-Identifier: MIT
# Faults of nbd.ko that others have reported, each tried on this kernel: a size of 0 right after the
# attachment (6.9 and 6.10), NBD_CLEAR_SOCK from another program (a warning of 7.1), an open during
# the attachment (2023), and the removal of the module during the attachment (2022).
# Only with -k: it is about the kernels, and takes a minute.
# shellcheck source=tests/lib.sh disable=SC2016,SC2034,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
built kernel-try
in_guest 300
begin 50
# shellcheck source=tests/interop/kernel-lib.bash
. "$top/tests/interop/kernel-lib.bash"
a=$scratch/a b=$scratch/b

echo "# kernel $(uname -r)"
server "$a" memory 16M
server "$b" memory 48M
large=$server

no_oops() {
	! dmesg | grep -E "BUG|Oops|WARNING|Call Trace|refcount|duplicate filename|hung_task|blocked for more"
}

#
# The size, right after the attachment: new devices, used ones, other block sizes
#

# All that programs ask for, without a pause. Prints what is wrong.
whole() { # DEVICE BYTES
	local sectors bytes
	read -r sectors <"/sys/block/$1/size"
	bytes=$(blockdev --getsize64 "/dev/$1")
	((sectors * 512 == $2 && bytes == $2)) &&
		dd if="/dev/$1" of=/dev/null bs=4k count=1 skip=$(($2 / 4096 - 1)) iflag=direct status=none &&
		return
	echo "$1: $sectors sectors, $bytes bytes, and not $2"
	return 1
}

sizes() { # DEVICE BLOCK-SIZE...: attached in turn to the small and to the large server
	local device=$1 block address=$a bytes=$((16 << 20))
	for block in "${@:2}"; do
		attach_with -o "block=$block" "$device" "$address" && whole "$device" "$bytes" || return
		tell detach
		ended
		wait_for 5 detached "$device" || return
		if [[ $address = "$a" ]]; then
			address=$b bytes=$((48 << 20))
		else
			address=$a bytes=$((16 << 20))
		fi
	done
}

check "size: a device used again, with several block sizes" sizes nbd0 512 4096 512 1024 4096 512
for n in 100 101; do
	check "size: a device made on demand, nbd$n" sizes "nbd$n" 4096 512
done
check "size: a device that is just being removed" eval '
	attach_with -o dying=1 nbd5 "$a" && whole nbd5 $((16 << 20))'
tell detach >/dev/null && ended
check "size: the program says attached, and the device is as large as the export" eval '
	nbd_attach nbd0 -u "$b" && whole nbd0 $((48 << 20)) && nbd_attach --detach nbd0'
check "size: the kernel does not complain" no_oops

#
# NBD_CLEAR_SOCK from another program: the kernel drops the sockets, and forgets that the device is
# to stay attached: from then on, only a user or a live connection keeps it.
#

clear_sock() { # DEVICE
	timeout 20 python3 -c 'import fcntl, os, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDWR), 0xab04)' "/dev/$1"
}

healed() { # DEVICE OUTAGES
	status_is "$1" outages "$2" && status_is "$1" state attached
}

reads() { # DEVICE
	timeout 20 dd if="/dev/$1" of=/dev/null bs=64k count=4 iflag=direct status=none
}

head -c 2M /dev/urandom >"$scratch/data"
mkdir "$scratch/mnt"
check "clear, mounted: attaches" nbd_attach nbd0 -u "$b"
held=$(supervisor nbd0)
mkfs.ext4 -q /dev/nbd0
mount /dev/nbd0 "$scratch/mnt"
cp "$scratch/data" "$scratch/mnt/before"
sync -f "$scratch/mnt"
check "clear, mounted: another program clears the sockets" clear_sock nbd0
check "clear, mounted: heals" wait_for 20 healed nbd0 1
check "clear, mounted: by the same supervisor" is "$(supervisor nbd0)" "$held"
check "clear, mounted: the size stays" is "$(</sys/block/nbd0/size)" $((48 << 11))
# The first to read directly is told that ext4 could not write its journal meanwhile.
! kernel_is 6.6 || reads nbd0 2>/dev/null
check "clear, mounted: reads" reads nbd0
writes_a_file() {
	timeout 20 cp "$scratch/data" "$scratch/mnt/after" && timeout 20 sync -f "$scratch/mnt"
}
if kernel_is 6.6; then
	check "clear, mounted: the kernel has told ext4 that its disk is gone" refuses writes_a_file
else
	check "clear, mounted: a file is written" writes_a_file
fi
check "clear, mounted: unmounts" timeout 20 umount "$scratch/mnt"
check "clear, mounted: stays attached after its last user" whole nbd0 $((48 << 20))
e2fsck -fy /dev/nbd0 >"$scratch/fsck" 2>&1
check "clear, mounted: e2fsck corrects nothing but the journal" eval 'e2fsck -fn /dev/nbd0 && cat "$scratch/fsck" >&2'
mount /dev/nbd0 "$scratch/mnt"
check "clear, mounted: what was written to the disk is there" cmp "$scratch/data" "$scratch/mnt/before"
umount "$scratch/mnt"

exec 5</dev/nbd0
check "clear, open: another program clears the sockets" clear_sock nbd0
check "clear, open: heals" wait_for 20 healed nbd0 2
check "clear, open: the size stays" is "$(</sys/block/nbd0/size)" $((48 << 11))
check "clear, open: reads and writes" writes_and_verifies /dev/nbd0
check "clear, open: another export: refused" expect_status 3 'attached already' nbd_attach -q nbd0 -u "$a"
check "clear, open: a detach: refused" expect_status 3 "$$" nbd_attach --detach nbd0
exec 5<&-
check "clear, open: stays attached after its last user" whole nbd0 $((48 << 20))
check "clear, open: by the same supervisor" is "$(supervisor nbd0)" "$held"
if kernel_is 6.1; then
	kill_now "$large"
	check "clear, then an outage without a user: the device is free" wait_for 10 detached nbd0
	check "clear, then an outage without a user: the supervisor ends" wait_for 20 gone "$held"
	rm -f "$b"
	server "$b" memory 48M
else # 5.10 frees the device in a work item of the queue that it destroys then, and waits for itself.
	skip "clear, then an outage without a user" "the driver hangs, and with it every later command" 2
	nbd_attach -q --detach nbd0
fi

server "$scratch/slow" --filter=delay memory 16M delay-read=4
check "clear, in flight: attaches" nbd_attach nbd1 -u "$scratch/slow"
start reads nbd1
wait_for 10 grep -q '[1-9]' /sys/block/nbd1/inflight
check "clear, in flight: another program clears the sockets" clear_sock nbd1
check "clear, in flight: the request fails" refuses wait "$pid"
check "clear, in flight: the device is free" wait_for 10 detached nbd1

check "clear, no user: attaches" nbd_attach nbd0 -u "$a"
held=$(supervisor nbd0)
check "clear, no user: another program clears the sockets" clear_sock nbd0
check "clear, no user: the device is free" wait_for 10 detached nbd0
check "clear, no user: the supervisor ends" wait_for 20 gone "$held"
check "clear, no user: attaches again" eval 'nbd_attach nbd0 -u "$b" && whole nbd0 $((48 << 20)) &&
	nbd_attach --detach nbd0'
check "clear: the kernel does not complain" no_oops

# Disconnected while it is open: the kernel keeps its size until it is closed.
check "zombie: attaches" nbd_attach nbd0 -u "$b"
held=$(supervisor nbd0)
exec 5</dev/nbd0
nbd-client -d /dev/nbd0 >/dev/null 2>&1
check "zombie: the supervisor ends" wait_for 20 gone "$held"
check "zombie: another export: refused, and when it is free" expect_status 3 \
	'detached while it was in use, it is free when its last user closes it' nbd_attach -q nbd0 -u "$a"
check "zombie: --status answers" expect_status 0 '' nbd_attach --status
exec 5<&-
check "zombie: closed, it is free" wait_for 10 detached nbd0

#
# An open during the attachment
#

opens_all_the_time() { # DEVICE
	until [[ -e $scratch/enough ]]; do
		: <"/dev/$1"
	done 2>/dev/null
}

attaches_often() { # DEVICE COUNT: anything but attached and busy is wrong
	local n status attached=0 option=()
	for ((n = 0; n < $2; n++)); do
		"$try" "${option[@]}" "$1" "$a" >"$scratch/try" 2>&1 <<<detach
		status=$?
		((status == 0 || status == 3)) || { echo "${option[*]}: status $status" && cat "$scratch/try" && return 1; }
		((status)) || ((++attached))
		((n % 2)) && option=() || option=(-o dying=1)
	done
	echo "# $attached of $2 attached while it was opened" >"$scratch/attached"
}

start opens_all_the_time nbd2
opener=$pid
start opens_all_the_time nbd2
check "open: attached and detached while programs open the device" attaches_often nbd2 40
touch "$scratch/enough"
wait "$opener" "$pid"
cat "$scratch/attached"
wait_for 10 detached nbd2
check "open: attaches afterwards" attach_with nbd2 "$a"
tell detach >/dev/null && ended
check "open: the kernel does not complain" no_oops

#
# The removal of the module
#

check "module: attaches" nbd_attach nbd0 -u "$a"
check "module: cannot be removed while a device is attached" refuses rmmod nbd
check "module: the device works" writes_and_verifies /dev/nbd0
check "module: detaches" nbd_attach --detach nbd0

rm -f "$scratch/enough"
loads_and_unloads() {
	until [[ -e $scratch/enough ]]; do
		modprobe -r nbd
		modprobe nbd
	done >/dev/null 2>&1
}

comes_and_goes() { # SECONDS: the module may be missing at any moment, so any answer is right but a crash
	local until=$((SECONDS + $1)) status attached=0
	while ((SECONDS < until)); do
		timeout 20 "$try" nbd0 "$a" >"$scratch/try" 2>&1 <<<detach
		status=$?
		((status < 124)) || { echo "status $status" && cat "$scratch/try" && return 1; }
		((status)) || ((++attached))
	done
	echo "# attached $attached times while the module came and went" >"$scratch/attached"
}

start loads_and_unloads
loader=$pid
check "module: loaded and removed while a device is attached and detached" comes_and_goes 8
touch "$scratch/enough"
wait "$loader"
cat "$scratch/attached"
modprobe nbd
check "module: attaches afterwards" eval 'nbd_attach nbd0 -u "$a" && whole nbd0 $((16 << 20)) &&
	writes_and_verifies /dev/nbd0 && nbd_attach --detach nbd0'
check "module: the kernel does not complain" no_oops
exec 2>/dev/null # hides bash's message for every server that tidy_up() ends
finish
