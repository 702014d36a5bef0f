#!/bin/bash
# SPDX-License-Identifier: MIT
# nbd-attach under the name nbd-client, with dracut's own module for that: the guest boots from
# root=nbd:HOST:PORT, and an outage heals. That module attaches nothing where systemd-networkd sets up the
# network, so network-legacy does.
# shellcheck source=tests/lib.sh disable=SC2016,SC2034,SC2119,SC2154,SC2317 # the guest expands; check() calls functions
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.bash"

begin_boot systemd
planned=18 # some are in lib.bash

make_initrd() {
	put_load "$port"
	dracut_omits=systemd-networkd
	run_dracut --add 'nbd network-legacy'
}

check "a Debian system gets nbd-attach" make_root
check "it has the name nbd-client" take_the_name
check "an initramfs is made" make_initrd
[[ -s $scratch/initrd ]] || finish
check "it has dracut's module nbd, and nbd-client" eval \
	'grep -q hooks/cmdline/90-parse-nbdroot.sh "$scratch/listed" && grep -q sbin/nbd-client "$scratch/listed"'
check "it has no module of nbd-attach's" eval '! grep nbd-attach-words "$scratch/listed"'
check "a file system is made" make_image 512

serve "$port"
boot "$scratch/initrd" "root=nbd:10.0.2.2:$port:ext4" rw outages=1 takeover=no \
	net.ifnames=0 ip=10.0.2.15::10.0.2.2:255.255.255.0::eth0:off
check_compatible
finish
