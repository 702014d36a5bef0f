#!/bin/bash
# SPDX-License-Identifier: MIT
# LUKS, a RAID 1 with one leg on it, and an LVM snapshot, on a server that dies every few seconds, with
# the load of lib.bash on top.
# shellcheck source=tests/lib.sh disable=SC2154,SC2317 # check() calls functions
. "$(dirname "$0")/../lib.sh"
in_guest 480 "$@"
begin 56
# shellcheck source=tests/fault/lib.bash
. "$top/tests/fault/lib.bash"
# shellcheck source=tests/fault/workload.bash
. "$top/tests/fault/workload.bash"

load_on() { # PATH; the ledger is new
	rm -rf "$scratch/load"
	mkdir -p "$scratch/load"
	load_again "$1"
}

load_again() { # PATH
	rm -f "$scratch/load/log"
	"$fault" load -r 200 -b 4096 "$1" "$scratch/load" >"$scratch/load/said" 2>&1 </dev/null &
	loader=$!
	started+=("$loader")
	wait_for 20 moving
}

holds() { # PATH [LEDGER]
	echo 3 >/proc/sys/vm/drop_caches
	timeout -k 1 90 "$fault" verify "${2:-$scratch/load/ledger}" "$1"
}

#
# LUKS
#

opens() {
	cryptsetup open --key-file "$scratch/key" "/dev/$device" safe
}

if needs "luks" 17 cryptsetup && attach_image luks 48; then
	head -c 32 /dev/urandom >"$scratch/key"
	dies_often
	check "luks: luksFormat while the server dies" cryptsetup luksFormat -q --key-file "$scratch/key" \
		--pbkdf pbkdf2 --pbkdf-force-iterations 1000 "/dev/$device"
	check "luks: opens" opens
	check "luks: is zeroed" blkdiscard -z /dev/mapper/safe # what was never written is noise else
	check "luks: load" load_on /dev/mapper/safe
	pause 20
	check "luks: no request failed" load_ended 60
	survived luks 3
	check "luks: closes" cryptsetup close safe
	check "luks: the header is sound" cryptsetup luksDump "/dev/$device"
	check "luks: opens again" opens
	check "luks: nothing is lost" holds /dev/mapper/safe
	check "luks: closes again" cryptsetup close safe
	ends_clean luks
fi

#
# RAID 1: the other leg's server lives on, so md could do without ours. It must not: a leg whose server
# is back after a second is no failed disk.
#

other=nbd4
array=/sys/block/md9/md

idle() { # no resync and no check is under way
	[[ $(<"$array/sync_action") = idle ]]
}

both_legs() {
	cat "$array"/dev-*/state
	is "$(<"$array/degraded") $(cat "$array"/dev-*/state | sort -u)" '0 in_sync'
}

creates() {
	mdadm --create /dev/md9 --run --level=1 --raid-devices=2 --metadata=1.2 --bitmap=internal \
		--homehost=any "/dev/$device" "/dev/$other"
}

compares() { # md reads both legs and counts what differs
	echo check >"$array/sync_action"
	pause 1
	wait_for 90 idle && is "$(<"$array/mismatch_cnt")" 0
}

same_legs() { # from where the data begins
	local offset
	offset=$(($(<"$array/dev-$device/offset") * 512))
	cmp -n $((16 << 20)) -i "$offset" "/dev/$device" "/dev/$other"
}

if needs "raid1" 19 mdadm && attach_image raid1 48; then
	modprobe raid1
	start_server "$scratch/other.sock" nbdkit -f -U "$scratch/other.sock" memory 48M
	check "raid1: the other leg attaches" nbd_attach "$other" -u "$scratch/other.sock"
	dies_often
	check "raid1: is created while the server dies" creates
	check "raid1: load" load_on /dev/md9
	pause 25
	check "raid1: the array has both legs while the server dies" both_legs
	check "raid1: no request failed" load_ended 60
	survived raid1 3
	check "raid1: the legs are in sync" wait_for 120 idle
	check "raid1: the array has both legs" both_legs
	check "raid1: md finds no difference between the legs" compares
	check "raid1: nothing is lost" holds /dev/md9
	check "raid1: both legs hold the same" same_legs
	check "raid1: stops" mdadm --stop /dev/md9
	check "raid1: the other leg detaches" nbd_attach --detach "$other"
	ends_clean raid1
fi

#
# LVM: a snapshot keeps what the volume held
#

lvm_() { # COMMAND ARGUMENT...
	timeout -k 5 90 lvm "$1" --config 'activation { udev_sync=0 udev_rules=0 monitoring=0 }
		devices { use_devicesfile=0 filter=["a|^/dev/'"$device"'$|", "r|.*|"] }
		backup { backup=0 archive=0 }' "${@:2}"
}

if needs "lvm" 20 lvm && attach_image lvm 96; then
	modprobe -a dm_mod dm_snapshot
	dies_often
	check "lvm: pvcreate while the server dies" lvm_ pvcreate -q "/dev/$device"
	check "lvm: vgcreate" lvm_ vgcreate -q soaked "/dev/$device"
	check "lvm: lvcreate" lvm_ lvcreate -q -y -Wn -Zn -L 32M -n volume soaked
	check "lvm: load" load_on /dev/soaked/volume
	pause 10
	check "lvm: no request failed" load_ended 60
	cp "$scratch/load/ledger" "$scratch/before"
	check "lvm: a snapshot" lvm_ lvcreate -q -y -s -L 28M -n before soaked/volume
	check "lvm: load on the volume" load_again /dev/soaked/volume
	pause 15
	check "lvm: no request failed with a snapshot" load_ended 60
	survived lvm 4
	check "lvm: the snapshot holds what the volume held" holds /dev/soaked/before "$scratch/before"
	check "lvm: the volume holds what was written since" holds /dev/soaked/volume
	check "lvm: the snapshot is valid" eval 'dmsetup status soaked-before | grep -v Invalid'
	check "lvm: is deactivated" lvm_ vgchange -q -an soaked
	check "lvm: vgck" lvm_ vgck soaked
	ends_clean lvm
fi
finish
