#!/bin/bash
# SPDX-License-Identifier: MIT
# The program under the name nbd-client: its command line, its exit statuses, Debian's scripts that
# call it, and a RAID whose leg dies, compared with the real nbd-client.
# shellcheck source=tests/lib.sh disable=SC2016,SC2154,SC2317 # set by lib.sh; check() calls functions
. "$(dirname "$0")/../lib.sh"
in_guest 240
begin 45

theirs=$scratch/theirs/nbd-client
mkdir "$scratch/theirs"
cp -L /usr/sbin/nbd-client "$theirs"
ln -sf "$(readlink -f "${nbd_attach[0]}")" /usr/sbin/nbd-client
ours=/usr/sbin/nbd-client

serve() { # NUMBER: at port 1080N and at $scratch/N; sets $pid
	start_server "1080$1" nbdkit -f -i 127.0.0.1 -p "1080$1" memory 64M
}
client() {
	timeout -k 2 20 "$ours" "$@"
}
state_is() { # DEVICE STATE
	local value
	read_state "$1" STATE
	[[ $value = "$2" ]]
}
reads() { # DEVICE
	timeout 20 dd if="/dev/$1" of=/dev/null bs=4k count=1 iflag=direct
}
marked() { # DEVICE: the supervisor's name tells systemd not to kill it at shutdown
	[[ $(head -c 1 "/proc/$(supervisor "$1")/cmdline") = @ ]]
}

#
# The command line
#

serve 1
first=$pid
check "-c: not attached is 1" expect_status 1 '' client -c /dev/nbd0
check "-c: nothing is printed" is "$(cat "$scratch/stdout")" ''
check "-c: an unknown option is 2" expect_status 2 'no option' client -c /dev/nbd0 -nosuch
check "attaches: HOST PORT DEVICE" eval 'client 127.0.0.1 10801 /dev/nbd0 2>"$scratch/said"'
check "says how long I/O waits" grep -q 'gone for 30 seconds' "$scratch/said"
check "... and that it is attached, and nothing else" is "$(grep -c . "$scratch/said")" 2
check "it is attached" attached nbd0
check "the dead timeout is 30 s" grep -qx 'DEAD_TIMEOUT=30' /run/nbd-attach/nbd0.state
check "it is not marked for systemd" eval '! marked nbd0'
check "-c: attached is 0" expect_status 0 '' client -c /dev/nbd0
check "-c: prints the supervisor's process" is "$(cat "$scratch/stdout")" "$(supervisor nbd0)"
check "-c: a device without directory" client -c nbd0
check "a device in use: 1" expect_status 1 'attached already' client -p 127.0.0.1 10801 /dev/nbd0
kill_now "$first"
check "the outage is seen" wait_for 10 eval '! state_is nbd0 attached'
serve 1
first=$pid
check "it heals" reads nbd0
check "-d: detaches" expect_status 0 'detached' client -d /dev/nbd0
check "-d: it is detached" detached nbd0

check "a port where nobody listens: 1" expect_status 1 'refuses connections' \
	client -p 127.0.0.1 10809 /dev/nbd0
check "-preinit is refused with the reason" expect_status 1 '-preinit: .* handshake' \
	client -P -B 1048576 127.0.0.1 10801 /dev/nbd0
check "-size: another size is refused" expect_status 1 'holds 67108864 bytes' \
	client -p -size 1048576 127.0.0.1 10801 /dev/nbd0
check "-size: ... and nothing is attached" detached nbd0
check "-size: the right size" client -p -size 67108864 -timeout 20 127.0.0.1 10801 /dev/nbd0
check "-persist: I/O waits for 600 s" grep -qx 'DEAD_TIMEOUT=600' /run/nbd-attach/nbd0.state
check "-d: takes a device without directory" client -d nbd0
check "-readonly, -b, -m" client -p -R -b 4096 -m 127.0.0.1 10801 /dev/nbd0
check "-readonly: the kernel knows it" is "$(cat /sys/block/nbd0/ro)" 1
check "-block-size: the kernel knows it" is "$(cat /sys/block/nbd0/queue/logical_block_size)" 4096
check "-systemd-mark: the supervisor is marked" marked nbd0
check "-d: detaches a marked device" client -d /dev/nbd0
check "-l: the exports of a server" client -l 127.0.0.1 10801

#
# Debian's scripts. The second one runs in an initramfs.
#

printf 'nbd4 127.0.0.1 x port=10801,persist\n' >/etc/nbdtab
check "Debian's service connects what nbdtab names" /etc/init.d/nbd-client connect
check "nbdtab: it is attached" attached nbd4
check "Debian's service sees that it is connected" \
	eval '/etc/init.d/nbd-client connect | grep "nbd4 already connected"'
check "nbdtab: it is detached" client -d nbd4

mkdir -p /scripts
cat >/scripts/functions <<'END'
log_begin_msg() { echo "$@"; }
log_failure_msg() { echo "$@"; }
wait_for_udev() { :; }
configure_networking() { :; }
END
echo 'nbdroot=127.0.0.1:10801/x nbddev=/dev/nbd5' >"$scratch/cmdline"
mount --bind "$scratch/cmdline" /proc/cmdline
check "Debian's initramfs script attaches" sh /usr/share/initramfs-tools/scripts/local-top/nbd
umount /proc/cmdline
check "initramfs: the supervisor is marked" marked nbd5
check "initramfs: it is attached" eval 'nbd_attach -s nbd5 | grep -q attached'
kill_now "$first"
serve 1
check "initramfs: it heals" reads nbd5
client -d nbd5

#
# RAID 1: md continues to write as soon as the dead leg fails its requests
#

modprobe raid1
raid() { # NUMBER DEVICE DEVICE: /dev/mdNUMBER, without metadata
	local md=/sys/block/md$1/md d i=0
	echo "md$1" >/sys/module/md_mod/parameters/new_array
	echo none >"$md/metadata_version"
	echo raid1 >"$md/level"
	echo 2 >"$md/raid_disks"
	for d in "${@:2}"; do
		cat "/sys/block/$d/dev" >"$md/new_dev"
		echo $((i++)) >"$md/dev-$d/slot"
	done
	echo 65536 >"$md/component_size"
	echo none >"$md/resync_start"
	echo active >"$md/array_state"
}
writes() { # DEVICE
	timeout 30 dd if=/dev/zero of="/dev/$1" bs=64k count=4 oflag=direct
}
one_leg_dies() { # NAME CLIENT MD FIRST SECOND LIMIT
	local dying before
	serve "$4"
	serve "$5"
	dying=$pid
	"$2" 127.0.0.1 "1080$4" "/dev/nbd$4" -t 4
	"$2" 127.0.0.1 "1080$5" "/dev/nbd$5" -t 4
	raid "$3" "nbd$4" "nbd$5" || return
	check "$1: the array is written" writes "md$3"
	kill_now "$dying"
	before=$SECONDS
	check "$1: the array is written after a leg's server has died" writes "md$3"
	check "$1: ... within $6 s" test $((SECONDS - before)) -le "$6"
	check "$1: ... and the array is degraded" is "$(cat "/sys/block/md$3/md/degraded")" 1
	echo clear >"/sys/block/md$3/md/array_state"
}
one_leg_dies "nbd-client" "$theirs" 7 6 7 10
one_leg_dies "nbd-attach" "$ours" 8 8 9 20

finish
