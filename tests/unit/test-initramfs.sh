#!/bin/bash
# SPDX-License-Identifier: MIT
# The scripts that attach the root file system in an initramfs of initramfs-tools or dracut: the words that
# nbd-attach gets for what the kernel's command line and DHCP say. tests/boot boots with them.
# shellcheck source=tests/lib.sh disable=SC2016,SC2034,SC2154,SC2031,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
begin
cd "$top" || exit 1

mkdir -p "$scratch/bin" "$scratch/scripts/local-top" "$scratch/conf" "$scratch/lib" "$scratch/hooks/mount" \
	"$scratch/etc/udev/rules.d"
cat >"$scratch/bin/nbd-attach" <<END
#!/bin/sh
echo "\$*" >"$scratch/words"
printf '%s\n' "\$@" >"$scratch/word-by-word"
exit "\$(cat "$scratch/status")"
END
printf '#!/bin/sh\necho 0 >"%s"\n' "$scratch/status" >"$scratch/bin/sleep"
printf '#!/bin/sh\ntouch "%s"\n' "$scratch/came-in" >"$scratch/bin/intruder"
for name in modprobe udevadm systemctl; do
	ln -s /bin/true "$scratch/bin/$name"
done
chmod 755 "$scratch"/bin/{nbd-attach,sleep,intruder}
for f in wait_for_udev configure_networking log_warning_msg log_failure_msg; do
	echo "$f() { echo $f \"\$@\"; }"
done >"$scratch/scripts/functions"

boots() { # STATUS of nbd-attach, LINE of the kernel, WORDS of nbd-attach, ROOT
	rm -f "$scratch"/word* "$scratch/conf/param.conf"
	echo "$1" >"$scratch/status"
	echo "$2" >"$scratch/cmdline"
	cmdline=$scratch/cmdline scripts=$scratch/scripts conf=$scratch/conf PATH=$scratch/bin:${programs:-$PATH} \
		sh "$top/src/packaging/initramfs-tools/local-top" || return
	cat "$scratch/words" "$scratch/conf/param.conf" 2>/dev/null
	[[ $(cat "$scratch/words" 2>/dev/null) = "$3" && $(cat "$scratch/conf/param.conf" 2>/dev/null) = "$4" ]]
}

