#!/bin/bash
# SPDX-License-Identifier: MIT
# The rules of udev/ on a device of this machine that plays an NBD device, or a device-mapper device on one, in
# `udevadm test`, which starts no program. tests/systemd/outages.sh has real devices and a real udev.
# shellcheck source=tests/lib.sh disable=SC2016,SC2034,SC2154,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
begin 11
cd "$top" || exit 1

for device in /sys/block/*; do
	[[ ! -e $device/size ]] || break
done
name=${device##*/}
if [[ $EUID != 0 || ! -e $device/size ]] || ! command -v udevadm >/dev/null || ! unshare -m true; then
	skip "the rules" "they need root, udevadm, and a block device" 11
	finish
fi

# Rules of the test take the places of others: they say what these would have done.
mkdir "$scratch/rules" "$scratch/dev"
echo 'ENV{DM_NOSCAN}!="1", ENV{READ_BY_13}="1"' >"$scratch/rules/13-dm-disk.rules"
echo 'ENV{DM_NOSCAN}!="1", ENV{READ_BY_60}="1"' >"$scratch/rules/60-persistent-storage-dm.rules"
# As bcache's.
echo 'ENV{DM_UDEV_DISABLE_OTHER_RULES_FLAG}!="1", ENV{ID_FS_TYPE}!="?*", ENV{READ_BY_69}="1"' \
	>"$scratch/rules/69-reads.rules"
echo 'ENV{DM_UDEV_DISABLE_OTHER_RULES_FLAG}=="1", ENV{NOT_READY}="1"' >"$scratch/rules/99-systemd.rules"
: >"$scratch/rules/60-persistent-storage.rules"

# The properties of the device after an event, in one line. The last event found a file system.
properties() { # nbd|dm LOST NOSCAN: each yes or no
	unshare -m bash -c '
		rules=$1 name=$2 kind=$3 lost=$4 noscan=$5 dev=$6
		read -r size <"/sys/block/$name/size"
		IFS=: read -r major minor <"/sys/block/$name/dev"
		mount -t tmpfs tmpfs /run
		mkdir -p /run/udev/rules.d /run/udev/data /run/nbd-attach
		cp "$rules"/* /run/udev/rules.d
		for file in udev/*.rules; do
			sed "s/TEST\(.=\)\"pid\"/TEST\1\"size\"/g; s/{pid}/{size}/g; s,slaves/,power/,
				s/KERNEL\(.=\)\"$kind[^\"]*\"/KERNEL\1\"$name\"/" "$file" >"/run/udev/rules.d/${file##*/}"
		done
		printf "E:ID_FS_TYPE=ext4\nE:ID_FS_USAGE=filesystem\nE:ID_FS_UUID_ENC=77\nE:ID_PART_GPT_AUTO_ROOT=1\nV:1\n" \
			>"/run/udev/data/b$major:$minor"
		[[ $noscan = no ]] || touch "/run/nbd-attach/$name.noscan"
		[[ $lost = no ]] || touch "/run/nbd-attach/$name.$size.lost"
		printf "NBD_ATTACH_NAME=data\nNBD_ATTACH_PID=%s\n" "$size" >"/run/nbd-attach/$name.$size.udev"
		[[ $kind = nbd ]] || printf "NBD_ATTACH_SLAVE=control\nNBD_ATTACH_DISK=$name\nNBD_ATTACH_PID=%s\n" "$size" \
			>"/run/nbd-attach/$name.holder"
		mount -t tmpfs tmpfs "$dev"
		mknod "$dev/null" c 1 3
		mknod "$dev/$name" b "$major" "$minor"
		mount --bind "$dev" /dev
		udevadm test --action=add "/sys/block/$name" 2>/dev/null' \
		bash "$scratch/rules" "$name" "$1" "$2" "$3" "$scratch/dev" |
		grep -E '^ *(DEVLINKS|ID_[A-Z_]*|DM_[A-Z_]*|READ_BY[_0-9]*|NOT_READY)=' |
		sed 's,/dev/disk/by-diskseq/[0-9]*,/dev/disk/by-diskseq/N,; /^DEVLINKS/{s/DEVLINKS=//; s/ /\n/g}' |
		LC_ALL=C sort | xargs
}

