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
	check "install: the manual: ${page##*/}" same \
		<(sed 's,/usr/sbin/nbd-attach,/p/sbin/nbd-attach,; s,/usr/share/doc/nbd-attach,/p/share/doc/nbd-attach,' "$page") \
		"$dest/p/share/man/man${page##*.}/${page##*/}"
done
check "install: the manual has the paths of this installation" eval '
	! grep -rnE "/usr/(sbin|share/doc)/nbd-attach" "$dest/p/share/man" && grep -rq /p/sbin/nbd-attach "$dest/p/share/man"'
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
odd="$scratch/it's"
check "install: to a directory with an apostrophe" run_make install DESTDIR="$odd" prefix=/p "${dirs[@]}"
check "install: everything is there" is "$(files "$odd")" "$(<"$scratch/found")"
check "uninstall: from there" eval '
	run_make uninstall DESTDIR="$odd" prefix=/p "${dirs[@]}" && is "$(files "$odd")" ""'
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

# tests/unit/test-initramfs.sh runs them.
initramfs=$dest/usr/share/initramfs-tools
scripts_of_the_initramfs() {
	local file
	cmp src/packaging/initramfs-tools/local-top "$initramfs/scripts/local-top/nbd-attach" || return
	for file in src/packaging/dracut/*.sh; do
		same <(sed 's,/usr/sbin/nbd-attach,/p/sbin/nbd-attach,' "$file") \
			"$dest/usr/lib/dracut/modules.d/95nbd-attach/${file##*/}" || return
	done
}
check "install: the scripts of the initramfs" scripts_of_the_initramfs

# As mkinitramfs runs it, whose PATH has no /usr/local.
mkdir -p "$scratch/initramfs/conf.d" "$scratch/initramfs/image"
echo NBD_ATTACH=yes >"$scratch/initramfs/conf.d/nbd-attach"
printf '%s() { :; }\n' manual_add_modules auto_add_modules >"$scratch/initramfs/functions"
echo 'copy_exec() { echo "copy $*"; [ -e "$1" ]; }' >>"$scratch/initramfs/functions"
hook() { # FILE
	CONFDIR=$scratch/initramfs DESTDIR=$scratch/initramfs/image hook_functions=$scratch/initramfs/functions \
		nbd_attach_files=/nothing PATH=/usr/bin:/sbin:/bin sh "$1" 2>&1
}
check "install: to a directory outside of PATH" run_make install prefix="$scratch/local" sysconfdir="$scratch/local/etc" \
	initramfsdir="$scratch/local/initramfs" dracutdir="$scratch/local/dracut" "${dirs[@]/=/=$scratch/local}"
check "install: it says what is left to do, over an earlier version, too" eval '
	run_make install prefix="$scratch/local" sysconfdir="$scratch/local/etc" initramfsdir="$scratch/local/initramfs" \
		dracutdir="$scratch/local/dracut" "${dirs[@]/=/=$scratch/local}" >"$scratch/said" &&
	grep -q "udevadm control --reload" "$scratch/said" && grep -q "systemctl reload .nbd-attach@\*.service" "$scratch/said"'
check "install: the hook finds the program there" eval '
	hook "$scratch/local/initramfs/hooks/nbd-attach" | grep -qx "copy $scratch/local/sbin/nbd-attach /sbin/nbd-attach"'
check "install: the module of dracut finds it, too" eval '
	is "$(PATH=/usr/bin; . "$scratch/local/dracut/95nbd-attach/module-setup.sh"; nbd_attach_program)" "$scratch/local/sbin/nbd-attach"'
if [[ ! $(PATH=/usr/bin:/sbin:/bin command -v nbd-attach) ]]; then
	check "install: without the program the hook fails, and says so" eval '
		! hook "$initramfs/hooks/nbd-attach" >"$scratch/said" &&
		grep -qx "E: nbd-attach: /p/sbin/nbd-attach cannot be copied into the initramfs" "$scratch/said"'
else
	skip "install: without the program the hook fails" "the program is installed here"