# After boots() or netroot(): what the program itself makes of the words that it got.
understood() { # LINE of --show-config
	local words
	mapfile -t words <"$scratch/word-by-word"
	nbd_attach --show-config "${words[@]}" | tee /dev/stderr | grep -qxF -- "$1"
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
check "initramfs: a URI with parameters" boots 0 'root=nbd+unix:///x?socket=/s' \
	'--root --wait nbd0 nbd+unix:///x?socket=/s' ROOT=/dev/nbd0
check "initramfs: nbd-client's way" boots 0 'nbdroot=h,x,nbd4 root=UUID=1' \
	'--root --wait --export=x nbd4 h' ''
check "initramfs: nbd-client's way, and a partition" boots 0 'nbdroot=h,x,nbd4 root=/dev/nbd2p1' \
	'--root --wait --export=x nbd2 h' ''
check "initramfs: nbd-client's way, a port" boots 0 'nbdroot=h,2000 root=/dev/nbd0' '--root --wait nbd0 h:2000' ''
check "initramfs: nbd-client's way, as a URL of NFS" boots 0 'nbdroot=h:/x/y root=LABEL=r nbddev=/dev/nbd1' \
	'--root --wait --export=/x/y nbd1 h' ''
check "initramfs: nbd-client's way, a port and an export" boots 0 'nbdroot=h:2000/x root=/dev/nbd0' \
	'--root --wait --export=x nbd0 h:2000' ''
check "initramfs: nbd-client's way, an IPv6 address" boots 0 'nbdroot=[fe80::1%eth0]:/x root=/dev/nbd0' \
	'--root --wait --export=/x nbd0 [fe80::1%eth0]' ''
check "initramfs: nbd-client's way, an IPv6 address, a port and an export" boots 0 \
	'nbdroot=[::1]:2000/x root=/dev/nbd0' '--root --wait --export=x nbd0 [::1]:2000' ''

check "initramfs: options that are given anyway" boots 0 'root=nbd://h/ nbd-attach.wait=60 nbd-attach.root' \
	'--wait=60 --root nbd0 nbd://h/' ROOT=/dev/nbd0
check "initramfs: the program understands them" understood 'wait = 60'
check "initramfs: options that are taken back" boots 0 'root=nbd://h/ nbd-attach.no-wait nbd-attach.no-root' \
	'--no-wait --no-root nbd0 nbd://h/' ROOT=/dev/nbd0
check "initramfs: the program understands that" understood 'target = nbd://h/'
check "initramfs: an export that is given twice" boots 0 'nbdroot=h,x,nbd4 nbd-attach.export=y' \
	'--root --wait --export=y nbd4 h' ''
check "initramfs: the program understands that, too" understood 'target = nbd://h/y'

export ROOTPATH=192.0.2.7:2000/d ROOTSERVER=192.0.2.8
check "initramfs: the root-path of DHCP" boots 0 'nbdroot=dhcp root=/dev/nbd0p1' \
	'--root --wait --export=d nbd0 192.0.2.7:2000' ''
check "initramfs: the root-path of DHCP, by its device alone" boots 0 'root=/dev/nbd5' \
	'--root --wait --export=d nbd5 192.0.2.7:2000' ''
check "initramfs: the server of DHCP" boots 0 'nbdroot=/x root=/dev/nbd0' '--root --wait --export=/x nbd0 192.0.2.8' ''
check "initramfs: the server of DHCP, by name" boots 0 'nbdroot=dhcp,x,nbd0' '--root --wait --export=x nbd0 192.0.2.8' ''
ROOTPATH=nbds://u@h:1/d%20d
check "initramfs: a URI of DHCP" boots 0 'nbdroot=dhcp root=UUID=1' '--root --wait nbd0 nbds://u@h:1/d%20d' ''

says_of_dhcp() { # ROOTPATH, WORDS of nbd-attach, TEXT that the console gets or ''
	local said
	said=$(ROOTPATH=$1 boots 0 'nbdroot=dhcp root=UUID=1 nbd-attach.tls nbd-attach.tls-ca=/c' "$2" '') || return
	echo "$said"
	[[ $said = *"$3"* && ($3 || $said != *log_*) ]]
}
tls='--root --wait --tls --tls-ca=/c'
check "initramfs: DHCP's export is not an option" says_of_dhcp 'h,--exec=intruder,nbd0' \
	"$tls --export=--exec=intruder nbd0 h" ''
check "initramfs: the program agrees" understood 'target = nbds://h/--exec%3Dintruder'
check "initramfs: DHCP's export is one word" says_of_dhcp 'h,x [ intruder ],nbd0' \
	"$tls --export=x [ intruder ] nbd0 h" ''
check "initramfs: the program agrees again" understood 'target = nbds://h/x%20%5B%20intruder%20%5D'
for server in --exec=intruder,x,nbd0 '[,intruder ],nbd0' '$(intruder),x,nbd0' 'h h,x,nbd0' nbd+unix:///x?socket=/s \
	nbds+vsock://1/x NBD+UNIX:///x?socket=/s file:///x 'nbd://h/$(intruder)' /x,y,nbd0 nbd+unix:x; do
	check "initramfs: DHCP cannot name the server $server" says_of_dhcp "$server" '' 'that is not a server'
done
for device in sda --exec=intruder nbd 'nbd0;intruder' nbdx; do
	check "initramfs: DHCP cannot name the device $device" says_of_dhcp "h,x,$device" '' 'a device must be'
done
check "initramfs: DHCP cannot switch off TLS's checks" says_of_dhcp \
	'nbds://h/x?tls-verify-peer=0&tls-certificates=/x' "$tls nbd0 nbds://h/x" 'the parameters of the URI'
check "initramfs: nothing of DHCP's was run" test ! -e "$scratch/came-in"
ROOTPATH=h,x,nbd0
check "initramfs: the command line's export is used instead of DHCP's" boots 0 \
	'nbdroot=dhcp root=UUID=1 nbd-attach.export=y' '--root --wait --export=y nbd0 h' ''
unset ROOTPATH ROOTSERVER
check "initramfs: no server is an error, and nothing is attached" eval '
	boots 0 "nbdroot=dhcp root=/dev/nbd0" "" "" | grep "names a server"'
check "initramfs: a server that is not there is tried again" boots 4 'root=nbd://h/' \
	'--root --wait nbd0 nbd://h/' ROOT=/dev/nbd0
check "initramfs: what never works is not" boots 2 'root=nbd://h/' '--root --wait nbd0 nbd://h/' ''
check "initramfs: without the program it says so, and does not wait" eval '
	mv "$scratch/bin/nbd-attach" "$scratch/bin/gone"
	boots 0 "root=nbd://h/" "" "" | grep "log_failure_msg nothing is attached: nbd-attach is not in this initramfs"
	good=$?; mv "$scratch/bin/gone" "$scratch/bin/nbd-attach"; ((good == 0))'
# The programs that klibc has, of which the script uses these. ipconfig wrote the files.
mkdir "$scratch/klibc" "$scratch/net"
ln -s /bin/cat /bin/sh "$scratch/klibc/"
printf "DEVICE='eth0'\nIPV4DNS0='192.0.2.53'\nIPV4DNS1='0.0.0.0'\n" >"$scratch/net/net-eth0.conf"
printf "IPV4DNS0=192.0.2.54\nIPV4DNS1='\$(intruder)'\n" >"$scratch/net/net-eth1.conf"
check "initramfs: without busybox names are looked up, too" eval '
	programs=$scratch/klibc net_confs=$scratch/net resolv_conf=$scratch/resolv.conf \
		boots 0 "root=nbd://h.example/" "--root --wait nbd0 nbd://h.example/" ROOT=/dev/nbd0 >"$scratch/said" 2>&1 &&
	! grep "not found" "$scratch/said" &&
	is "$(cat "$scratch/resolv.conf")" "nameserver 192.0.2.53
nameserver 192.0.2.54" && test ! -e "$scratch/came-in"'
check "initramfs: what is in the file already stays" eval '
	net_confs=$scratch/net resolv_conf=$scratch/cmdline boots 0 "root=nbd://h/" "--root --wait nbd0 nbd://h/" ROOT=/dev/nbd0 &&
	is "$(cat "$scratch/cmdline")" "root=nbd://h/"'
mkdir "$scratch/domains"
printf "DNSDOMAIN='example.org'\nDOMAINSEARCH='a.example.org example.org b_c.example'\nIPV4DNS0='192.0.2.53'\n" \
	>"$scratch/domains/net-eth0.conf"
printf "DNSDOMAIN=''\nDOMAINSEARCH='x.org\$(intruder)'\n" >"$scratch/domains/net-eth1.conf"
check "initramfs: a short name is looked up in the domains of DHCP" eval '
	programs=$scratch/klibc net_confs=$scratch/domains resolv_conf=$scratch/resolv.conf2 \
		boots 0 "root=nbd://h/" "--root --wait nbd0 nbd://h/" ROOT=/dev/nbd0 >"$scratch/said" 2>&1 &&
	is "$(cat "$scratch/resolv.conf2")" "nameserver 192.0.2.53
search example.org a.example.org b_c.example" && test ! -e "$scratch/came-in"'
touch "$scratch/scripts/local-top/nbd"
check "initramfs: nbd-client's script attaches what is meant for it" boots 0 'nbdroot=h,x,nbd4' '' ''
check "initramfs: and not what is not" boots 0 'root=nbd://h/' '--root --wait nbd0 nbd://h/' ROOT=/dev/nbd0

dracut=$top/src/packaging/dracut
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
die() { echo "dies: $*"; exit 1; }
need_shutdown() { :; }
getargs() {
	local word
	for word in $(cat "$cmdline"); do
		case $word in "$1"*) echo "${word#"$1"}" ;; esac
	done
}
END
cp "$dracut/words.sh" "$scratch/lib/nbd-attach-words.sh"

