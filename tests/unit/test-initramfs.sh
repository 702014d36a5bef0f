#!/bin/bash
# SPDX-License-Identifier: MIT
# The scripts that attach the root file system in an initramfs of initramfs-tools or dracut: the words that
# nbd-attach gets for what the kernel's command line and DHCP say. tests/boot boots with them.
# shellcheck source=tests/lib.sh disable=SC2016,SC2034,SC2154,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
begin
cd "$top" || exit 1

mkdir -p "$scratch/bin" "$scratch/scripts/local-top" "$scratch/conf"
printf '#!/bin/sh\necho "$*" >"%s"\nexit "$(cat "%s")"\n' "$scratch/words" "$scratch/status" >"$scratch/bin/nbd-attach"
printf '#!/bin/sh\necho 0 >"%s"\n' "$scratch/status" >"$scratch/bin/sleep"
ln -s /bin/true "$scratch/bin/modprobe"
chmod 755 "$scratch"/bin/*
for f in wait_for_udev configure_networking log_warning_msg log_failure_msg; do
	echo "$f() { echo $f \"\$@\"; }"
done >"$scratch/scripts/functions"

boots() { # STATUS of nbd-attach, LINE of the kernel, WORDS of nbd-attach, ROOT
	rm -f "$scratch/words" "$scratch/conf/param.conf"
	echo "$1" >"$scratch/status"
	echo "$2" >"$scratch/cmdline"
	cmdline=$scratch/cmdline scripts=$scratch/scripts conf=$scratch/conf PATH=$scratch/bin:$PATH \
		sh "$top/src/packaging/initramfs-tools/local-top" || return
	cat "$scratch/words" "$scratch/conf/param.conf" 2>/dev/null
	[[ $(cat "$scratch/words" 2>/dev/null) = "$3" && $(cat "$scratch/conf/param.conf" 2>/dev/null) = "$4" ]]
}
check "initramfs: another root is left alone" boots 0 'root=/dev/sda1 ro nbd-attach.read-only' '' ''
check "initramfs: a URI" boots 0 'ro root=nbd://h:1/x?a=b&c quiet' \
	'--root --wait nbd0 nbd://h:1/x?a=b&c' ROOT=/dev/nbd0
check "initramfs: TLS, options and a device" boots 0 \
	'root=nbds://[::1]/* nbd-attach.read-only nbd-attach.relay=yes nbd-attach.name=r nbddev=/dev/nbd3' \
	'--root --wait --read-only --relay --name=r nbd3 nbds://[::1]/*' ROOT=/dev/nbd3
check "initramfs: a URI with an IPv6 zone" boots 0 'root=nbd://[fe80::1%25eth0]/x' \
	'--root --wait nbd0 nbd://[fe80::1%25eth0]/x' ROOT=/dev/nbd0
check "initramfs: a URI, and a file system by its UUID" boots 0 'nbdroot=nbd://h/x root=UUID=1' \
	'--root --wait nbd0 nbd://h/x' ''
check "initramfs: a URI, and a partition" boots 0 'nbdroot=nbd://h/x root=/dev/nbd2p1' \
	'--root --wait nbd2 nbd://h/x' ''
check "initramfs: nbd-client's way" boots 0 'nbdroot=h,x,nbd4 root=UUID=1' \
	'--root --wait nbd4 h x' ''
check "initramfs: nbd-client's way, and a partition" boots 0 'nbdroot=h,x,nbd4 root=/dev/nbd2p1' \
	'--root --wait nbd2 h x' ''
check "initramfs: nbd-client's way, a port" boots 0 'nbdroot=h,2000 root=/dev/nbd0' '--root --wait nbd0 h:2000' ''
check "initramfs: nbd-client's way, as a URL of NFS" boots 0 'nbdroot=h:/x/y root=LABEL=r nbddev=/dev/nbd1' \
	'--root --wait nbd1 h /x/y' ''
check "initramfs: nbd-client's way, a port and an export" boots 0 'nbdroot=h:2000/x root=/dev/nbd0' \
	'--root --wait nbd0 h:2000 x' ''
check "initramfs: nbd-client's way, an IPv6 address" boots 0 'nbdroot=[fe80::1%eth0]:/x root=/dev/nbd0' \
	'--root --wait nbd0 [fe80::1%eth0] /x' ''
check "initramfs: nbd-client's way, an IPv6 address, a port and an export" boots 0 \
	'nbdroot=[::1]:2000/x root=/dev/nbd0' '--root --wait nbd0 [::1]:2000 x' ''
export ROOTPATH=192.0.2.7:2000/d ROOTSERVER=192.0.2.8
check "initramfs: the root-path of DHCP" boots 0 'nbdroot=dhcp root=/dev/nbd0p1' \
	'--root --wait nbd0 192.0.2.7:2000 d' ''
check "initramfs: the root-path of DHCP, by its device alone" boots 0 'root=/dev/nbd5' \
	'--root --wait nbd5 192.0.2.7:2000 d' ''
check "initramfs: the server of DHCP" boots 0 'nbdroot=/x root=/dev/nbd0' '--root --wait nbd0 192.0.2.8 /x' ''
check "initramfs: the server of DHCP, by name" boots 0 'nbdroot=dhcp,x,nbd0' '--root --wait nbd0 192.0.2.8 x' ''
ROOTPATH=nbds://h/d
check "initramfs: a URI of DHCP" boots 0 'nbdroot=dhcp root=UUID=1' '--root --wait nbd0 nbds://h/d' ''
unset ROOTPATH ROOTSERVER
check "initramfs: no server is an error, and nothing is attached" eval '
	boots 0 "nbdroot=dhcp root=/dev/nbd0" "" "" | grep "names a server"'
check "initramfs: a server that is not there is tried again" boots 4 'root=nbd://h/' \
	'--root --wait nbd0 nbd://h/' ROOT=/dev/nbd0
check "initramfs: what never works is not" boots 2 'root=nbd://h/' '--root --wait nbd0 nbd://h/' ''
touch "$scratch/scripts/local-top/nbd"
check "initramfs: nbd-client's script attaches what is meant for it" boots 0 'nbdroot=h,x,nbd4' '' ''
check "initramfs: and not what is not" boots 0 'root=nbd://h/' '--root --wait nbd0 nbd://h/' ROOT=/dev/nbd0

dracut=$top/src/packaging/dracut
mkdir -p "$scratch/lib" "$scratch/hooks/mount"
cat >"$scratch/lib/dracut-lib.sh" <<'END'
getcmdline() { cat "$cmdline"; }
getarg() {
	local word found=1
	for word in $(cat "$cmdline"); do
		case $1=$word in
		*==*) [ "${word#"$1"}" != "$word" ] || continue ;;
		*) [ "$word" = "$1" ] || continue ;;
		esac
		value=${word#"$1"} found=0
	done
	[ $found = 1 ] || echo "$value"
	return $found
}
warn() { echo "warning: $*"; }
need_shutdown() { :; }
getargs() {
	local word
	for word in $(cat "$cmdline"); do
		case $word in "$1"*) echo "${word#"$1"}" ;; esac
	done
}
END
cp "$dracut/words.sh" "$scratch/lib/nbd-attach-words.sh"
netroot() { # STATUS of nbd-attach, ROOT of the network, LINE of the kernel, WORDS of nbd-attach
	rm -f "$scratch/words"
	echo "$1" >"$scratch/status"
	echo "$3" >"$scratch/cmdline"
	cmdline=$scratch/cmdline lib=$scratch/lib hookdir=$scratch/hooks PATH=$scratch/bin:$PATH \
		sh -c 'sed "s/^PATH=.*//" "$1" >"$2"; shift; exec sh "$@"' - "$dracut/nbdroot.sh" \
		"$scratch/nbdroot" eth0 "$2" /sysroot
	is "$(cat "$scratch/words" 2>/dev/null)" "$4"
}
check "dracut: a URI and options" netroot 0 'nbds://[::1]/*' \
	'nbd-attach.read-only nbd-attach.relay=yes nbd-attach.name=r nbddev=/dev/nbd93' \
	'--root --wait --read-only --relay --name=r nbd93 nbds://[::1]/*'