fi

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
check "NBD_CLIENT=yes: uninstall removes the name, also without being told again" eval '
	run_make uninstall DESTDIR="$dest" prefix=/p "${dirs[@]}" && [[ ! -L "$dest/p/sbin/nbd-client" ]]'
ln -s /elsewhere/nbd-client "$dest/p/sbin/nbd-client"
check "uninstall: a program of that name from elsewhere stays" eval '
	run_make uninstall "${named[@]}" && [[ -L "$dest/p/sbin/nbd-client" ]]'
rm "$dest/p/sbin/nbd-client"

check "without pkg-config's answers there are default directories" eval '
	run_make installed prefix=/usr PKG_CONFIG=false | grep -qx "/usr/lib/sysusers.d/nbd-attach.conf"'

# What a machine without the packages for a build gets to read.
lacks() { # SENTENCE ARGUMENT... of make
	local said
	said=$(run_make "${@:2}" all 2>&1) && return 1
	echo "$said"
	[[ $said = *": *** $1: see \"Build and install\" in README; "* && $said != *$'\n'* ]]
}
printf '#!/bin/sh\ncase $* in *libseccomp* | *gnutls*) exit 1 ;; esac; echo 1\n' >"$scratch/pkg-config"
chmod 755 "$scratch/pkg-config"
check "without a compiler, one sentence says so" lacks 'the C compiler `/no/cc` is missing or does not work' CC=/no/cc
check "without pkg-config, too" lacks '/no/pkg-config is missing' PKG_CONFIG=/no/pkg-config
check "and the libraries that are missing are named" \
	lacks "$scratch/pkg-config does not know these libraries: gnutls libseccomp" PKG_CONFIG="$scratch/pkg-config"
check "tests/deps on another distribution than Debian says so" eval '
	mkdir "$scratch/no-apt" && ln -s "$(command -v bash)" "$(command -v dirname)" "$scratch/no-apt/" &&
	is "$(PATH=$scratch/no-apt bash tests/deps build 2>&1)" \
		"tests/deps: this machine is not a Debian, whose packages it knows: README, \"Build and install\", has others"'
need_none() { # TARGET...: make -n begins with what the target does
	local target
	for target; do
		run_make -n "$target" CC=/no/cc PKG_CONFIG=/no/pkg-config 2>&1 | head -n 1 >"$scratch/said"
		! grep '\*\*\*' "$scratch/said" || return
	done
}
check "without all of them, what installs them or needs none begins" \
	need_none demo check check-long bench soak dist dsc clean uninstall installed

run_make deb >"$scratch/made" 2>"$scratch/complaints"
deb=$(tail -n 1 "$scratch/made")
check "deb: is made without a warning" eval 'test -f "$deb" && ! grep . "$scratch/complaints"'
check "deb: two builds are the same, also with a compiler of two words" eval '
	cp "$deb" "$scratch/first.deb" && run_make deb CC="env cc" && cmp "$deb" "$scratch/first.deb"'
check "deb: does not take the name nbd-client from its package" eval '
	run_make deb NBD_CLIENT=yes && cmp "$deb" "$scratch/first.deb"'
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

