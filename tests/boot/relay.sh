#!/bin/bash
# SPDX-License-Identifier: MIT
# A root file system behind a relay, as with TLS that the kernel does not support: outages before and after
# the change of root end, and the guest powers off, although systemd ends the relay before the root is
# unmounted. The unit does not take such a device over.
# shellcheck source=tests/lib.sh disable=SC2016,SC2034,SC2119,SC2154,SC2317 # the guest expands; check() calls functions
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.bash"

begin_boot initramfs-tools
planned=16 # some are in lib.bash

check "a Debian system gets nbd-attach" make_root
check "an initramfs is made" make_initrd
[[ -s $scratch/initrd ]] || finish
check "a file system is made" make_image 512

serve "$port"
boot "$scratch/initrd" "root=nbd://10.0.2.2:$port/" rw rootfstype=ext4 outages=1 takeover=no nbd-attach.relay=yes \
	net.ifnames=0 ip=10.0.2.15::10.0.2.2:255.255.255.0::eth0:off nbd-attach.peer-timeout=10
check "the root file system is mounted" says 150 'guest: root is mounted'
outage 3
check "an outage before the change of root ends" says 90 'guest: read after the first outage'
check_compatible
finish