check "dracut: a host and an export" netroot 0 nbd:h:x 'nbddev=nbd93' '--root --wait nbd93 h x'
check "dracut: an address, a type, flags, options" netroot 0 \
	'nbd:[fe80::1%eth0]:x:ext4:noatime:-persist,connections=2,bs=512' 'root=/dev/nbd93p1' \
	'--root --wait --connections=2 nbd93 [fe80::1%eth0] x'
check "dracut: a port" netroot 0 nbd:h:2000 nbddev=nbd93 '--root --wait nbd93 h:2000'
check "dracut: a port and an export" netroot 0 nbd:h:2000/a/b nbddev=nbd93 '--root --wait nbd93 h:2000 a/b'
check "dracut: a server that is not there is tried again" netroot 4 nbd:h:x nbddev=nbd93 \
	'--root --wait nbd93 h x'
check "dracut: what never works is not" eval '! netroot 2 nbd:h:x nbddev=nbd93 ""'
check "dracut: another network root is left alone" netroot 0 nfs:h:x '' ''

# Sources the script as dracut does; $netroot is the root-path of DHCP or empty.
parses() { # LINE of the kernel, NETROOT and ROOT afterwards
	echo "$1" >"$scratch/cmdline"
	mkdir -p "$scratch"/hooks/initqueue/{finished,settled}
	: >"$scratch/hooks/initqueue/settled/60-networkd-run.sh"
	sed "s,/lib/,$scratch/lib/," "$dracut/parse-nbd-attach.sh" >"$scratch/parse"
	is "$(cmdline=$scratch/cmdline hookdir=$scratch/hooks PATH=$scratch/bin:$PATH \
		sh -c '. "$1/lib/dracut-lib.sh"; netroot=$2; . "$1/parse"; echo "$netroot $root $rootok"' - \
		"$scratch" "${dhcp:-}")" "$2"
}
dhcp=''
check "dracut: the command line: a URI with an IPv6 zone" parses 'root=nbd://[fe80::1%25eth0]/x' \
	'nbd://[fe80::1%25eth0]/x block:/dev/nbd0 1'
