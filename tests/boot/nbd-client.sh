#!/bin/bash
# SPDX-License-Identifier: MIT
# Boots one image with two programs that are both in its initramfs: Debian's script of nbd-client, and
# nbd-attach. The same outage of two seconds for both; and the time to multi-user of both, of BOOTS boots
# (5 unless set) in turn.
# Alone: it measures the time of a boot
# shellcheck source=tests/lib.sh disable=SC2016,SC2034,SC2119,SC2154,SC2317 # the guest expands; check() calls functions
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.bash"

begin_boot systemd
early=no

boot_with() { # NAME WORD...
	cp --sparse=always "$scratch/image.new" "$scratch/image"
	serve "$port"
	boot "$scratch/initrd" rw rootfstype=ext4 "${@:2}" \
		net.ifnames=0 ip=10.0.2.15::10.0.2.2:255.255.255.0::eth0:off
}

boot_nbd_client() {
	# In this form of nbdroot= the script passes on a port.
	boot_with nbd-client "nbdroot=[10.0.2.2]$port/root" root=/dev/nbd0 client=yes
}

boot_nbd_attach() {
	boot_with nbd-attach "root=nbd://10.0.2.2:$port/root" outages=1 takeover=no
}

ends() {
	gone "$guest" || kill_now "$guest"
	kill_now "$server"
}

timed_boot() { # nbd_client|nbd_attach
	"boot_$1"
	says 300 'guest: multi-user after'
	ends
	sed -n 's/.*guest: multi-user after \([0-9.]*\) s.*/\1/p' "$console" | grep . >>"$scratch/times.$1"
}

show_times() { # nbd_client|nbd_attach
	sort -n "$scratch/times.$1" | awk -v name="$1" '{ time[NR] = $1 }
		END { printf "    %s: multi-user after %.1f s (median of %d boots, %.1f to %.1f)\n", name,
			(time[int((NR + 1) / 2)] + time[int(NR / 2) + 1]) / 2, NR, time[1], time[NR] }'
}

check "a Debian system gets nbd-attach" make_root
check "an initramfs is made" make_initrd
[[ -s $scratch/initrd ]] || finish
check "a file system is made" make_image 512
mv "$scratch/image" "$scratch/image.new"

boot_nbd_client
check "nbd-client: the guest boots" says 300 'guest: ready for the outage of nbd-client'
outage
# A test of what the comparison says: if this fails one day, nbd-client has learnt it.
check "nbd-client: its root file system does not survive" says 120 'I/O error.*nbd0|EXT4-fs error'
pause 10
tr -d '\r' <"$console" | grep -aoE 'guest: nbd-client: .*|(I/O error|EXT4-fs error|EXT4-fs .*Remounting).*' |
	sort | uniq -c | sort -rn | head -n 8
ends

boot_nbd_attach
check "nbd-attach: the guest boots" says 300 'guest: ready for outage 1'
outage
check "nbd-attach: the outage ends" says 90 'guest: outage 1 is over'
check "nbd-attach: the kernel saw no error" says 60 'guest: the kernel saw no error'
check "nbd-attach: the root file system stayed writable" said 'guest: the root file system is writable'
check "nbd-attach: the guest powers off" powers_off 60
ends

for ((n = 1; n <= ${BOOTS:-5}; n++)); do
	for program in nbd_client nbd_attach; do
		check "boot $n to multi-user with $program" timed_boot "$program"
	done
done
show_times nbd_client
show_times nbd_attach
finish
