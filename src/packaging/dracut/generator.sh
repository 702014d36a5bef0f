#!/bin/sh
# shellcheck disable=SC1091,SC2016,SC2154 # files and variables are dracut's
# SPDX-License-Identifier: MIT
# A generator of systemd in the initramfs: for root=nbd..., which systemd does not know, mounts the
# device, however late its server comes.
command -v getarg >/dev/null || . /lib/dracut-lib.sh
. /lib/nbd-attach-words.sh

root=$(getarg root=)
to=$2
nbd_is_root "$root" && [ -n "$to" ] || exit 0

nbd_read "$root" || exit 0
device=$(nbd_device)
nbd_is_device "$device" || exit 0
mkdir -p "$to/initrd-root-fs.target.requires" "$to/dev-$device.device.d"
cat >"$to/sysroot.mount" <<END
# Made by ${0##*/} for root=$root
[Unit]
Before=initrd-root-fs.target

[Mount]
Where=/sysroot
What=/dev/$device
Type=$(nbd_mount_type)
Options=$(nbd_mount_options)
END
ln -sf ../sysroot.mount "$to/initrd-root-fs.target.requires/sysroot.mount"
printf '[Unit]\nJobTimeoutSec=infinity\nJobRunningTimeoutSec=infinity\n' >"$to/dev-$device.device.d/timeout.conf"
exit 0
