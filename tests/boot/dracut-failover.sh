#!/bin/bash
# SPDX-License-Identifier: MIT
# A guest boots by an initramfs of dracut, with two servers of the same disk, which is written to. A
# server ends for good before the change to the real root, after it, and when the unit has taken over:
# each time the other server goes on. Each of them ends before the other one is asked, so that no fence
# is needed.
# shellcheck source=tests/lib.sh disable=SC2016,SC2119,SC2154,SC2317 # the guest expands; check() calls functions
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.bash"

begin_boot systemd
other=$(free_port)

prepare() {
	make_dracut_initrd &&
		printf 'failover = nbd://10.0.2.2:%s/\nfence = none\n' "$other" >>"$scratch/root/etc/nbd-attach/root.conf"
}

# Ends the server, and then starts one at the other port.
outage() {
	local now=$port
	kill_now "$server"
	port=$other other=$now
	serve "$port"
}

check "a Debian system gets nbd-attach" make_root
check "an initramfs is made" prepare
[[ -s $scratch/initrd ]] || finish
check "a file system is made" make_image 512

serve "$port"
boot "$scratch/initrd" "root=nbd:10.0.2.2:$port" rw rootfstype=ext4 outages=1 \
	"nbd-attach.failover=nbd://10.0.2.2:$other/" nbd-attach.fence=none \
	net.ifnames=0 ip=10.0.2.15::10.0.2.2:255.255.255.0::eth0:off nbd-attach.peer-timeout=10
check "the root file system is mounted" says 150 'guest: root is mounted'
outage
check "the other server goes on before the change of root" says 90 'guest: read after the first outage'
check_load 1
finish
