#!/bin/bash
# SPDX-License-Identifier: MIT
# A boot with the server down, and outages of devices with partitions, LVM and btrfs: what udev does
# meanwhile, with and without the outage guard. A rule of the test reads every device of which no type is
# known.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.bash"

prepare() { # DIR
	local n=5 port
	# The server of "data" is down at first; the others run from the start.
	# shellcheck disable=SC2016 # for the guest's shell
	servers "$1" 'truncate -s 160M "$1"
case $1 in
10809) mkfs.ext4 -q "$1" 32M ;;
10810)
	printf "label: gpt\n,16M\n,16M\n,16M\n" | sfdisk -q "$1"
	mkfs.ext4 -q -L third -E offset=$((33 * 1048576)) "$1" 16M ;;
esac'
	configure "$1" data 'device = nbd3' 'target = 127.0.0.1:10809' \
		'verbose = yes'
	for port in 10810 10811 10812 10813; do
		enable "$1" "server@$port.service" sysinit.target
		configure "$1" "d$port" "device = nbd$n" "target = 127.0.0.1:$port"
		((n++))
	done
	edit "$1" nbd-attach@.service RestartSec=1
	# shellcheck disable=SC2028 # fstab's escapes
	echo '/dev/disk/by-nbd/data /data ext4 _netdev,nofail,x-systemd.device-timeout=5s,x-systemd.wanted-by=dev-disk-by\x2dnbd-data.device 0 0' >"$1/etc/fstab"
	mkdir -p "$1/data" "$1/mnt" "$1/etc/udev/rules.d"
	# As bcache's rules do: a device of which no type is known is read.
	cat >"$1/etc/udev/rules.d/69-reads.rules" <<-'END'
		ACTION=="remove", GOTO="reads_end"
		ENV{DM_UDEV_DISABLE_OTHER_RULES_FLAG}=="1", GOTO="reads_end"
		SUBSYSTEM=="block", KERNEL=="nbd*|dm-*", ENV{ID_FS_TYPE}!="?*", IMPORT{program}="/bin/dd if=$tempnode of=/dev/null bs=4096 count=1 iflag=direct"
		LABEL="reads_end"
	END
	# As newer versions of systemd do, and for the partition that is the root.
	cat >"$1/etc/udev/rules.d/60-parts.rules" <<-'END'
		ACTION=="remove", GOTO="parts_end"
		ENV{UDEV_DISABLE_PERSISTENT_STORAGE_RULES_FLAG}=="1", GOTO="parts_end"
		SUBSYSTEM=="block", KERNEL=="nbd*p*", ENV{DISKSEQ}=="?*", SYMLINK+="disk/by-diskseq/$env{DISKSEQ}-part%n"
		SUBSYSTEM=="block", KERNEL=="nbd5p2", ENV{ID_PART_GPT_AUTO_ROOT}="1"
		LABEL="parts_end"
	END
}

if [[ ${1:-} = prepare ]]; then
	prepare "$2"
	exit
fi

ports='10809 10810 10811 10812 10813'
devices='nbd3 nbd5 nbd6 nbd7 nbd8'

all_are() { # STATE
	local device
	for device in $devices; do
		state_is "$device" "$1" || return
	done
}

all_detached() {
	local device
	for device in $devices; do
		detached "$device" || return
	done
}

all_writable() {
	local d
	for d in /data /lv /mnt; do
		echo x >"$d/x" && sync -f "$d/x" || return
	done
}

end_servers() {
	local port
	for port in $ports; do
		systemctl kill -s KILL "server@$port"
	done
	wait_for 30 all_are lost
}

start_servers() {
	local port
	for port in $ports; do
		systemctl restart --no-block "server@$port"
	done
	wait_for 60 all_are attached
}

