#!/bin/bash
# shellcheck disable=SC1091,SC2016,SC2154 # files and variables are dracut's
# SPDX-License-Identifier: MIT
# A module of dracut: attaches the device of the root file system. It is included only if a file of
# /etc/dracut.conf.d asks for it with add_dracutmodules+=" nbd-attach "; it replaces dracut's own module
# nbd then, which uses nbd-client. Files below /etc/nbd-attach/initramfs, such as keys, come along.

# dracut has a PATH of its own, without /usr/local; `make install` writes its own path here.
nbd_attach_program() {
	local program=/usr/sbin/nbd-attach
	[[ -x $program ]] || program=$(command -v nbd-attach) || program=/usr/sbin/nbd-attach
	echo "$program"
}

# called by dracut
check() {
	require_binaries "$(nbd_attach_program)" || return 1
	return 255
}

# called by dracut
depends() {
	echo network rootfs-block
}

# called by dracut
installkernel() {
	hostonly='' instmods nbd tls af_packet vsock vmw_vsock_virtio_transport aesni-intel gcm \
		chacha20poly1305 tcp_diag unix_diag
}

# Libraries that the program loads itself are named in its notes: a list of what it is linked with
# does not contain them.
install_libraries() {
	local program name path
	program=$(nbd_attach_program)
	while read -r name; do
		path=$(ldconfig -p | awk -v name="$name" '$1 == name { print $NF; exit }')
		if [[ -n $path ]]; then
			inst "$path"
		else
			dwarn "nbd-attach: $name is not installed, and what needs it will not work"
		fi
	done < <(grep -ao '"soname":\["[^"]*"' "$program" | cut -d '"' -f 4 | sort -u)
}

# The processes that read what servers say have this account's rights.
install_account() {
	local account
	account=$(grep '^nbd-attach:' /etc/passwd) || return 0
	mkdir -p "$initdir/etc"
	grep -q '^nbd-attach:' "$initdir/etc/passwd" 2>/dev/null || echo "$account" >>"$initdir/etc/passwd"
}

# What is in an initramfs can be read by everybody who can read its file; dracut's has mode 600.
install_files() {
	local file files=${nbd_attach_files:-/etc/nbd-attach/initramfs}
	[[ -d $files ]] || return 0
	dwarn "nbd-attach: the files of $files are in the initramfs: who can read it has them"
	# A link, too, becomes a file.
	while read -r file; do
		inst_simple "$file"
	done < <(find -L "$files" -type f)
	while read -r file; do
		dwarn "nbd-attach: $file is a link to nothing, and is not in the initramfs"
	done < <(find -L "$files" -type l)
}

# called by dracut
install() {
	inst_multiple sed sleep udevadm modprobe
	# Where nbdroot.sh finds it.
	inst "$(nbd_attach_program)" /usr/sbin/nbd-attach
	install_libraries
	install_account
	install_files
	# Both modules handle the same words of the command line. dracut-ng has its hooks in /var since version 102.
	rm -f "$initdir"/{sbin,usr/sbin,bin,usr/bin}/nbdroot "$initdir/$systemdutildir"/system-generators/dracut-nbd-generator \
		"$initdir"/{usr/lib,lib,var/lib}/dracut/hooks/cmdline/*parse-nbdroot.sh
	inst_simple "$moddir/words.sh" /lib/nbd-attach-words.sh
	inst_hook cmdline 90 "$moddir/parse-nbd-attach.sh"
	inst_script "$moddir/nbdroot.sh" /sbin/nbdroot
	inst_script "$moddir/nbdroot.sh" /sbin/nbdsroot
	if dracut_module_included "systemd"; then
		inst_script "$moddir/generator.sh" "$systemdutildir/system-generators/dracut-nbd-attach-generator"
	fi
	dracut_need_initqueue
}
