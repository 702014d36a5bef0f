#!/bin/bash
# SPDX-License-Identifier: MIT
# The Debian packages, in a system with initramfs-tools and in one with dracut, without a guest: when
# they are installed or removed, dpkg has the initramfs made anew, and it contains the program if a
# configuration file, or the name nbd-client, asks for it.
# shellcheck source=tests/lib.sh disable=SC2119,SC2154,SC2317 # lib.bash sets variables; check() calls functions
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.bash"

begin
need_root_file_system initramfs-tools
for package in deb deb-nbd-client; do
	make -s -C "$top" --no-print-directory "$package" DEB_VERSION=0.1 >/dev/null || exit 1
done
debs=("$top/build/nbd-attach_0.1_$(dpkg --print-architecture).deb" "$top/build/nbd-attach-nbd-client_0.1_all.deb")

unpack() {
	rm -rf "$scratch/root"
	mkdir "$scratch/root"
	tar -xf "$archive" -C "$scratch/root" --exclude='./dev/*' || return
	put_modules "$scratch/root"
	mkdir -p "$scratch/root"/{boot,dev,proc,sys,tmp}
	: >"$scratch/root/boot/vmlinuz-$release"
	echo CONFIG_RD_GZIP=y >"$scratch/root/boot/config-$release"
	cp "${debs[0]}" "$scratch/root/program.deb"
	cp "${debs[1]}" "$scratch/root/name.deb"
}

has_program() {
	in_root "$list" "/boot/initrd.img-$release" >"$scratch/listed" || return
	grep nbd "$scratch/listed"
	grep -q 'sbin/nbd-attach$' "$scratch/listed"
}
has_none() {
	! has_program && grep -q 'bin/udevadm$' "$scratch/listed"
}
has_module() { grep -q '/nbd\.ko' "$scratch/listed"; }

first_initramfs() {
	if [[ $list = lsinitrd ]]; then
		# The module systemd-networkd would need D-Bus.
		printf '%s\n' 'hostonly=no' 'compress="gzip"' 'add_dracutmodules+=" network-legacy "' \
			'omit_dracutmodules+=" i18n plymouth brltty systemd-networkd "' \
			>"$scratch/root/etc/dracut.conf.d/test.conf"
		in_root dracut --quiet --force "/boot/initrd.img-$release" "$release"
	else
		in_root update-initramfs -c -k "$release"
	fi
}

ask() {
	echo NBD_ATTACH=yes >"$scratch/root/etc/initramfs-tools/conf.d/nbd-attach"
}
ask_dracut() {
	echo 'add_dracutmodules+=" nbd-attach "' >"$scratch/root/etc/dracut.conf.d/nbd-attach.conf"
}

list=lsinitramfs
check "initramfs-tools: a system is unpacked" unpack
check "an initramfs is made" first_initramfs
check "nbd-attach is not in it" has_none
check "the package is installed" in_root dpkg --install /program.deb
check "nobody asked for it: it is not in the initramfs" has_none
ask
check "the package is installed again" in_root dpkg --install /program.deb
check "a file asks for it: it is in the initramfs" has_program
check "so is the module" has_module
rm -f "$scratch/root/etc/initramfs-tools/conf.d/nbd-attach"
check "the package of the name nbd-client is installed" in_root dpkg --install /name.deb
check "it is in the initramfs without a file" has_program
check "both are removed" in_root dpkg --remove nbd-attach-nbd-client nbd-attach
check "it is not in the initramfs any more" has_none

list=lsinitrd
archive=$("$boot_here/rootfs" dracut)
case $? in
0) ;;
77)
	skip "the package with dracut" "there is no small Debian system with dracut, and none can be made"
	finish
	;;
*) exit 1 ;;
esac
check "dracut: a system is unpacked" unpack
check "an initramfs is made" first_initramfs
check "nbd-attach is not in it" has_none
ask_dracut
check "the package is installed" in_root dpkg --install /program.deb
check "a file asks for it: it is in the initramfs" has_program
check "so is the module" has_module
rm "$scratch/root/etc/dracut.conf.d/nbd-attach.conf"
check "the package is removed" in_root dpkg --remove nbd-attach
check "it is not in the initramfs any more" has_none
finish
