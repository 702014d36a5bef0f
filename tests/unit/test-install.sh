#!/bin/bash
# SPDX-License-Identifier: MIT
# make install, make uninstall and make deb: the files are as listed, work, and are removed again.
# The package is installed, upgraded and removed in a guest by tests/interop/package.sh.
# shellcheck source=tests/lib.sh disable=SC2016,SC2034,SC2054,SC2154,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
begin
cd "$top" || exit 1

dest=$scratch/dest
dirs=(unitdir=/u/units rulesdir=/u/rules sysusersdir=/u/sysusers bashcompdir=/u/completion
	zshcompdir=/u/zsh fishcompdir=/u/fish)

run_make() { # TARGET [ARGUMENT...]
	make --no-print-directory "$@"
}

files() { # DIRECTORY
	(cd "$1" && find . ! -type d -printf '/%P\n' | sort)
}

same() { # FILE FILE
	diff -u "$1" "$2"
}

names_in() { # DIRECTORY
	(cd "$1" 2>/dev/null && LC_ALL=C ls)
}

sources() { # PATTERN...: the names of the tree's files
	local file
	for file; do
		[[ ! -e $file ]] || basename "$file"
	done | LC_ALL=C sort
}

check "install" run_make install DESTDIR="$dest" prefix=/p "${dirs[@]}"
files "$dest" >"$scratch/found"
run_make installed prefix=/p "${dirs[@]}" | sort >"$scratch/listed"
check "install: the files are as listed" same "$scratch/listed" "$scratch/found"
check "install: the program runs" "$dest/p/sbin/nbd-attach" --version
for page in nbd-attach.8 src/man/*; do
	check "install: the manual: ${page##*/}" cmp "$page" \
		"$dest/p/share/man/man${page##*.}/${page##*/}"
done
check "install: every unit" is "$(names_in "$dest/u/units")" \
	"$(sources systemd/*.service systemd/*.target systemd/*.socket systemd/*.timer)"
check "install: every rule" is "$(names_in "$dest/u/rules")" "$(sources udev/*.rules)"
check "install: units name the program's path" eval '
	! grep -rn /usr/sbin/nbd-attach "$dest/u"'
check "install: to other places" run_make install DESTDIR="$scratch/other" prefix=/p "${dirs[@]}" \
	SYSTEMCTL=/sw/systemctl
check "install: units and rules name the programs' paths" eval '
	grep -rq "ExecReload=/p/sbin/nbd-attach --reload" "$scratch/other/u/units" && grep -rq "\"/sw/systemctl --no-block" \
	"$scratch/other/u/rules" && ! grep -rnE "/bin/(systemctl|kill)" "$scratch/other/u"'
check "install: workers use the account" grep -q \
	"^u $(sed -n 's/^#define SANDBOX_ACCOUNT "\(.*\)".*/\1/p' src/worker/sandbox.h) " \
	"$dest/u/sysusers/nbd-attach.conf"
check "install: systemd accepts that file" systemd-sysusers --root="$scratch" --dry-run \
	"$dest/u/sysusers/nbd-attach.conf"
check "install: the completion" bash -c '
	. "$1" && complete -p nbd-attach && COMP_WORDS=(nbd-attach --deta) COMP_CWORD=1 &&
	_nbd_attach && [[ ${COMPREPLY[*]} = --detach ]]' bash "$dest/u/completion/nbd-attach"
check "install: the completion for zsh" grep -qx '#compdef nbd-attach' "$dest/u/zsh/_nbd-attach"
check "install: the completion for fish" grep -q '^complete -c nbd-attach .* -l detach' \
	"$dest/u/fish/nbd-attach.fish"
check "install: the example is valid" "${nbd_attach[@]}" --check-config \
	"$dest/p/share/doc/nbd-attach/examples/nbd-attach.conf.example"
check "install: a directory for configurations" is "$(names_in "$dest/etc/nbd-attach")" ''
check "install: does not install the name nbd-client by default" test ! -e "$dest/p/sbin/nbd-client"
check "install: a second time" run_make install DESTDIR="$dest" prefix=/p "${dirs[@]}"

# What the hook copies besides the libraries that the program is linked with.
check "install: the program names the libraries that it loads" is \
	"$(grep -ao '"soname":\["[^"]*"' "$dest/p/sbin/nbd-attach" | cut -d '"' -f 4 | sort -u | tr '\n' ' ')" \
	"$(sed -n 's/.*"\(lib.*\)"/\1/p' build/generated/base/sonames.h | sort -u | tr '\n' ' ')"

initramfs=$dest/usr/share/initramfs-tools
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
		sh "$initramfs/scripts/local-top/nbd-attach" || return
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

dracut=$dest/usr/lib/dracut/modules.d/95nbd-attach
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

echo 'target = mine' >"$dest/etc/nbd-attach/mine.conf"
touch "$dest/u/rules/mine.rules"
check "uninstall" run_make uninstall DESTDIR="$dest" prefix=/p "${dirs[@]}"
check "uninstall: only the user's files stay" \
	is "$(files "$dest" | tr '\n' ' ')" '/etc/nbd-attach/mine.conf /u/rules/mine.rules '
rm "$dest/etc/nbd-attach/mine.conf"
check "uninstall: a second time" run_make uninstall DESTDIR="$dest" prefix=/p "${dirs[@]}"
check "uninstall: no directory of ours is left" is "$(find "$dest" -name '*nbd-attach*')" ''

named=(DESTDIR="$dest" prefix=/p NBD_CLIENT=yes "${dirs[@]}")
check "NBD_CLIENT=yes: installs" run_make install "${named[@]}"
check "NBD_CLIENT=yes: the program accepts nbd-client's options" eval '
	"$dest/p/sbin/nbd-client" -h | grep -q "^Usage: nbd-client"'
check "NBD_CLIENT=yes: uninstall removes the name" eval '
	run_make uninstall "${named[@]}" && [[ ! -L "$dest/p/sbin/nbd-client" ]]'

check "without pkg-config's answers there are default directories" eval '
	run_make installed prefix=/usr PKG_CONFIG=false | grep -qx "/usr/lib/sysusers.d/nbd-attach.conf"'

run_make deb >"$scratch/made" 2>"$scratch/complaints"
deb=$(tail -n 1 "$scratch/made")
check "deb: is made without a warning" eval 'test -f "$deb" && ! grep . "$scratch/complaints"'
check "deb: two builds are the same" \
	eval 'cp "$deb" "$scratch/first.deb" && run_make deb && cmp "$deb" "$scratch/first.deb"'
dpkg-deb --extract "$deb" "$scratch/root"
dpkg-deb --control "$deb" "$scratch/control"
run_make installed prefix=/usr bashcompdir=/usr/share/bash-completion/completions \
	zshcompdir=/usr/share/zsh/vendor-completions fishcompdir=/usr/share/fish/vendor_completions.d |
	sed 's,/man[1-8]/.*,&.gz,' >"$scratch/listed"
printf '/usr/share/doc/nbd-attach/%s\n' README changelog.gz copyright >>"$scratch/listed"
echo /usr/share/lintian/overrides/nbd-attach >>"$scratch/listed"
files "$scratch/root" >"$scratch/found"
check "deb: has the installed files and its documents" \
	same <(sort "$scratch/listed") "$scratch/found"
check "deb: /etc/nbd-attach belongs to root" eval '
	dpkg-deb --contents "$deb" | grep -qE "^drwxr-xr-x root/root .* \./etc/nbd-attach/\$"'
check "deb: every file belongs to root" \
	eval '! dpkg-deb --contents "$deb" | grep -v " root/root \| 0/0 "'
check "deb: checksums" eval '(cd "$scratch/root" && md5sum --quiet -c ../control/md5sums)'
check "deb: every file has a checksum" \
	is "$(wc -l <"$scratch/control/md5sums")" "$(wc -l <"$scratch/found")"
check "deb: no configuration file of ours" test ! -e "$scratch/control/conffiles"
mapfile -t libraries < <(sed -n 's/.*"\(lib.*\)"/\1/p' build/generated/base/sonames.h)
for library in "${libraries[@]}"; do
	package=$(dpkg -S "$(readlink -f "$(ldconfig -p | sed -n "s/.*$library .*=> //p" | head -n 1)")" | cut -d : -f 1)
	check "deb: depends on $package for $library" \
		grep -qE "^Depends: .*\b$package\b" "$scratch/control/control"
done
check "deb: depends on the libraries that it is linked with" \
	grep -qE '^Depends: .*libc6 .*libnl-3-200 .*libnl-genl-3-200' "$scratch/control/control"
for script in postinst prerm postrm; do
	check "deb: $script" eval 'test -x "$scratch/control/$script" && shellcheck "$scratch/control/$script"'
done
client=$(run_make deb-nbd-client 2>"$scratch/complaints")
check "deb-nbd-client: is made without a warning" \
	eval 'test -f "$client" && ! grep . "$scratch/complaints"'
dpkg-deb --extract "$client" "$scratch/named"
check "deb-nbd-client: the names of the program and the manual" is \
	"$(readlink "$scratch/named/usr/sbin/nbd-client" "$scratch/named/usr/share/man/man8/nbd-client.8.gz" | tr '\n' ' ')" \
	'nbd-attach nbd-attach.8.gz '
check "deb-nbd-client: replaces Debian's package" eval '
	dpkg-deb --field "$client" Provides Conflicts Replaces | grep -c ": nbd-client$" | grep -qx 3'
if command -v lintian >/dev/null; then
	judge=(lintian --allow-root --fail-on error,warning --tag-display-limit 0)
	check "lintian finds nothing in the packages and their source" eval '
		dsc=$(run_make dsc) && "${judge[@]}" "$deb" "$client" "$dsc"'
	check "lintian finds what is wrong" eval '
		mkdir "$scratch/bad" && dpkg-deb -R "$client" "$scratch/bad" && : >"$scratch/bad/usr/sbin/bad" &&
		dpkg-deb --build "$scratch/bad" "$scratch/bad.deb" && ! "${judge[@]}" "$scratch/bad.deb"'
else
	skip "lintian finds nothing in the packages" "it is missing (package lintian)" 2
fi

# Two copies of the tree, of other dates and modes.
check "dist: its checksum is right" eval '
	tarball=$(run_make dist) && (cd "${tarball%/*}" && sha256sum --quiet -c "${tarball##*/}.sha256")'
check "dist: another directory, umask and date make the same archive" eval '
	(umask 077 && mkdir "$scratch/moved" && tar -C "$scratch/moved" -xmf "$tarball") &&
	chmod -R go= "$scratch/moved" &&
	SOURCE_DATE_EPOCH=$(stat -c %Y "$tarball") "$scratch"/moved/*/src/packaging/dist "$scratch/again" 0.1 &&
	cmp "$tarball" "$scratch/again/${tarball##*/}"'
check "dsc: is made of it" eval 'dsc=$(run_make dsc) && test -f "$dsc"'
made=$(dirname "$tarball")
version=$(sed -n "s/^VERSION *:= //p" Makefile)
check "PKGBUILD: has the version and the checksum" eval '
	(. "$made/PKGBUILD" && is "$pkgver ${sha256sums[*]}" "$version $(sha256sum <"$tarball" | cut -d " " -f 1)")'
check "APKBUILD: has the version and the checksum" eval '
	(. "$made/APKBUILD" && cd "$made" && is "$pkgver" "$version" && grep . <<<"$sha512sums" | sha512sum -c)'
if command -v rpmspec >/dev/null; then
	check "spec: is understood, and has the version" eval '
		is "$(rpmspec -q --srpm --qf "%{name}-%{version}" "$made/nbd-attach.spec")" "nbd-attach-$version"'
else
	skip "spec: is understood" "rpmspec is missing (package rpm)"
fi
finish
