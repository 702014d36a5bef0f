#!/bin/bash
# SPDX-License-Identifier: MIT
# A guest boots from root=nbds://... with a key of TLS that is in its initramfs, of initramfs-tools or,
# with the argument dracut, of dracut. The server is killed and started again before the change to the
# real root, afterwards, and when the unit has taken over.
# shellcheck source=tests/lib.sh disable=SC2016,SC2034,SC2119,SC2154,SC2317 # the guest expands; check() calls functions
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.bash"

begin_boot systemd
key=/etc/nbd-attach/initramfs/key
psktool -q -u guest -p "$scratch/key" >/dev/null 2>&1 || psktool -u guest -p "$scratch/key" >/dev/null
server_words=(--tls=require --tls-psk="$scratch/key")

make=make_initrd
[[ ${1:-} != dracut ]] || make=make_dracut_initrd
prepare() {
	mkdir -p "$scratch/root${key%/*}" && install -m 600 "$scratch/key" "$scratch/root$key" && "$make" &&
		printf 'target = nbds://guest@10.0.2.2:%s/\ntls-psk = %s\ndevice = nbd0\nroot = yes\n' "$port" "$key" \
			>"$scratch/root/etc/nbd-attach/root.conf"
}

check "a Debian system gets nbd-attach" make_root
check "an initramfs is made" prepare
[[ -s $scratch/initrd ]] || finish
check "the initramfs has the key" grep -q "^${key#/}\$" "$scratch/listed"
check "it has the kernel's TLS" grep -q '/tls\.ko' "$scratch/listed"
check "a file system is made" make_image 512

serve "$port"
boot "$scratch/initrd" "root=nbds://guest@10.0.2.2:$port/" "nbd-attach.tls-psk=$key" rw rootfstype=ext4 outages=1 \
	net.ifnames=0 ip=10.0.2.15::10.0.2.2:255.255.255.0::eth0:off nbd-attach.peer-timeout=10
check "the root file system is mounted" says 300 'guest: root is mounted'
outage
check "an outage before the change of root ends" says 120 'guest: read after the first outage'
check_load 1
finish
