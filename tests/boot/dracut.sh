#!/bin/bash
# SPDX-License-Identifier: MIT
# A guest boots from root=nbd:HOST:PORT by an initramfs of dracut with systemd in it, from a server
# outside it that is not there at first. The server is killed and started again before the real
# root takes over and afterwards. The unit takes over, and systemd powers the guest off.
# shellcheck source=tests/lib.sh disable=SC2016,SC2119,SC2154,SC2317 # the guest expands; check() calls functions
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.bash"

begin_boot systemd

check "a Debian system gets nbd-attach" make_root
check "an initramfs is made" make_dracut_initrd
[[ -s $scratch/initrd ]] || finish
for file in sbin/nbd-attach sbin/nbdroot liburiparser.so.1 libgnutls.so.30 nbd.ko; do
	check "the initramfs has ${file##*/}" grep -q "/${file//./\\.}" "$scratch/listed"
done
check "dracut's own module has given way" eval '! grep parse-nbdroot "$scratch/listed"'
check "a file system is made" make_image 512

boot "$scratch/initrd" "root=nbd:10.0.2.2:$port" rw rootfstype=ext4 outages=3 \
	net.ifnames=0 ip=10.0.2.15::10.0.2.2:255.255.255.0::eth0:off nbd-attach.peer-timeout=10
check "a server that is not there is waited for, and the console says so" says 150 'trying again'
serve "$port"
check "the root file system is mounted" says 90 'guest: root is mounted'
outage 3
check "an outage before the change of root ends" says 60 'guest: read after the first outage'
check_load 3 2
finish