# Must be the same before, during and after an outage.
names() {
	# The members of a btrfs have the same UUID, and its link may lead to either.
	(cd /dev/disk && find by-nbd by-uuid by-label by-partuuid by-id by-diskseq -type l -printf '%p -> %l\n') |
		sed '/^by-uuid/s/nbd[78]$/a member/' | sort
	systemctl list-units --all --type=device --plain --no-legend 'dev-disk-by*' 'dev-mapper*' 'dev-nbd*' |
		awk '{ print $1, $3, $4 }' | sort
	for device in nbd3 nbd5 nbd5p1 nbd5p2 nbd5p3 nbd6 nbd7 vg/lv; do
		udevadm info --query=property "/dev/$device" |
			grep -E '^(ID_FS_TYPE|ID_FS_UUID|ID_PART_ENTRY_UUID|ID_PART_GPT_AUTO_ROOT|ID_BTRFS_READY|DM_UDEV_DISABLE_OTHER_RULES_FLAG)=|^SYSTEMD_READY=0' |
			sed "s|^|$device |" | sort
	done
	dmsetup ls
}

same_names() {
	names >"$scratch/now"
	diff "$scratch/names" "$scratch/now"
}

trigger() { # [ACTION]
	timeout 60 udevadm trigger --settle --subsystem-match=block --action="${1:-change}"
}

# A process that opens a lost device may have to wait; udev must not.
open_and_close() { # DEVICE...
	local device
	for device; do
		start dd if=/dev/zero of="$device" bs=1 count=0 conv=notrunc
	done
	start timeout 3 blkid -c "$scratch/blkid.tab"
	pause 2
}

no_worker_hangs() {
	! hanging '.*udev.*'
}

holds_udev_up() {
	udevadm trigger /dev/nbd5
	wait_for 10 hanging '.*udev.*' && ! settles 3
}

# A mount that waits for its device takes 90 s. The time until the network is up measures the
# machine's speed.
not_delayed() {
	local network end
	network=$(since network-online.target) end=$(since multi-user.target)
	echo "the network after $((network / 1000)) ms, the boot $(((end - network) / 1000)) ms later"
	journalctl -b --no-pager -o short-monotonic -u nbd-attach@data -u remote-fs-pre.target \
		-u remote-fs.target -u multi-user.target
	((network > 0 && end - network < 30000000 + 2 * network))
}

given_up() {
	[[ ! $(systemctl list-jobs --no-legend --plain data.mount) ]]
}

begin 43
wait_for 150 unit_is multi-user.target active
check "a server that is down does not delay the boot" not_delayed
head -n 1 "$scratch/check"
check "... nothing is mounted yet" refuses mounted /data
check "... and systemd gives the mount up" wait_for 20 given_up
systemctl start --no-block server@10809
check "the server comes up: the file system mounts by itself" wait_for 60 mounted /data
# Waits for the other servers, which made their disks at the first start.
wait_for 60 all_are attached
udevadm settle --timeout=60

check "the three partitions have their links" test -e /dev/disk/by-nbd/d10810-part1 \
	-a -e /dev/disk/by-nbd/d10810-part2 -a -e /dev/disk/by-nbd/d10810-part3
check "... and links of their number" test -e "$(echo /dev/disk/by-diskseq/*-part2)"
check "... and the third has its label" test /dev/disk/by-label/third -ef /dev/nbd5p3
check "LVM uses the device" eval 'pvcreate -qq /dev/nbd6 && vgcreate -qq vg /dev/nbd6 &&
	lvcreate -qq -L 32M -n lv vg && mkfs.ext4 -q /dev/vg/lv'
check "btrfs uses two devices" mkfs.btrfs -q -f -d single -m single /dev/nbd7 /dev/nbd8
vgchange -qq -an vg 2>"$scratch/vgchange"
systemctl stop nbd-attach@d10811 nbd-attach@d10812 nbd-attach@d10813
check "all three are detached" eval 'detached nbd6 && detached nbd7 && detached nbd8'
systemctl start nbd-attach@d10811 nbd-attach@d10812 nbd-attach@d10813
check "the volume group appears with its device" wait_for 30 test -e /dev/vg/lv
check "the btrfs mounts with its members" wait_for 30 mount -o device=/dev/nbd8 /dev/nbd7 /mnt
# udev's rule found one member missing when the first device came, and it is not run again.
udevadm trigger --settle /dev/nbd7 /dev/nbd8
check "... and systemd has their device units" wait_for 30 eval '
	unit_is dev-nbd7.device active && unit_is dev-nbd8.device active'