# Without $dhcp the kernel's command line has ROOT, too.
netroot() { # STATUS of nbd-attach, ROOT of the network, LINE of the kernel, WORDS of nbd-attach
	rm -f "$scratch"/word* "$scratch"/hooks/mount/*
	echo "$1" >"$scratch/status"
	echo "$3 ${dhcp:-netroot=$2}" >"$scratch/cmdline"
	sed "s/^PATH=.*//; s,/etc/udev,$scratch&,; s,/run/systemd,$scratch&," "$dracut/nbdroot.sh" >"$scratch/nbdroot"
	cmdline=$scratch/cmdline lib=$scratch/lib hookdir=$scratch/hooks PATH=$scratch/bin:$PATH \
		root=${dhcp#root=} DRACUT_SYSTEMD=1 sh "$scratch/nbdroot" eth0 "$2" /sysroot
	is "$(cat "$scratch/words" 2>/dev/null)" "$4"
}
dhcp=''
check "dracut: a URI and options" netroot 0 'nbds://[::1]/*' \
	'nbd-attach.read-only nbd-attach.relay=yes nbd-attach.name=r nbddev=/dev/nbd93' \
	'--root --wait --read-only --relay --name=r nbd93 nbds://[::1]/*'
check "dracut: a host and an export" netroot 0 nbd:h:x 'nbddev=nbd93' '--root --wait --export=x nbd93 h'
check "dracut: an address, a type, flags, options" netroot 0 \
	'nbd:[fe80::1%eth0]:x:ext4:noatime:-persist,connections=2,bs=512' 'root=/dev/nbd93p1' \
	'--root --wait --connections=2 --export=x nbd93 [fe80::1%eth0]'
check "dracut: a port" netroot 0 nbd:h:2000 nbddev=nbd93 '--root --wait nbd93 h:2000'
check "dracut: a port and an export" netroot 0 nbd:h:2000/a/b nbddev=nbd93 '--root --wait --export=a/b nbd93 h:2000'
check "dracut: a server that is not there is tried again" netroot 4 nbd:h:x nbddev=nbd93 \
	'--root --wait --export=x nbd93 h'
check "dracut: what never works is not" eval '! netroot 2 nbd:h:x nbddev=nbd93 ""'
check "dracut: another network root is left alone" netroot 0 nfs:h:x '' ''
check "dracut: any option of the command line" netroot 0 nbd:h:x:::tls,tls-ca=/c,-name=r nbddev=nbd93 \
	'--root --wait --tls --tls-ca=/c --name=r --export=x nbd93 h'
check "dracut: options that are given anyway" netroot 0 nbd:h:x \
	'nbddev=nbd93 nbd-attach.wait=60 nbd-attach.root nbd-attach.export=y' '--wait=60 --root --export=y nbd93 h'
check "dracut: the program understands them" understood 'wait = 60'
check "dracut: options that are given anyway, in the old way" netroot 0 nbd:h:x:::wait=60,root nbddev=nbd93 \
	'--wait=60 --root --export=x nbd93 h'
check "dracut: the program understands these, too" understood 'wait = 60'
check "dracut: options that are taken back" netroot 0 nbd:h:x 'nbddev=nbd93 nbd-attach.no-wait' \
	'--root --no-wait --export=x nbd93 h'
check "dracut: options in both ways" netroot 0 nbd:h:x:::readonly,connections=2,name=r,watch-size=1 \
	'nbddev=nbd93 nbd-attach.read-only nbd-attach.connections=3 nbd-attach.no-watch-size' \
	'--root --wait --name=r --read-only --connections=3 --no-watch-size --export=x nbd93 h'
check "dracut: the program understands that" understood 'connections = 3'
check "dracut: what is not a device is refused" eval \
	'netroot 0 nbd:h:x nbddev=sda "" | grep "a device must be"'

dhcp=root=dhcp
check "dracut: DHCP: a host, an export, a type, flags, options" netroot 0 \
	nbd:h:x:ext4:noatime,ro:readonly,tls,connections=2,block-size=4096,persist nbddev=nbd93 \
	'--root --wait --read-only --tls --connections=2 --block-size=4096 --export=x nbd93 h'
check "dracut: DHCP: what is mounted" is "$(cat "$scratch/hooks/mount/01-nbd-attach.sh")" \
	"mount -t 'ext4' -o 'noatime,ro' \"/dev/nbd93\" \"\$NEWROOT\""
check "dracut: DHCP: what systemd mounts" is \
	"$(tr '\n' ' ' <"$scratch/run/systemd/system/sysroot.mount.d/nbd-attach.conf")" \
	'[Mount] Where=/sysroot What=/dev/root Type=ext4 Options=noatime,ro '
check "dracut: DHCP: an IPv6 address and a port" netroot 0 'nbd:[::1]:2000' nbddev=nbd93 '--root --wait nbd93 [::1]:2000'

leaves_out() { # ROOT of DHCP, WORDS of nbd-attach, TEXT of the warning
	local said
	said=$(netroot 0 "$1" 'nbddev=nbd93 nbd-attach.tls nbd-attach.tls-ca=/c' "$2") &&
		is "$(grep '^warning: ' <<<"$said")" "warning: left out, because only the kernel's command line can say it: $3"
}
for option in exec=intruder on-change=intruder fence=intruder tls-verify-peer=0 tls-ca=/x unix=/x config=/x \
	foreground no-tls 'connections=2 --exec=intruder'; do
	name=${option%%=*}
	[[ $option != connections* ]] || name=connections
	check "dracut: DHCP cannot name the option $option" leaves_out "nbd:h:x:::$option" \
		"$tls --export=x nbd93 h" "the option $name"
done
check "dracut: DHCP cannot name what is not an option" leaves_out 'nbd:h:x:::$(intruder)' "$tls --export=x nbd93 h" 'an option'
check "dracut: DHCP cannot switch off TLS's checks" leaves_out 'nbds://h/x?tls-verify-peer=0' "$tls nbd93 nbds://h/x" \
	'the parameters of the URI'
check "dracut: all is said in one sentence" leaves_out 'nbd:h:x:fuse.intruder:$(intruder):exec=intruder' \
	"$tls --export=x nbd93 h" 'the type of the file system, the flags for mounting, the option exec'
check "dracut: DHCP's export is not an option" netroot 0 nbd:h:--exec=intruder nbddev=nbd93 \
	'--root --wait --export=--exec=intruder nbd93 h'
check "dracut: the program agrees" understood 'target = nbd://h/--exec%3Dintruder'
for server in nbd:--exec=intruder:x nbd:[:intruder nbd:nbd+unix:x 'nbd:$(intruder):x' nbd+unix:///x?socket=/s \
	nbds+vsock://1/x 'nbd://h/$(intruder)' nbd:h:x:///; do
	check "dracut: DHCP cannot name the server $server" eval \
		'refuses netroot 0 "$server" nbddev=nbd93 none | grep "that is not a server"'
done
check "dracut: the command line's type and flags are used instead of DHCP's" netroot 0 nbd:h:x:ext4:ro \
	'nbddev=nbd93 rootfstype=xfs rootflags=noatime,$(intruder),'"'" '--root --wait --export=x nbd93 h'
mounts() {
	PATH=$scratch/bin:$PATH NEWROOT=/sysroot sh -c 'mount() { printf "<%s>" "$@"; }; . "$0"' \
		"$scratch/hooks/mount/01-nbd-attach.sh"
}
check "dracut: the shell takes them as they are" is "$(mounts)" \
	"<-t><xfs><-o><noatime,\$(intruder),'></dev/nbd93></sysroot>"
check "dracut: nothing of DHCP's was run" test ! -e "$scratch/came-in"

# Sources the script as dracut does; $netroot is the root-path of DHCP or empty.
parses() { # LINE of the kernel, NETROOT and ROOT afterwards
	echo "$1" >"$scratch/cmdline"
	mkdir -p "$scratch"/hooks/initqueue/{finished,settled}
	: >"$scratch/hooks/initqueue/settled/60-networkd-run.sh"
	sed "s,/lib/,$scratch/lib/," "$dracut/parse-nbd-attach.sh" >"$scratch/parse"
	is "$(cmdline=$scratch/cmdline hookdir=$scratch/hooks PATH=$scratch/bin:$PATH \
		sh -c '. "$1/lib/dracut-lib.sh"; netroot=$2; . "$1/parse"; echo "$netroot $root $rootok$fstype$rflags"' - \
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
check "dracut: the command line: what is not a device" parses 'root=nbd:h:x nbddev=sda' \
	'dies: nothing is attached: a device must be nbd0, nbd1 and so on'
no_server='dies: nothing is attached: that is not a server; DHCP can name a host, an address, or a URI that begins with nbd:// or nbds://'
check "dracut: the command line: no server" parses root=nbd::x "$no_server"
dhcp=nbd:192.0.2.7:x:ext4
check "dracut: the command line: when DHCP has answered" parses 'root=dhcp' 'nbd:192.0.2.7:x:ext4 dhcp 1'
dhcp='nbd:h:x:ext4:$(intruder)'
check "dracut: the command line: DHCP says how to mount" parses 'netroot=dhcp ro' "$dhcp block:/dev/nbd0 1ext4ro"
dhcp='nbd+unix:///x?socket=/s'
check "dracut: the command line: DHCP cannot name a Unix socket" parses 'root=dhcp' "$no_server"

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
# The files that come along: links, too, as what they point to.
keys=$scratch/keys image=$scratch/image
mkdir -p "$keys/below" "$scratch/pki" "$scratch/conf.d" "$image"
echo key >"$keys/below/key"
echo certificate >"$scratch/pki/ca.pem"
ln -s "$scratch/pki/ca.pem" "$keys/ca.pem"
ln -s nothing "$keys/dangling"
echo NBD_ATTACH=yes >"$scratch/conf.d/nbd-attach"
for f in copy_exec manual_add_modules auto_add_modules; do
	echo "$f() { :; }"
done >"$scratch/hook-functions"
came_along() { # MESSAGES
	is "$(cat "$image$keys/below/key" "$image$keys/ca.pem" | xargs)" 'key certificate' &&
		is "$(find "$image$keys" -type f | wc -l)" 2 && grep "$keys/dangling is a link to nothing" "$1"
}
check "initramfs-tools: the hook" eval 'CONFDIR=$scratch DESTDIR=$image UMASK=0077 \
	hook_functions=$scratch/hook-functions nbd_attach_files=$keys PATH=$scratch/bin:$PATH \
	sh src/packaging/initramfs-tools/hook >"$scratch/said" 2>&1'
check "initramfs-tools: files and links come along" came_along "$scratch/said"
mkdir "$scratch/full"
printf '#!/bin/sh\nexit 1\n' >"$scratch/full/cp"
chmod 755 "$scratch/full/cp"
check "initramfs-tools: no initramfs is made without a key" eval '! CONFDIR=$scratch DESTDIR=$image UMASK=0077 \
	hook_functions=$scratch/hook-functions nbd_attach_files=$keys PATH=$scratch/full:$scratch/bin:$PATH \
	sh src/packaging/initramfs-tools/hook >"$scratch/said" 2>&1 &&
	grep "^E: nbd-attach: $keys/.* cannot be copied into the initramfs" "$scratch/said"'
rm -r "${image:?}"
dracut_files() (
	inst_simple() { mkdir -p "$image${1%/*}" && cp -L "$1" "$image$1"; }
	dwarn() { echo "$*"; }
	nbd_attach_files=$keys
	. src/packaging/dracut/module-setup.sh
	install_files
)
# dracut's own module nbd may have been installed before.
dracut_installs() (
	initdir=$1 systemdutildir=/usr/lib/systemd moddir=/module
	. src/packaging/dracut/module-setup.sh
	for name in inst inst_multiple inst_simple inst_hook inst_script install_libraries install_account install_files \
		dracut_module_included dracut_need_initqueue; do
		eval "$name() { :; }"
	done
	install
)
others=({usr/lib,lib,var/lib}/dracut/hooks/cmdline/90-parse-nbdroot.sh usr/sbin/nbdroot
	usr/lib/systemd/system-generators/dracut-nbd-generator)
for file in "${others[@]}" var/lib/dracut/hooks/cmdline/90-parse-other.sh; do
	mkdir -p "$scratch/initdir/${file%/*}" && touch "$scratch/initdir/$file"
done
check "dracut: the module's files are installed" dracut_installs "$scratch/initdir"
check "dracut: nothing of its own module nbd stays, and all else does" is \
	"$(cd "$scratch/initdir" && find . -type f)" ./var/lib/dracut/hooks/cmdline/90-parse-other.sh
check "dracut: the files are installed" eval 'dracut_files >"$scratch/said"'
check "dracut: files and links come along" came_along "$scratch/said"
finish
