#!/bin/bash
# SPDX-License-Identifier: MIT
# Powers off with a volume group, an encrypted device, swap, a RAID and a btrfs of two devices on devices of
# their own: with their server alive, and dead. Runs on the host, which has the server; each case has its own guest.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.bash"

took=0
names=(group crypt swap mirror-a mirror-b tree-a tree-b) # nbd3 and so on
grace=10

prepare() { # DIR
	local name n=3
	network "$1"
	mkdir -p "$1/etc/systemd/journald.conf.d" "$1/data" "$1/safe" "$1/mirror" "$1/tree"
	printf '[Journal]\nForwardToConsole=yes\nTTYPath=/dev/ttyS0\nMaxLevelConsole=info\n' \
		>"$1/etc/systemd/journald.conf.d/console.conf"
	for name in "${names[@]}"; do
		configure "$1" "$name" "device = nbd$((n++))" "target = nbd://10.0.2.2:$TEST_PORT/$name"
	done
	enable "$1" blk-availability.service sysinit.target
	head -c 64 /dev/urandom >"$1/etc/key"
	chmod 600 "$1/etc/key"
	# As in the manual.
	cat >"$1/etc/systemd/system/dev-disk-by\\x2dnbd-swap.swap" <<-'END'
		[Unit]
		DefaultDependencies=no
		After=remote-fs-pre.target
		Before=umount.target
		Conflicts=umount.target
		[Swap]
		What=/dev/disk/by-nbd/swap
	END
	# As systemd-cryptsetup-generator writes it for `_netdev`.
	cat >"$1/etc/systemd/system/crypt.service" <<-'END'
		[Unit]
		DefaultDependencies=no
		After=remote-fs-pre.target
		Before=umount.target
		Conflicts=umount.target
		IgnoreOnIsolate=yes
		[Service]
		Type=oneshot
		RemainAfterExit=yes
		TimeoutSec=0
		ExecStart=/lib/systemd/systemd-cryptsetup attach safe /dev/nbd4 /etc/key plain,cipher=aes-xts-plain64,size=512,hash=plain
		ExecStop=/lib/systemd/systemd-cryptsetup detach safe
	END
}

all_are() { # STATE
	local n
	for ((n = 3; n < 3 + ${#names[@]}; n++)); do
		state_is "nbd$n" "$1" || return
	done
}

guest() { # CASE
	exec 2>&1
	wait_for 150 all_are attached || exit 1
	udevadm settle
	modprobe -a dm-crypt raid1 btrfs
	pvcreate -q /dev/nbd3 && vgcreate -q stack /dev/nbd3 && lvcreate -q -y -Zn -L 32M -n data stack &&
		mkfs.ext4 -qF /dev/stack/data && mount -o _netdev /dev/stack/data /data || exit 1
	systemctl start crypt.service && mkfs.ext4 -qF /dev/mapper/safe &&
		mount -o _netdev /dev/mapper/safe /safe || exit 1
	mkswap -q /dev/nbd5 && systemctl start 'dev-disk-by\x2dnbd-swap.swap' && grep /dev/nbd5 /proc/swaps || exit 1
	mdadm --create /dev/md/mirror --run --metadata=1.2 --bitmap=none --level=1 --raid-devices=2 --assume-clean \
		/dev/nbd6 /dev/nbd7 && mkfs.ext4 -qF /dev/md/mirror && mount -o _netdev /dev/md/mirror /mirror || exit 1
	mkfs.btrfs -qf -d raid1 -m raid1 /dev/nbd8 /dev/nbd9 && mount -o _netdev /dev/nbd8 /tree || exit 1
	for name in data safe mirror tree; do
		yes "$name" 2>/dev/null | head -c 1M >"/$name/file"
	done
	if [[ $1 = dead ]]; then
		echo "end the server"
		wait_for 30 all_are lost || exit 1
	fi
	echo poweroff
	systemctl start --no-block --job-mode=replace-irreversibly poweroff.target
	sleep 1000
}

case ${1:-host} in
prepare)
	prepare "$2"
	exit
	;;
alive | dead)
	guest "$1"
	exit
	;;
esac

# Sets $took, the milliseconds from the command to the end, and writes $scratch/console.
power_off() { # CASE
	local good server
	rm -rf "$scratch/disks"
	mkdir "$scratch/disks"
	truncate -s 160M "${names[@]/#/$scratch/disks/}"
	TEST_PORT=$(free_port)
	export TEST_PORT NBD_VM_NET=1 NBD_VM_POWEROFF=1 NBD_VM_CONSOLE=$scratch/console
	start_server "$TEST_PORT" nbdkit -f -i 127.0.0.1 -p "$TEST_PORT" --filter=log \
		file dir="$scratch/disks" logfile="$scratch/log.$1" || return
	server=$pid
	powers_off 240 "$1" "$server"
	good=$?
	[[ $1 != alive ]] || { kill -TERM "$server" && wait_for 5 gone "$server"; }
	((good == 0))
}

detached() { # nbd3...
	local device
	for device; do
		grep -E "/dev/$device: detached" "$scratch/console" || return
	done
}

in_order() { # REGEX REGEX: the last lines of the console with these
	local a b
	a=$(grep -nE "$1" "$scratch/console" | tail -n 1 | cut -d : -f 1)
	b=$(grep -nE "$2" "$scratch/console" | tail -n 1 | cut -d : -f 1)
	echo "$1: line ${a:-none}; $2: line ${b:-none}"
	((${a:-0} && ${a:-0} < ${b:-0}))
}

within() { # MS
	echo "$took ms, at most $1"
	tail -n 60 "$scratch/console"
	((took > 0 && took <= $1))
}

begin 8
check "power-off with the server alive" power_off alive
check "... within 40 s" within 40000
echo "    $took ms"
healthy=$took
check "... every device is detached" detached nbd{3..9}
check "... the volume group is deactivated first" in_order \
	'Stopped .*Availability of block devices' '/dev/nbd3: detached'
check "... the RAID is stopped first" in_order 'md[0-9]+: stopped|md: md[0-9]+ stopped' '/dev/nbd6: detached'
check "... each server got its disconnect" is "$(grep -c Disconnect "$scratch/log.alive")" ${#names[@]}
check "power-off with the server dead" power_off dead
# LVM cannot read the group's metadata then, and leaves it active: the detach waits 30 s for it.
check "... within the grace and 40 s more" within $(((grace + 40) * 1000 + healthy))
echo "    $took ms"
finish
