#!/bin/sh
# shellcheck disable=SC1091,SC2016,SC2154 # files and variables are dracut's
# SPDX-License-Identifier: MIT
# usage: nbdroot INTERFACE NETROOT NEWROOT: dracut runs it when that interface has an address.
# Attaches the device, waits for its server without end, and says so on the console.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
lib=${lib:-/lib} hookdir=${hookdir:-/lib/dracut/hooks}
command -v getarg >/dev/null || . "$lib/dracut-lib.sh"
. "$lib/nbd-attach-words.sh"

[ -n "$3" ] || exit 1
nbd_is_root "$2" || exit 1
pause=10
if ! nbd_read "$2"; then
	warn "$nbd_no_server"
	exit 1
fi
device=$(nbd_device)
if ! nbd_is_device "$device"; then
	warn "nothing is attached: a device must be nbd0, nbd1 and so on"
	exit 1
fi
[ ! -e "/sys/block/$device/pid" ] || exit 0 # by another interface
[ -z "$nbd_left_out" ] ||
	warn "left out, because only the kernel's command line can say it: $nbd_left_out"

# What the kernel's command line says replaces what is usual here, and what DHCP says.
# shellcheck disable=SC2086 # $own and $options are lists of words
attach() {
	set -f
	own='' options="$nbd_old $(nbd_attach_options)"
	for word in root wait; do
		nbd_is_given "$word" "$options" || own="$own --$word"
	done
	if [ -n "$nbd_export" ] && ! nbd_is_given export "$options"; then
		nbd-attach $own $options --export="$nbd_export" "$device" "$nbd_server"
	else
		nbd-attach $own $options "$device" "$nbd_server"
	fi
	status=$?
	set +f
	return $status
}

# Prints the text as one word of the shell.
quoted() { # TEXT
	printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"
}

# For a root-path of DHCP: what to mount is not known earlier.
mount_later() {
	printf 'mount -t %s -o %s "/dev/%s" "$NEWROOT"\n' "$(quoted "$(nbd_mount_type)")" \
		"$(quoted "$(nbd_mount_options)")" "$device" >"$hookdir/mount/01-nbd-attach.sh"
	printf 'KERNEL=="%s", ENV{DEVTYPE}!="partition", SYMLINK+="root"\n' "$device" \
		>/etc/udev/rules.d/99-nbd-attach-root.rules
	udevadm control --reload
	udevadm trigger --action=change "/sys/block/$device"
	[ -n "$DRACUT_SYSTEMD" ] || return 0
	mkdir -p /run/systemd/system/sysroot.mount.d
	printf '[Mount]\nWhere=/sysroot\nWhat=/dev/root\nType=%s\nOptions=%s\n' "$(nbd_mount_type)" \
		"$(nbd_mount_options)" >/run/systemd/system/sysroot.mount.d/nbd-attach.conf
	systemctl --no-block daemon-reload
}

modprobe nbd
until attach; do
	case $status in
	4 | 5)
		warn "/dev/$device is not attached yet: trying again in $pause s"
		sleep "$pause"
		;;
	*)
		warn "/dev/$device cannot be attached to $nbd_server"
		exit 1
		;;
	esac
done
case $root in
dhcp | dhcp6 | /dev/root | block:/dev/root) mount_later ;;
esac
need_shutdown
exit 0
