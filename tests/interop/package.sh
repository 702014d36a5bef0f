#!/bin/bash
# SPDX-License-Identifier: MIT
# The Debian package: installed, upgraded while a device is attached, removed, purged.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
if [[ ! -d /run/nbd-vm ]]; then
	for version in 0.1 0.2; do
		make -C "$top" --no-print-directory deb DEB_VERSION="$version" >/dev/null || exit 1
	done
	make -C "$top" --no-print-directory deb-nbd-client DEB_VERSION=0.1 >/dev/null || exit 1
fi
in_guest 700
begin 29

deb() { # VERSION
	echo "$top/build/nbd-attach_$1_$(dpkg --print-architecture).deb"
}

nbd_attach=(/usr/sbin/nbd-attach)
sock=$scratch/sock
usual_outages # no file of anybody else is in /etc/nbd-attach
rmdir /etc/nbd-attach
start_server "$sock" nbdkit -f -U "$sock" memory 64M
server=$pid
check "installs" dpkg --install "$(deb 0.1)"
check "the account exists" getent passwd nbd-attach
check "the manual is found" man -w nbd-attach
cp /usr/share/doc/nbd-attach/examples/nbd-attach.conf.example /etc/nbd-attach/data.conf
sed -i "s,^target = .*,unix = $sock," /etc/nbd-attach/data.conf
check "the example configuration attaches" nbd_attach data
check "attached" status_is data device /dev/nbd0
held=$(supervisor nbd0)
check "the workers have that account" wait_for 15 eval '
	ps -o user= --ppid "$held" | grep -qx nbd-attach'
load() { # until $scratch/enough exists
	while [[ ! -e $scratch/enough ]]; do
		pause 0.3 # leaves processor time for dpkg
		writes_and_verifies /dev/nbd0 || return
	done
}
start load
load=$pid
wait_for 30 awk '{ exit !($5 > 100) }' /sys/block/nbd0/stat || not_ok "the load begins" </dev/null
check "upgrades under load" dpkg --install "$(deb 0.2)"
check "upgraded" is "$(dpkg-query -W -f '${Version}' nbd-attach)" 0.2
check "the supervisor still runs" running "$held"
check "the new program knows the device" status_is data device /dev/nbd0
kill_now "$held"
wait_for 5 no_supervisor nbd0
check "the new program takes it over" nbd_attach data
check "the load still runs" running "$load"
touch "$scratch/enough"
check "the load saw no error" wait "$load"

check "removal leaves the device attached and says so" eval '
	dpkg --remove nbd-attach 2>&1 | tee "$scratch/removed" && attached nbd0 &&
	grep -q "/dev/nbd0 stays attached" "$scratch/removed"'
check "removed: the program is gone" test ! -e /usr/sbin/nbd-attach
check "removed: the user's file stays" test -e /etc/nbd-attach/data.conf
check "removed: the device works" dd if=/dev/nbd0 of=/dev/null bs=64k count=1 iflag=direct
check "removed: the printed command detaches the device" \
	eval 'nbd-client -d /dev/nbd0 && wait_for 5 detached nbd0'
link=/etc/systemd/system/nbd-attach.target.wants/nbd-attach@data.service
mkdir -p "${link%/*}"
ln -s /lib/systemd/system/nbd-attach@.service "$link"
check "purges" dpkg --purge nbd-attach
check "purged: the user's file stays" test -e /etc/nbd-attach/data.conf
check "purged: nothing is enabled" test ! -e "${link%/*}"
rm /etc/nbd-attach/data.conf
check "installs again" dpkg --install "$(deb 0.1)"
check "the name nbd-client: replaces Debian's package" \
	dpkg --install "$top/build/nbd-attach-nbd-client_0.1_all.deb"
check "the name nbd-client: runs our program" eval '
	nbd-client -V | grep nbd-attach && ! dpkg-query -W -f "\${db:Status-Status}" nbd-client | grep -x installed'
check "the name nbd-client: attaches and detaches" eval '
	nbd-client -p -u "$sock" /dev/nbd1 && nbd-client -c nbd1 && nbd-client -d nbd1'
check "the name nbd-client: is purged" dpkg --purge nbd-attach-nbd-client
mapfile -t files < <(dpkg -L nbd-attach | grep nbd-attach)
check "purges without a user's file" dpkg --purge nbd-attach
check "purged: no directory is left" test ! -e /etc/nbd-attach
check "purged: no file is left" is "$(ls -d "${files[@]}" 2>/dev/null)" ''
stop "$server"
finish
