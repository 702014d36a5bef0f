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
nbd_read "$2"
device=$(nbd_device)
[ ! -e "/sys/block/$device/pid" ] || exit 0 # by another interface

# shellcheck disable=SC2046 # words
attach() {
	set -f
	if [ -n "$nbd_export" ]; then
		nbd-attach --root --wait $(nbd_old_options "$nbd_words") $(nbd_attach_options) \
			"$device" "$nbd_server" "$nbd_export"
	else
		nbd-attach --root --wait $(nbd_old_options "$nbd_words") $(nbd_attach_options) \
			"$device" "$nbd_server"
	fi
	status=$?
	set +f
	return $status
}

# For a root-path of DHCP: what to mount is not known earlier.
mount_later() {
	printf 'mount -t "%s" -o "%s" "/dev/%s" "$NEWROOT"\n' "${nbd_fstype:-auto}" \
		"$(nbd_mount_options)" "$device" >"$hookdir/mount/01-nbd-attach.sh"
	printf 'KERNEL=="%s", ENV{DEVTYPE}!="partition", SYMLINK+="root"\n' "$device" \
		>/etc/udev/rules.d/99-nbd-attach-root.rules
	udevadm control --reload
	udevadm trigger --action=change "/sys/block/$device"
	[ -n "$DRACUT_SYSTEMD" ] || return 0
	mkdir -p /run/systemd/system/sysroot.mount.d
	printf '[Mount]\nWhere=/sysroot\nWhat=/dev/root\nType=%s\nOptions=%s\n' "${nbd_fstype:-auto}" \
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
