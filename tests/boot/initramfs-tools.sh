#!/bin/bash
# SPDX-License-Identifier: MIT
# A guest boots from root=nbd://... by an initramfs of initramfs-tools, from a server outside it that
# is not there at first. The server is killed and started again before the real root takes over and
# twice after that, while files are written, read back and compared. A supervisor of the real root
# takes over, and the file system is clean at the end.
# shellcheck source=tests/lib.sh disable=SC2016,SC2154,SC2317 # the guest expands; check() calls functions
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.bash"

begin
need_root_file_system initramfs-tools
port=$(free_port)

# What runs in the guest: before the change in the initramfs's busybox, afterwards as process 1.
put_scripts() { # ROOT
	mkdir -p "$1/etc/initramfs-tools/scripts/local-bottom"
	cat >"$1/etc/initramfs-tools/scripts/local-bottom/outage" <<-'END'
		#!/bin/sh
		[ "$1" != prereqs ] || exit 0
		state=/run/nbd-attach/nbd0.state
		echo "guest: root is mounted"
		i=0
		until grep -q '^STATE=lost' $state || [ $i = 600 ]; do i=$((i + 1)); sleep 0.1; done
		echo 3 >/proc/sys/vm/drop_caches
		cat ${rootmnt}/usr/bin/perl >/dev/null && grep '^STATE=' $state
		echo "guest: read after the first outage"
	END
	cat >"$1/sbin/test-init" <<-'END'
		#!/bin/bash
		PATH=/usr/sbin:/usr/bin:/sbin:/bin
		exec </dev/null >/dev/console 2>&1
		state=/run/nbd-attach/nbd0.state
		server=$(sed 's/.*root=\(nbd:[^ ]*\).*/\1/' /proc/cmdline)
		say() { echo "guest: $*"; }
		# Programs are on the root file system, and wait in an outage: the state may be another one by
		# the time that they run.
		over() { # OUTAGES
			local i
			for ((i = 0; i < 600; i++)); do
				(($(sed -n 's/^OUTAGES=//p' $state) >= $1)) && grep -q '^STATE=attached' $state && return
				sleep 0.1
			done
			say "outage $1 does not end: $(grep -E '^(STATE|OUTAGES|ERROR)=' $state | tr '\n' ' ')"
		}
		mount() { busybox mount "$@"; }
		mount -o remount,rw / || say "the root file system cannot be written"
		say "the real root runs, as $(tr '\0' ' ' <"/proc/$(sed -n 's/^PID=//p' $state)/cmdline" | head -c 20)"
		mkdir /load
		head -c 1M /dev/urandom >/run/pattern
		load() {
			local n=0
			while [[ ! -e /run/stop ]]; do
				cp /run/pattern "/load/$((n % 8))" && sync "/load/$((n % 8))" || say "a write failed"
				echo 1 >/proc/sys/vm/drop_caches
				cmp /run/pattern "/load/$((n % 8))" || say "a read was wrong"
				echo $((++n)) >/run/rounds
			done
		}
		load &
		rounds() { local before=$(cat /run/rounds) i; for ((i = 0; i < 300; i++)); do (($(cat /run/rounds) > before + 2)) && return; sleep 0.2; done; say "the load stands still"; }
		until [[ -s /run/rounds ]]; do sleep 0.1; done
		n=1
		for outage in second third; do
			say "ready for the $outage outage"
			over $((++n)); rounds
			say "the $outage outage is over: $(grep ^OUTAGES= $state)"
		done
		nbd-attach -n --root nbd0 "$server" &
		new=$!
		for ((i = 0; i < 300; i++)); do grep -q "^PID=$new$" $state && break; sleep 0.1; done
		grep -q "^PID=$new$" $state && say "a supervisor of the real root is in charge"
		say "ready for the fourth outage"
		over 1; rounds # it counts anew
		say "the fourth outage is over"
		touch /run/stop; wait %1
		grep -q ' / ext4 rw' /proc/mounts && say "the root file system is writable"
		dmesg | grep -E 'I/O error|EXT4-fs error|Remounting' || say "the kernel saw no error"
		echo done >/done; sync
		mount -o remount,ro / && say "the root file system is read-only now"
		echo o >/proc/sysrq-trigger
		sleep 60
	END
	chmod 755 "$1/sbin/test-init" "$1/etc/initramfs-tools/scripts/local-bottom/outage"
}

make_initrd() {
	put_scripts "$scratch/root"
	echo NBD_ATTACH=yes >"$scratch/root/etc/initramfs-tools/conf.d/nbd-attach"
	echo CONFIG_RD_GZIP=y >"$scratch/root/boot/config-$release"
	chroot "$scratch/root" /usr/sbin/mkinitramfs -c gzip -o /initrd "$release" &&
		mv "$scratch/root/initrd" "$scratch/initrd"
}

check "a Debian system gets nbd-attach" make_root
check "an initramfs is made" make_initrd
[[ -s $scratch/initrd ]] || finish
mkdir "$scratch/unpacked"
(cd "$scratch/unpacked" && zcat "$scratch/initrd" | cpio -id 2>/dev/null)
for file in sbin/nbd-attach scripts/local-top/nbd-attach 'liburiparser.so.1' 'libgnutls.so.30' nbd.ko; do
	check "the initramfs has ${file##*/}" eval 'find "$scratch/unpacked" -name "${file##*/}" | grep .'
done
check "a file system is made" make_image 512

boot "$scratch/initrd" "root=nbd://10.0.2.2:$port/" ro rootfstype=ext4 \
	net.ifnames=0 ip=10.0.2.15::10.0.2.2:255.255.255.0::eth0:off nbd-attach.peer-timeout=10 init=/sbin/test-init
check "a server that is not there is waited for, and the console says so" says 150 'trying again'
serve "$port"
check "the root file system is mounted" says 90 'guest: root is mounted'
outage 3
check "an outage before the change of root ends" says 60 'guest: read after the first outage'
check "the real root runs" says 90 'guest: the real root runs'
check "its supervisor is spared by systemd" says 5 'the real root runs, as @'
for n in second third fourth; do
	check "the guest is ready for the $n outage" says 90 "guest: ready for the $n outage"
	outage
	check "the $n outage ends" says 90 "guest: the $n outage is over"
	[[ $n != third ]] || check "the state file has counted all" says 5 'third outage is over: OUTAGES=3'
done
check "a supervisor of the real root has taken over" says 5 'supervisor of the real root is in charge'
check "the root file system stayed writable" says 60 'guest: the root file system is writable'
check "the kernel saw no error" says 5 'guest: the kernel saw no error'
check "the guest powers off" powers_off 60
check "no write failed, and no read was wrong" \
	says_not 'a write failed|a read was wrong|stands still|does not end'
kill -TERM "$server"
wait_for 5 gone "$server"
check "the file system is clean" e2fsck -fn "$scratch/image"
check "its last file is complete" eval '[[ $(debugfs -R "cat /done" "$scratch/image" 2>/dev/null) = "done" ]]'
finish