# What is run after a disconnect: the attribute has gone, and the last event found a unit.
run_after() { # MARK: whether udev's file is still there, yes or no
	unshare -m bash -c '
		name=$1 mark=$2 dev=$3
		IFS=: read -r major minor <"/sys/block/$name/dev"
		mount -t tmpfs tmpfs /run
		mkdir -p /run/udev/rules.d /run/udev/data /run/nbd-attach
		sed "s/TEST\(.=\)\"pid\"/TEST\1\"no-pid\"/g; s/KERNEL\(.=\)\"nbd[^\"]*\"/KERNEL\1\"$name\"/" \
			udev/59-nbd-attach.rules >/run/udev/rules.d/59-nbd-attach.rules
		printf "E:NBD_ATTACH_PID=77\nE:NBD_ATTACH_UNIT=nbd-attach@data.service\nV:1\n" \
			>"/run/udev/data/b$major:$minor"
		[[ $mark = no ]] || touch "/run/nbd-attach/$name.77.udev"
		mount -t tmpfs tmpfs "$dev"
		mknod "$dev/null" c 1 3
		mknod "$dev/$name" b "$major" "$minor"
		mount --bind "$dev" /dev
		udevadm test --action=change "/sys/block/$name" 2>&1' \
		bash "$name" "$1" "$scratch/dev" |
		grep -oE "try-restart [a-z@.-]+" | sort -u
}

links='/dev/disk/by-diskseq/N /dev/disk/by-nbd/data /dev/disk/by-uuid/77'
before='ID_FS_TYPE=ext4 ID_FS_USAGE=filesystem ID_FS_UUID_ENC=77 ID_PART_GPT_AUTO_ROOT=1'
[[ -e $device/diskseq ]] || links=${links#* } # Linux 5.15
read_by_others='READ_BY_13=1 READ_BY_60=1 READ_BY_69=1'
check "attached: other rules read it" is "$(properties nbd no no)" "/dev/disk/by-nbd/data $read_by_others"
# Those of LVM do not look at an NBD device.
check "lost: no other rule reads it, and all that was found is there" is "$(properties nbd yes no)" \
	"$links $before READ_BY_13=1 READ_BY_60=1"
check "--no-scan: no other rule reads it, and no type is kept" is "$(properties nbd no yes)" \
	"/dev/disk/by-nbd/data READ_BY_13=1 READ_BY_60=1"
check "--no-scan: the same in an outage" is "$(properties nbd yes yes)" "/dev/disk/by-nbd/data READ_BY_13=1 READ_BY_60=1"

check "disconnected by another program: the unit attaches it again" is "$(run_after yes)" \
	"try-restart nbd-attach@data.service"
check "detached on purpose: nothing attaches it again" is "$(run_after no)" ""

# The device on a lost one; udevadm plays no partition.
links=/dev/disk/by-uuid/77
check "a device on one that is not lost is read" is "$(properties dm no no)" "$read_by_others"
check "a device on a lost one, with the numbers of Debian: LVM's and other rules do not read it" is \
	"$(properties dm yes no)" "$links $before READ_BY_13=1"
# LVM's rules since version 2.03.24, with the numbers of Debian.
echo 'ENV{DM_UDEV_PRIMARY_SOURCE_FLAG}="1"' >"$scratch/rules/55-dm.rules"
echo 'ENV{DM_UDEV_PRIMARY_SOURCE_FLAG}=="1", IMPORT{db}="ID_FS_TYPE"' >"$scratch/rules/60-persistent-storage-dm.rules"
echo 'ENV{ID_FS_TYPE}=="ext4", ENV{READ_BY_64}="1"' >"$scratch/rules/64-btrfs.rules"
check "... whose type LVM's do not restore for others" is "$(properties dm yes no)" \
	"$links DM_UDEV_PRIMARY_SOURCE_FLAG=1 $before READ_BY_13=1"
rm "$scratch/rules/"{55-dm,64-btrfs}.rules
echo 'ENV{DM_UDEV_RULES_VSN}="2"' >"$scratch/rules/10-dm.rules"
check "... and with LVM's own" is "$(properties dm yes no)" "$links DM_UDEV_RULES_VSN=2 $before"
echo 'ENV{DM_UDEV_DISABLE_OTHER_RULES_FLAG}="1"' >"$scratch/rules/11-dm-lvm.rules"
check "... whose flag stays" is "$(properties dm yes no)" \
	"$links DM_UDEV_DISABLE_OTHER_RULES_FLAG=1 DM_UDEV_RULES_VSN=2 $before NOT_READY=1"
finish