check "dracut: the command line: the file system by its UUID" parses 'root=UUID=1 netroot=nbd://h/x' \
	'nbd://h/x UUID=1 1'
check "dracut: the command line: the file system by its label" parses 'netroot=nbd:h:x root=LABEL=r' \
	'nbd:h:x LABEL=r 1'
check "dracut: the command line: a logical volume" parses 'netroot=nbds://h/ root=/dev/mapper/v-root' \
	'nbds://h/ /dev/mapper/v-root 1'
check "dracut: the command line: another root" parses 'root=UUID=1' ' UUID=1 '
check "dracut: the command line: before DHCP has answered" parses 'root=dhcp' ' dhcp '
dhcp=nbd:192.0.2.7:x:ext4
check "dracut: the command line: when DHCP has answered" parses 'root=dhcp' 'nbd:192.0.2.7:x:ext4 dhcp 1'

generates() { # LINE of the kernel, TEXT of sysroot.mount
	rm -rf "$scratch/early"
	echo "$1" >"$scratch/cmdline"
	sed "s,/lib/,$scratch/lib/,; 4i . $scratch/lib/dracut-lib.sh" "$dracut/generator.sh" >"$scratch/generator"
	cmdline=$scratch/cmdline sh "$scratch/generator" "$scratch/normal" "$scratch/early" "$scratch/late" || return
	is "$(grep -Ev '^#|^$' "$scratch/early/sysroot.mount" 2>/dev/null | tr '\n' ' ')" "$2"
}
mount='[Unit] Before=initrd-root-fs.target [Mount] Where=/sysroot What=/dev/nbd0'
check "dracut: systemd mounts the device" generates 'root=nbd://h/x ro rootfstype=xfs' \
	"$mount Type=xfs Options=ro "
check "dracut: with the type and the flags that root= names" generates \
	'root=nbd:h:x:ext2:errors=panic rw rootfstype=xfs rootflags=noatime' \
	"$mount Type=ext2 Options=errors=panic,rw "
check "dracut: systemd mounts no other root" generates 'root=/dev/sda1 netroot=nbd:h:x' ''

finish
