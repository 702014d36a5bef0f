#!/bin/sh
# shellcheck disable=SC1091,SC2016,SC2154 # files and variables are dracut's
# SPDX-License-Identifier: MIT
# Sourced while dracut reads the kernel's command line, and again when DHCP has delivered a
# root-path: sets netroot, for which dracut sets up the network and runs nbdroot; and root, rootok,
# fstype and rflags, if the file system is on the device itself.

. /lib/nbd-attach-words.sh

[ -n "$root" ] || root=$(getarg root=)
if nbd_is_root "$root"; then
	netroot=$root
elif [ -z "$netroot" ]; then
	for word in $(getargs netroot=); do
		nbd_is_root "$word" && netroot=$word
	done
fi
nbd_is_root "$netroot" || return 0

nbd_read "$netroot" || die "$nbd_no_server"
device=$(nbd_device)
nbd_is_device "$device" || die "nothing is attached: a device must be nbd0, nbd1 and so on"
modprobe nbd || die "This initramfs has no nbd module for this kernel"
if [ -z "$root" ] || nbd_is_root "$root"; then
	root=block:/dev/$device
	# shellcheck disable=SC2034
	[ -z "$nbd_fstype" ] || fstype=$nbd_fstype
	# shellcheck disable=SC2034
	rflags=$(nbd_mount_options)
fi
# shellcheck disable=SC2034
rootok=1
# shellcheck disable=SC2154
echo "[ -e /sys/block/$device/pid ]" >"$hookdir/initqueue/finished/nbd-attach.sh"

# These need no network, and systemd-networkd runs apart from dracut, which does not hear of it
# before version 060: nbd-attach waits for it.
if nbd_is_local "$netroot" || { command -v networkctl >/dev/null &&
	! ls "$hookdir"/initqueue/settled/*networkd-run.sh >/dev/null 2>&1; }; then
	# shellcheck disable=SC2016
	printf '/sbin/nbdroot none "$(cat /tmp/nbd-attach.netroot)" "$NEWROOT"\n' \
		>"$hookdir/initqueue/settled/nbd-attach.sh"
	printf '%s\n' "$netroot" >/tmp/nbd-attach.netroot
	! nbd_is_local "$netroot" || unset netroot
fi
return 0
