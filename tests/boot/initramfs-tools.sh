#!/bin/bash
# SPDX-License-Identifier: MIT
# A guest boots from root=nbd://... by an initramfs of initramfs-tools, from a server outside it that
# is not there at first. The server is killed and started again before the change to the real root,
# after it, and after the unit has taken over, and the network is away for a while, while files are
# written, read back and compared. systemd powers the guest off, and the file system is clean.
# shellcheck source=tests/lib.sh disable=SC2016,SC2119,SC2154,SC2317 # the guest expands; check() calls functions
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.bash"

begin_boot initramfs-tools

check "a Debian system gets nbd-attach" make_root
check "an initramfs is made" make_initrd
[[ -s $scratch/initrd ]] || finish
for file in sbin/nbd-attach scripts/local-top/nbd-attach liburiparser.so.1 libgnutls.so.30 nbd.ko; do
	check "the initramfs has $file" grep -qE "(^|/)${file//./\\.}" "$scratch/listed"
done
check "a file system is made" make_image 512

boot "$scratch/initrd" "root=nbd://10.0.2.2:$port/" rw rootfstype=ext4 outages=2 \
	net.ifnames=0 ip=10.0.2.15::10.0.2.2:255.255.255.0::eth0:off nbd-attach.peer-timeout=10
check "a server that is not there is waited for, and the console says so" says 150 'trying again'
serve "$port"
check "the root file system is mounted" says 90 'guest: root is mounted'
outage 3
check "an outage before the change of root ends" says 90 'guest: read after the first outage'
# There is no other log yet.
check "the kernel's log says that I/O waits" \
	said 'nbd-attach\[[0-9]+\]: /dev/nbd0: the connection to .* is lost .*I/O waits'
check "the kernel's log says that it is back" said 'nbd-attach\[[0-9]+\]: /dev/nbd0: connected to .* again'
check_load 2 2
finish