udevadm settle --timeout=60
mkdir -p /lv && mount /dev/vg/lv /lv
names >"$scratch/names"

# Cached pages need no server: without this, the checks below would prove nothing.
# shellcheck disable=SC2086 # a list of words
forget $devices
check "every server ends" end_servers
udevadm settle --timeout=30
check "udevadm settle returns" settles 20
check "all links and device units exist" same_names
check "udevadm trigger --settle returns" trigger
check "all links and device units still exist" same_names
check "... and after those of a coldplug" eval 'trigger add && same_names'
open_and_close /dev/nbd3 /dev/nbd5p1 /dev/nbd6
check "open, close, blkid: no worker hangs" no_worker_hangs
check "... and udevadm settle returns" settles 20
check "... and all links exist" same_names
check "a network interface appears" ip link add cable type dummy
dialled() {
	journalctl -b --no-pager -o cat -u nbd-attach@data | tail -n 20
	journalctl -b --no-pager -o cat -u nbd-attach@data | grep -q 'SIGHUP: trying at once'
}
check "... and lost servers are dialled at once" wait_for 20 dialled
check "every server is back" start_servers
check "... udevadm settle returns" settles 30
check "... all links exist" same_names
check "... and the file systems can be written" all_writable

# Everywhere but in Debian, LVM's rules have these numbers.
numbers='55-dm 10-dm
56-lvm 11-dm-lvm
60-persistent-storage-dm 13-dm-disk'
while read -r debian elsewhere; do
	cp "/usr/lib/udev/rules.d/$debian.rules" "/etc/udev/rules.d/$elsewhere.rules"
	ln -s /dev/null "/etc/udev/rules.d/$debian.rules"
done <<<"$numbers"
udevadm control --reload
check "LVM's rules come first: the same links" eval 'trigger && same_names'
forget nbd6
systemctl kill -s KILL server@10811
wait_for 30 state_is nbd6 lost
check "... and udevadm trigger --settle returns in an outage" trigger
check "... with the same links" same_names
systemctl restart server@10811
check "... also when the server is back" eval 'wait_for 60 state_is nbd6 attached && settles 30 && same_names'
rm /etc/udev/rules.d/{10,11,13,55,56,60-persistent}*
udevadm control --reload

check "... and no unit has failed" is "$(systemctl --failed --no-legend --plain)" ''

# A mark of another attachment is ignored.
echo nbd://other/ >/run/nbd-attach/nbd5.1.lost
echo NBD_ATTACH_NAME=wrong >/run/nbd-attach/nbd5.1.udev
udevadm trigger --settle /dev/nbd5
check "a stale mark makes no link" refuses test -e /dev/disk/by-nbd/wrong
check "... and does not keep udev from probing the device" refuses grep -q NBD_ATTACH_LOST=1 \
	<(udevadm info /dev/nbd5)

# Proves that the rules do it: the same unused device, with them and without.
forget nbd5
systemctl kill -s KILL server@10810
wait_for 30 state_is nbd5 lost
check "one server ends: udevadm trigger --settle returns" trigger
check "... and no worker hangs" no_worker_hangs
systemctl restart server@10810
wait_for 60 state_is nbd5 attached
check "... and settles when the server is back" settles 30
rm /etc/udev/rules.d/69-reads.rules
for rules in 12 59 95; do
	ln -s /dev/null "/etc/udev/rules.d/$rules-nbd-attach.rules"
done
udevadm control --reload
forget nbd5
systemctl kill -s KILL server@10810
wait_for 30 state_is nbd5 lost
check "without the rules, a worker hangs and udevadm settle with it" holds_udev_up
rm /etc/udev/rules.d/*
udevadm control --reload
systemctl restart server@10810
check "... until the server is back" eval 'wait_for 60 state_is nbd5 attached && settles 30'

# The module is unloaded and loaded again.
umount /data /lv /mnt
vgchange -qq -an vg 2>"$scratch/vgchange"
systemctl stop nbd-attach.target
check "stopping the target detaches free devices" wait_for 20 all_detached
check "the nbd module is unloaded" wait_for 20 modprobe -r nbd
check "... and loaded, and the enabled instances start with it" \
	eval 'modprobe nbd && wait_for 60 all_are attached'
finish