# The scripts of the package, with programs that only note how they were called. A reload fails.
script_says() { # SCRIPT ARGUMENT...
	mkdir -p "$scratch/fake"
	for program in systemctl udevadm systemd-sysusers; do
		cat >"$scratch/fake/$program" <<-'END'
			#!/bin/sh
			echo "${0##*/} $*" >>"$CALLS"
			case $1 in
			list-units) echo "nbd-attach@data.service loaded active running -" ;;
			show) echo 123 ;;
			reload) exit 1 ;;
			esac
		END
		chmod 755 "$scratch/fake/$program"
	done
	: >"$scratch/calls"
	CALLS=$scratch/calls unshare -m sh -ec '
		PATH=$1:$PATH
		shift
		mount -t tmpfs tmpfs /run
		mkdir -p /run/systemd/system /run/nbd-attach
		echo 10 >/run/nbd-attach/shutdown
		mount -t tmpfs tmpfs /sys/block
		for device in ${ATTACHED:-}; do
			mkdir "/sys/block/$device"
			echo 1 >"/sys/block/$device/pid"
			: >"/run/nbd-attach/$device.state"
		done
		"$@"
		ls /run/nbd-attach' sh "$scratch/fake" "$@" 2>&1
}
if [[ $EUID = 0 ]]; then
	check "postinst: a unit that cannot be replaced is named" eval '
		script_says src/packaging/postinst configure 0.0 | grep -q "^nbd-attach: nbd-attach@data.service keeps"'
	check "... and neither stopped nor killed" eval '
		grep -x "systemctl reload nbd-attach@data.service" "$scratch/calls" &&
		! grep -E "kill|stop|restart" "$scratch/calls"'
	check "prerm: units stop" eval '
		script_says src/packaging/prerm remove >"$scratch/left"
		grep -q "^systemctl stop nbd-attach@data.service" "$scratch/calls" &&
		grep -q "^systemctl stop nbd-attach-shutdown.service" "$scratch/calls"'
	check "... and nothing says any more that the machine shuts down" eval '! grep -x shutdown "$scratch/left"'
	# The functions of Arch's script, as pacman calls them.
	arch_says() { # FUNCTION
		script_says bash -c '. src/packaging/nbd-attach.install; "$@"' bash "$@"
	}
	check "Arch: after an upgrade, a unit that cannot be replaced is named" eval '
		arch_says post_upgrade 0.2 0.1 | grep "^nbd-attach: nbd-attach@data.service keeps"'
	check "... and neither stopped nor killed" eval '
		is "$(grep -E "daemon-reload|reload nbd|kill|stop|restart" "$scratch/calls" | xargs)" \
			"systemctl daemon-reload systemctl reload nbd-attach@data.service"'
	check "Arch: before removing, units are disabled and stop" eval '
		arch_says pre_remove 0.1 >"$scratch/left"
		is "$(cat "$scratch/calls")" "systemctl --no-reload disable nbd-attach@.service nbd-attach.target
systemctl stop nbd-attach@*.service nbd-attach.target
systemctl stop nbd-attach-shutdown.service"'
	check "... and nothing says any more that the machine shuts down" is "$(cat "$scratch/left")" ''
	check "Arch: a device that stays attached is named" eval '
		ATTACHED=nbd3 arch_says pre_remove 0.1 | grep "^nbd-attach: /dev/nbd3 stays attached"'
	check "... and the shutdown stays bounded" refuses grep shutdown "$scratch/calls"
	check "Arch: after removing, systemd forgets" eval 'arch_says post_remove && grep -x "systemctl daemon-reload" "$scratch/calls"'
	# What rpm runs after installing; the argument is the number of packages that are there then.
	sed -n '/^%post$/,/^# Before removing/{/^[%#]/!p}' src/packaging/nbd-attach.spec >"$scratch/post"
	check "RPM: after an upgrade, a unit that cannot be replaced is named" eval '
		script_says sh "$scratch/post" 2 | grep "^nbd-attach: nbd-attach@data.service keeps"'
	check "... and neither stopped nor killed" eval '
		is "$(grep -E "daemon-reload|reload nbd|kill|stop|restart" "$scratch/calls" | xargs)" \
			"systemctl daemon-reload systemctl reload nbd-attach@data.service"'
	check "RPM: after the first installation nothing is reloaded" eval '
		script_says sh "$scratch/post" 1 && is "$(cat "$scratch/calls")" "systemctl daemon-reload"'
	check "RPM: the script is sound" shellcheck -s sh "$scratch/post"
	# What rpm runs before removing; the argument is the number of packages that are left.
	sed -n '/^%preun/,/^%postun/{/^%/!p}' src/packaging/nbd-attach.spec >"$scratch/preun"
	check "RPM: before removing, units are disabled and stop" eval '
		script_says sh "$scratch/preun" 0 >"$scratch/left"
		is "$(cat "$scratch/calls")" "systemctl --no-reload disable nbd-attach@.service nbd-attach.target
