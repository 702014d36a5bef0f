#!/bin/bash
# SPDX-License-Identifier: MIT
# Several devices at once (--all), and devices that are named by mount point and by link.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 170
begin 28

mnt="$scratch/a mount"
mkdir -p "$mnt" "$scratch/part" "$scratch/none" /dev/disk/by-nbd
for i in 0 1 2; do
	start_server "$scratch/$i" nbdkit -f -U "$scratch/$i" memory 64M
done
check "attaches" eval 'nbd_attach -q nbd0 -u "$scratch/0" --name zero &&
	nbd_attach -q nbd1 -u "$scratch/1" && nbd_attach -q nbd2 -u "$scratch/2"'

# By mount point
mkfs.ext4 -q /dev/nbd0 && mount /dev/nbd0 "$mnt"
echo 'label: dos
start=2048, type=83' | sfdisk -q /dev/nbd1
partprobe /dev/nbd1 2>/dev/null || blockdev --rereadpt /dev/nbd1
check "a partition exists" wait_for 5 test -b /dev/nbd1p1
mkfs.ext4 -q /dev/nbd1p1 && mount /dev/nbd1p1 "$scratch/part"
check "mount point: --check" nbd_attach --check "$mnt"
check "mount point: --status" status_is "$mnt" device /dev/nbd0
check "mount point: --status of a partition" status_is "$scratch/part/" device /dev/nbd1
check "mount point: a relative path" eval 'cd "$scratch" && status_is ./part device /dev/nbd1'
ln -s "$mnt" "$scratch/link"
check "mount point: through a symbolic link" status_is "$scratch/link" device /dev/nbd0
check "mount point: --reconnect" expect_status 0 'every connection is alive' \
	nbd_attach --reconnect "$mnt"
check "mount point: --resize" expect_status 0 'nbd1 has the export.s size' \
	nbd_attach --resize "$scratch/part"
check "mount point: --detach names the mount" expect_status 3 'a mount' nbd_attach --detach "$mnt"
check "not a mount point: is refused" expect_status 1 'nothing is mounted at' \
	nbd_attach --detach "$scratch/none"
check "not an NBD device: is refused" \
	expect_status 1 'is not an NBD device' nbd_attach --detach /proc
check "not an NBD device: --check" expect_status 1 '' nbd_attach --check /proc

# By link
ln -sf ../../nbd2 /dev/disk/by-nbd/two
check "link: leads to its device" status_is /dev/disk/by-nbd/zero device /dev/nbd0
check "link: works without udev, by the name" nbd_attach --check /dev/disk/by-nbd/zero
check "link: an unknown one" expect_status 1 'no attached device is called three' \
	nbd_attach --detach /dev/disk/by-nbd/three
rm -f /dev/disk/by-nbd/two

# --all
check "--status --all: prints all three" is "$(nbd_attach --status --all | grep -c ' attached ')" 3
check "--status --all: prints the same as --status" \
	is "$(nbd_attach --status --all --json | grep -c '"device"')" "$(nbd_attach --status --json | grep -c '"device"')"
nbd-client -unix "$scratch/2" /dev/nbd5 >/dev/null 2>&1
nbd_attach --detach --all >"$scratch/stdout" 2>"$scratch/stderr"
check "--detach --all: exits with the worst status" is $? 3
check "--detach --all: names the mounted device" grep -q 'nbd0.*mount' "$scratch/stderr"
check "--detach --all: names the device of the mounted partition" \
	grep -q 'nbd1.*mount' "$scratch/stderr"
check "--detach --all: names the detached device" grep -q 'nbd2: detached' "$scratch/stderr"
check "--detach --all: prints one sentence for each device" \
	eval 'cat "$scratch/stderr"; is "$(wc -l <"$scratch/stderr")" 3'
check "--detach --all: nbd2 is free" detached nbd2
check "--detach --all: a device of nbd-client's stays" attached nbd5
umount "$mnt" "$scratch/part"
check "--detach --all: succeeds the second time" nbd_attach --detach --all
check "--detach --all: all devices are free" eval 'detached nbd0 && detached nbd1'
check "--detach --all: nothing left to do" expect_status 0 'no device has a supervisor' \
	nbd_attach --detach --all
nbd-client -d /dev/nbd5 >/dev/null 2>&1
finish
