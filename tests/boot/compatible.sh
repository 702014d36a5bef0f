#!/bin/bash
# SPDX-License-Identifier: MIT
# nbd-attach under the name nbd-client, with the script that Debian has for that in initramfs-tools: the
# guest boots, and an outage heals.
# shellcheck source=tests/lib.sh disable=SC2016,SC2034,SC2119,SC2154,SC2317 # the guest expands; check() calls functions
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.bash"

begin_boot systemd
planned=18 # some are in lib.bash
early=no

without_its_own() {
	mkdir -p "$scratch/root/etc/initramfs-tools/conf.d"
	echo NBD_ATTACH=no >"$scratch/root/etc/initramfs-tools/conf.d/nbd-attach"
	run_mkinitramfs
}

# What has the name is in the initramfs, as Debian's nbd-client is.
by_its_name() {
	put_load "$port"
	run_mkinitramfs && grep -q liburiparser "$scratch/listed"
}

check "a Debian system gets nbd-attach" make_root
check "it has the name nbd-client" take_the_name
check "an initramfs has nbd-attach for its name" by_its_name
check "an initramfs is made without the script of nbd-attach" without_its_own
[[ -s $scratch/initrd ]] || finish
check "the initramfs has what nbd-client's hook copies, and nothing of nbd-attach's" eval \
	'grep -q sbin/nbd-client "$scratch/listed" && ! grep -q liburiparser "$scratch/listed"'
check "a file system is made" make_image 512

serve "$port"
boot "$scratch/initrd" "nbdroot=[10.0.2.2]$port/root" root=/dev/nbd0 rw rootfstype=ext4 outages=1 takeover=no \
	net.ifnames=0 ip=10.0.2.15::10.0.2.2:255.255.255.0::eth0:off
check_compatible
finish