systemctl stop nbd-attach@*.service nbd-attach.target
systemctl stop nbd-attach-shutdown.service"'
	check "... and nothing says any more that the machine shuts down" is "$(cat "$scratch/left")" ''
	check "RPM: a device that stays attached is named" eval '
		ATTACHED=nbd3 script_says sh "$scratch/preun" 0 | grep "^nbd-attach: /dev/nbd3 stays attached"'
	check "... and the shutdown stays bounded" refuses grep shutdown "$scratch/calls"
	check "RPM: an upgrade stops nothing" eval 'script_says sh "$scratch/preun" 1 && is "$(cat "$scratch/calls")" ""'
else
	skip "the scripts of the package" "they need a mount namespace, which takes root" 20
fi
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
check "dist: without a list of files it makes no archive, and says so" eval '
	mv "$scratch"/moved/nbd-attach-* "$scratch/broken" && mkdir "$scratch/broken/.git" "$scratch/none" &&
	! "$scratch/broken/src/packaging/dist" "$scratch/none" 0.1 2>"$scratch/said" &&
	grep "^make dist: no archive is made" "$scratch/said" && is "$(ls "$scratch/none")" ""'
check "dsc: without an archive it makes nothing" eval '
	refuses run_make dsc -C "$scratch/broken" BUILD="$scratch/none" 2>"$scratch/said" &&
	grep "^make dist: no archive is made" "$scratch/said" && ! grep "^cp:" "$scratch/said" &&
	is "$(ls "$scratch/none")" ""'
if [[ $EUID = 0 ]]; then
	check "dist: the tree may be of another user" eval '
		rm -r "$scratch/broken/.git" && git init -q "$scratch/broken" && git -C "$scratch/broken" add . &&
		chown -R nobody "$scratch/broken" &&
		SOURCE_DATE_EPOCH=$(stat -c %Y "$tarball") "$scratch/broken/src/packaging/dist" "$scratch/none" 0.1 &&
		cmp "$tarball" "$scratch/none/${tarball##*/}"'
else
	skip "dist: the tree may be of another user" "changing the owner takes root"
fi
# As on a builder's machine: the tree is an archive's, in a directory with a blank, and cannot be written.
check "dist: of an unpacked archive, twice, and the directory of the build is not in it" eval '
	mkdir "$scratch/a b" && tar -C "$scratch/a b" -xf "$tarball" && unpacked=("$scratch/a b"/nbd-attach-*) &&
	chmod -R a-w "$unpacked/src" "$unpacked/systemd" &&
	run_make dist -C "$unpacked" BUILD=out && find "$unpacked/out" ! -type d -perm -200 | grep -c . | grep -qx 8 &&
	run_make dist -C "$unpacked" BUILD=out && cmp "$tarball" "$unpacked/out/${tarball##*/}"'
check "a build in such a directory does not name it" eval '
	run_make -C "$unpacked" BUILD=out out/src/base/err.o && ! grep -c "$scratch" "$unpacked/out/src/base/err.o"'
check "dsc: is made of it" eval 'dsc=$(run_make dsc) && test -f "$dsc"'
made=$(dirname "$tarball")
version=$(sed -n "s/^VERSION *:= //p" Makefile)
check "PKGBUILD: has the version and the checksum" eval '
	(. "$made/PKGBUILD" && is "$pkgver ${sha256sums[*]}" "$version $(sha256sum <"$tarball" | cut -d " " -f 1)")'
check "PKGBUILD: its script is there" eval '(. "$made/PKGBUILD" && cmp "$made/$install" src/packaging/nbd-attach.install)'
check "spec: its sources are there" eval '
	sed -n "s/^Source[0-9]*: *//p" "$made/nbd-attach.spec" | sed "s/%{name}/nbd-attach/; s/%{version}/$version/" |
		(cd "$made" && xargs ls)'
check "APKBUILD: has the version and the checksum" eval '
	(. "$made/APKBUILD" && cd "$made" && is "$pkgver" "$version" && grep . <<<"$sha512sums" | sha512sum -c)'
if command -v rpmspec >/dev/null; then
	check "spec: is understood, and has the version" eval '
		is "$(rpmspec -q --srpm --qf "%{name}-%{version}" "$made/nbd-attach.spec")" "nbd-attach-$version"'
else
	skip "spec: is understood" "rpmspec is missing (package rpm)"
fi
finish
