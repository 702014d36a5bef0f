#!/bin/bash
# SPDX-License-Identifier: MIT
# A guest boots from a read-only root file system below an overlay, with two servers that have the
# same image. A server ends for good before the change to the real root, after it, and when the unit
# has taken over: each time the other server goes on. The image stays as it was.
# shellcheck source=tests/lib.sh disable=SC2016,SC2034,SC2119,SC2154,SC2317 # the guest expands; check() calls functions
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.bash"

begin_boot systemd
other=$(free_port)
server_words=(-r)

# Writes go to memory.
put_overlay() { # FILE
	cat >"$1" <<-'END'
		#!/bin/sh
		[ "$1" != prereqs ] || exit 0
		mkdir -p /run/lower /run/over
		mount -t tmpfs tmpfs /run/over
		mkdir /run/over/upper /run/over/work
		mount -o move $rootmnt /run/lower
		mount -t overlay -o lowerdir=/run/lower,upperdir=/run/over/upper,workdir=/run/over/work overlay $rootmnt
	END
	chmod 755 "$1"
	echo overlay >>"$scratch/root/etc/initramfs-tools/modules"
}

prepare() {
	mkdir -p "$scratch/root/etc/initramfs-tools/scripts/local-bottom" &&
		put_overlay "$scratch/root/etc/initramfs-tools/scripts/local-bottom/0-overlay" &&
		make_initrd &&
		printf 'read-only = yes\nfailover = nbd://10.0.2.2:%s/\n' "$other" >>"$scratch/root/etc/nbd-attach/root.conf"
}

# Ends the server after another one has begun to listen at the other port.
outage() {
	local ends=$server now=$port
	port=$other other=$now
	serve "$port" || return
	kill_now "$ends"
}

check "a Debian system gets nbd-attach" make_root
check "an initramfs is made" prepare
[[ -s $scratch/initrd ]] || finish
check "a file system is made" make_image 512
sum=$(sha256sum <"$scratch/image")

serve "$port"
boot "$scratch/initrd" "root=nbd://10.0.2.2:$port/" ro rootfstype=ext4 outages=1 writes=no \
	"nbd-attach.failover=nbd://10.0.2.2:$other/" nbd-attach.read-only \
	net.ifnames=0 ip=10.0.2.15::10.0.2.2:255.255.255.0::eth0:off nbd-attach.peer-timeout=10
check "the root file system is mounted" says 150 'guest: root is mounted'
outage
check "the other server goes on before the change of root" says 90 'guest: read after the first outage'
check "the console says so" said 'nbd-attach\[[0-9]+\]: /dev/nbd0: another server serves it now'
check "the real root runs" says 150 'guest: the real root runs'
check "the root file system is an overlay" said 'guest: the root file system is an overlay'
check "the guest is ready" says 90 "guest: ready for outage 1"
outage
check "the other server goes on after the change of root" says 90 "guest: outage 1 is over"
check "the guest is ready again" says 90 'guest: ready for the last outage'
check "the unit has taken over" said 'guest: the unit has taken over'
outage
check "the other server goes on, by the unit" says 90 'guest: the last outage is over'
check "the kernel saw no error" says 60 'guest: the kernel saw no error'
check "the guest powers off" powers_off 60
kill_now "$server"
check "no read was wrong" says_not 'a read was wrong|stands still|does not end'
check "the image is as it was" is "$(sha256sum <"$scratch/image")" "$sum"
finish
