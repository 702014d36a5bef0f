#!/bin/bash
# SPDX-License-Identifier: MIT
# A guest boots from a logical volume on LUKS on a partition of a device, by an initramfs of
# initramfs-tools or, with the argument dracut, of dracut. The server is killed and started again before
# the change to the real root, afterwards, and when the unit has taken over. The initramfs has the key of
# LUKS: a hook of this test puts it there; dracut's has it because it is below /etc/nbd-attach/initramfs,
# and rd.luks.key= names it. The disk is made, and looked at afterwards, in guests, because this machine
# may lack the device mapper.
# shellcheck source=tests/lib.sh disable=SC2016,SC2034,SC2119,SC2154,SC2317 # the guest expands; check() calls functions
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.bash"

uuid=0b2d5f6e-3c7a-4a41-9a55-0c4f6a1f7a10

# These two run in a guest of tests/vm/run, where no udev is.
open_disk() { # PORT
	export DM_DISABLE_UDEV=1
	modprobe -a dm-crypt virtio_net && wait_for 10 test -e /sys/class/net/eth0 &&
		ip link set eth0 up && ip address add 10.0.2.15/24 dev eth0 &&
		nbd_attach nbd0 10.0.2.2 -p "$1"
}

opened() { # KEY; opens the encrypted device
	cryptsetup open --key-file "$1" /dev/nbd0p1 crypt
}

make_disk() { # PORT KEY IMAGE
	set -ex
	open_disk "$1"
	printf 'label: gpt\nstart=2048\n' | sfdisk -q --no-reread --no-tell-kernel /dev/nbd0
	blockdev --rereadpt /dev/nbd0
	wait_for 10 test -b /dev/nbd0p1
	cryptsetup luksFormat -q --uuid "$uuid" --key-file "$2" --pbkdf pbkdf2 --pbkdf-force-iterations 1000 \
		/dev/nbd0p1
	opened "$2"
	pvcreate -qq /dev/mapper/crypt
	vgcreate -qq stack /dev/mapper/crypt
	lvcreate -qq -y -Zn -Wn -l 100%FREE -n root stack
	dd if="$3" of=/dev/mapper/stack-root bs=4M oflag=direct
	close_disk
}

look_at_disk() { # PORT KEY
	set -ex
	open_disk "$1"
	wait_for 10 test -b /dev/nbd0p1
	opened "$2"
	vgchange -qq -ay stack
	e2fsck -fn /dev/mapper/stack-root
	[[ $(debugfs -R 'cat /done' /dev/mapper/stack-root 2>/dev/null) = "done" ]]
	close_disk
}

close_disk() {
	vgchange -qq -an stack
	cryptsetup close crypt
	nbd_attach -d nbd0
}

case ${1:-} in
make_disk | look_at_disk)
	"$@"
	exit
	;;
esac

begin_boot systemd
# The guest sees what is below the tree; its /tmp is another one.
shown=$(mktemp -d "$top/build/luks.XXXXXX")
trap 'rm -rf "$shown"; tidy_up' EXIT

in_a_guest() { # COMMAND WORD...
	NBD_VM_NET=1 "$top/tests/vm/run" -t 300 "$(readlink -f "$0")" "$@"
}

# What /etc/crypttab and update-initramfs do on a machine whose devices are there.
put_key() {
	local to=$scratch/root
	echo 'CRYPTSETUP=y' >>"$to/etc/cryptsetup-initramfs/conf-hook"
	cat >"$to/etc/initramfs-tools/hooks/zz-crypt" <<-END
		#!/bin/sh
		[ "\$1" != prereqs ] || exit 0
		mkdir -p "\$DESTDIR/cryptroot/keyfiles"
		cp /etc/key "\$DESTDIR/cryptroot/keyfiles/crypt.key"
		echo 'crypt UUID=$uuid /cryptroot/keyfiles/crypt.key luks' >"\$DESTDIR/cryptroot/crypttab"
	END
	chmod 755 "$to/etc/initramfs-tools/hooks/zz-crypt"
	printf '%s\n' dm-mod dm-crypt xts aes_generic sha256 algif_skcipher >>"$to/etc/initramfs-tools/modules"
	cp "$shown/key" "$to/etc/key"
}

put_key_for_dracut() {
	install -D -m 600 "$shown/key" "$scratch/root$key"
}

key=/etc/nbd-attach/initramfs/luks.key
make=make_initrd put=put_key server_word=nbdroot words=()
said_of_crypt='cryptsetup: crypt: set up successfully'
if [[ ${1:-} = dracut ]]; then
	make=make_dracut_initrd put=put_key_for_dracut server_word=netroot
	said_of_crypt='Finished .*Cryptography Setup for crypt'
	words=("rd.luks.name=$uuid=crypt" "rd.luks.key=$uuid=$key" rd.lvm.vg=stack systemd.show_status=yes)
fi
head -c 64 /dev/urandom >"$shown/key"
prepare() {
	"$put" && "$make"
}

check "a Debian system gets nbd-attach" make_root
check "an initramfs is made" prepare
[[ -s $scratch/initrd ]] || finish
[[ $put = put_key ]] || check "the initramfs has the key" grep -q "^${key#/}\$" "$scratch/listed"
check "a file system is made" make_image 480
mv "$scratch/image" "$shown/image"
truncate -s 512M "$scratch/image"
serve "$port"
check "it is put on a logical volume on LUKS on a partition" in_a_guest make_disk "$port" "$shown/key" "$shown/image"
((failed == 0)) || finish

boot "$scratch/initrd" "$server_word=nbd://10.0.2.2:$port/" root=/dev/mapper/stack-root rw rootfstype=ext4 outages=1 \
	net.ifnames=0 ip=10.0.2.15::10.0.2.2:255.255.255.0::eth0:off nbd-attach.peer-timeout=10 "${words[@]}"
check "the root file system is mounted" says 300 'guest: root is mounted'
check "the encrypted device has been opened" said "$said_of_crypt"
outage
check "an outage before the change of root ends" says 120 'guest: read after the first outage'
# In the place of lib.bash's, for check_load().
check_image() {
	check "the file system is clean, and its last file complete" \
		in_a_guest look_at_disk "$port" "$shown/key"
	kill_now "$server"
}
check_load 1
finish
