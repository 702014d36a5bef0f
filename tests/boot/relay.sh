#!/bin/bash
# SPDX-License-Identifier: MIT
# A root file system behind a relay, as with TLS that the kernel does not support: the relay of the initramfs,
# that of its supervisor after an outage, and that of the unit are spared by systemd to the end.
# shellcheck source=tests/lib.sh disable=SC2016,SC2119,SC2154,SC2317 # the guest expands; check() calls functions
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.bash"

begin_boot initramfs-tools

with_relay() {
	make_initrd && echo 'relay = yes' >>"$scratch/root/etc/nbd-attach/root.conf"
}

check "a Debian system gets nbd-attach" make_root
check "an initramfs is made" with_relay
[[ -s $scratch/initrd ]] || finish
check "a file system is made" make_image 512

serve "$port"
boot "$scratch/initrd" "root=nbd://10.0.2.2:$port/" rw rootfstype=ext4 outages=1 nbd-attach.relay=yes \
	net.ifnames=0 ip=10.0.2.15::10.0.2.2:255.255.255.0::eth0:off nbd-attach.peer-timeout=10
check "the root file system is mounted" says 150 'guest: root is mounted'
outage 3
check "an outage before the change of root ends" says 90 'guest: read after the first outage'
check_load 1
finish
