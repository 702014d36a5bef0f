# shellcheck shell=bash disable=SC2016,SC2034,SC2119,SC2120,SC2154 # the scripts use the variables; scratch is lib.sh's
# SPDX-License-Identifier: MIT
# Functions for the scripts of tests/boot, which run on this machine: it has the servers, and a
# guest boots from them. Source this file after ../lib.sh.

boot_here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
guest='' console='' early=yes late=no
server_words=() # of nbdkit

# A script that cannot run here counts as one skipped check.
# In the place of begin(); sets $port of the server, and what need_root_file_system() sets.
begin_boot() { # NAME
	begin
	need_root_file_system "$1"
	port=$(free_port)
}

need_root_file_system() { # NAME; sets $archive, $kernel, $release
	local status
	archive=$("$boot_here/rootfs" "$1")
	status=$?
	if ((status == 77)); then
		skip "boot with $1" "there is no small Debian system to boot, and none can be made"
		finish
	fi
	((status == 0)) || exit 1
	kernel=$("$top/tests/vm/kernel" "${TEST_KERNEL:-6.1}") || exit 1
	release=$(<"$kernel/release")
}

# The modules that an initramfs for this guest is made of; all others would take minutes to pack.
put_modules() { # ROOT
	local part to=$1/lib/modules/$release from
	from=$(readlink -f "$kernel/modules")
	mkdir -p "$to"
	cp "$from"/modules.{order,builtin*} "$to/"
	for part in drivers/block/nbd.ko drivers/net/{virtio_net,net_failover}.ko net/core/failover.ko \
		drivers/virtio drivers/char/hw_random/{rng-core,virtio-rng}.ko fs/ext4 fs/jbd2 fs/mbcache.ko \
		net/packet/af_packet.ko net/tls lib crypto arch/x86/crypto drivers/md/dm-{mod,crypt}.ko \
		drivers/dax/dax.ko fs/overlayfs fs/autofs; do
		[[ ! -e $from/kernel/$part ]] || (cd "$from" && cp -r --parents "kernel/$part" "$to/")
	done
	depmod -b "$1" "$release"
}

# Unpacks the system into $scratch/root, with nbd-attach and the modules in it.
make_root() {
	mkdir "$scratch/root"
	tar -xf "$archive" -C "$scratch/root" --exclude='./dev/*' || return
	put_modules "$scratch/root"
	make -s -C "$top" install DESTDIR="$scratch/root" prefix=/usr \
		unitdir=/usr/lib/systemd/system rulesdir=/usr/lib/udev/rules.d \
		sysusersdir=/usr/lib/sysusers.d initramfsdir=/usr/share/initramfs-tools \
		dracutdir=/usr/lib/dracut/modules.d >/dev/null
}

# Runs a command in the system, with /dev and /proc; they are mounted in a namespace of their own.
in_root() { # COMMAND [WORD...]
	unshare --mount --propagation private bash -c '
		mount --rbind /dev "$1/dev" && mount -t proc proc "$1/proc" && mount -t sysfs sysfs "$1/sys" &&
		exec chroot "$@"' - "$scratch/root" "$@"
}

# Makes the image with the file system. The scratch directory of the system is removed.
make_image() { # MIB
	truncate -s "$1M" "$scratch/image"
	mkfs.ext4 -qF -d "$scratch/root" -L root "$scratch/image" || return
	rm -rf "$scratch/root"
}

free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

serve() { # PORT; sets $server
	nbdkit -f -i 127.0.0.1 -p "$1" "${server_words[@]}" file "$scratch/image" \
		>>"$scratch/server.said" 2>&1 </dev/null &
	server=$!
	started+=("$server")
	wait_for 20 eval "(: <>/dev/tcp/127.0.0.1/$1) 2>/dev/null"
}

# Starts the guest; its messages are in $console. 10.0.2.2 is this machine's loopback. On a busy
# machine the kernel may find that the emulated timer does not work (no_timer_check prevents the usual
# case), so a boot that does not come far is tried again.
boot() { # INITRD WORD...: of the kernel's command line
	local attempt
	console=$scratch/console late=no
	for attempt in 1 2 3; do
		: >"$console"
		# shellcheck disable=SC2054 # the commas are QEMU's
		setpriv --pdeathsig KILL qemu-system-x86_64 -nodefaults -no-user-config -no-reboot -display none \
			-machine q35 -accel tcg,thread=multi -cpu max -m 768 -smp 2 -kernel "$kernel/vmlinux" \
			-initrd "$1" -append "console=ttyS0 panic=-1 mitigations=off random.trust_cpu=on norandmaps no_timer_check cryptomgr.notests systemd.show_status=no modprobe.blacklist=$drivers_not_needed ${*:2}" \
			-chardev "file,id=console,path=$console,append=on" -serial chardev:console \
			-monitor "unix:$scratch/monitor,server=on,wait=off" \
			-netdev user,id=net -device virtio-net-pci,id=card,netdev=net,romfile= \
			>"$scratch/qemu" 2>&1 </dev/null &
		guest=$!
		started+=("$guest")
		wait_for $((60 * attempt)) has_begun
		! grep -q 'Run /init as init process' "$console" || return 0
		kill_now "$guest"
	done
}

has_begun() {
	gone "$guest" || grep -qE 'Run /init as init process|Kernel panic' "$console"
}

# Takes the guest's network away, or gives it back.
network() { # on|off
	python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b"set_link card %s\n" % sys.argv[2].encode())
s.settimeout(2)
try:
    while s.recv(4096): pass
except OSError: pass' "$scratch/monitor" "$1"
}

# Waits for a line of the guest; shows the end of its messages if it does not come. Then there is no
# wait for later lines.
says() { # SECONDS REGEX
	local end=$((SECONDS + $1))
	until grep -qaE -- "$2" "$console"; do
		if ((SECONDS >= end)) || [[ $late = yes ]] || gone "$guest"; then
			grep -qaE -- "$2" "$console" && return
			[[ $late = yes ]] || tail -n 40 "$console" | tr -d '\r'
			late=yes
			cat "$scratch/qemu"
			return 1
		fi
		pause 0.2
	done
	return 0
}

# The same for a line that comes within 5 s. Later lines are waited for even if it is missing.
said() { # REGEX
	wait_for 5 grep -qaE -- "$1" "$console"
}

says_not() { # REGEX
	! grep -aE -- "$1" "$console"
}

powers_off() { # SECONDS
	[[ $late = no ]] && wait_for "$1" gone "$guest" && grep -qa 'Power down' "$console" && return
	tail -n 40 "$console" | tr -d '\r'
	return 1
}

outage() { # [SECONDS]
	kill_now "$server"
	pause "${1:-2}"
	serve "$port"
}

network_outage() {
	network off
	pause 15 # longer than the peer timeout of the scripts
	network on
}

# Units that take an emulated processor seconds.
not_needed=(getty@.service serial-getty@.service getty.target systemd-timesyncd.service
	systemd-hwdb-update.service systemd-logind.service systemd-update-utmp.service
	systemd-update-utmp-runlevel.service systemd-random-seed.service systemd-journal-flush.service
	systemd-binfmt.service ldconfig.service systemd-user-sessions.service
	modprobe@drm.service modprobe@fuse.service modprobe@configfs.service modprobe@efi_pstore.service
	apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer
	e2scrub_reap.service fstrim.timer)
# Drivers that udev would load for the emulated processor.
drivers_not_needed=aesni_intel,ghash_clmulni_intel,crc32_pclmul,crct10dif_pclmul,sha512_ssse3

# What the guest runs with systemd as process 1, and the unit that takes over there.
put_load() { # PORT
	local to=$scratch/root unit
	mkdir -p "$to/etc/initramfs-tools/scripts/local-bottom"
	install -m 755 "$boot_here/guest-load" "$to/usr/sbin/guest-load"
	cat >"$to/etc/systemd/system/guest-load.service" <<-'END'
		[Service]
		ExecStart=/usr/sbin/guest-load
		Type=idle
		[Install]
		WantedBy=multi-user.target
	END
	mkdir -p "$to/etc/systemd/system/multi-user.target.wants"
	ln -s ../guest-load.service "$to/etc/systemd/system/multi-user.target.wants/"
	ln -sf /lib/systemd/system/multi-user.target "$to/etc/systemd/system/default.target"
	echo 5a9f4c0bd3254a1c9ac1ba6c1d9a4e11 >"$to/etc/machine-id"
	for unit in "${not_needed[@]}"; do
		ln -sf /dev/null "$to/etc/systemd/system/$unit"
	done
	printf 'target = nbd://10.0.2.2:%s/\ndevice = nbd0\nroot = yes\n' "$1" >"$to/etc/nbd-attach/root.conf"
	chroot "$to" systemd-sysusers >/dev/null 2>&1
}

# A script of an initramfs that sees an outage before the change of root. In busybox or another sh.
put_early_outage() { # FILE
	cat >"$1" <<-'END'
		#!/bin/sh
		[ "$1" != prereqs ] || exit 0
		state=/run/nbd-attach/nbd0.state
		root=${rootmnt:-$NEWROOT}
		echo "guest: root is mounted" >/dev/console
		i=0
		# It may be over already.
		until grep -qE '^(STATE=lost|OUTAGES=[1-9])' $state || [ $i = 600 ]; do i=$((i + 1)); sleep 0.1; done
		echo 3 >/proc/sys/vm/drop_caches
		cat $root/usr/bin/perl >/dev/null && grep '^STATE=' $state
		echo "guest: read after the first outage" >/dev/console
	END
	chmod 755 "$1"
}

# An initramfs of initramfs-tools for the system with systemd, which has nbd-client's scripts, too.
make_initrd() {
	put_load "$port"
	[[ $early = no ]] || put_early_outage "$scratch/root/etc/initramfs-tools/scripts/local-bottom/outage"
	echo NBD_ATTACH=yes >"$scratch/root/etc/initramfs-tools/conf.d/nbd-attach"
	run_mkinitramfs
}

# Writes $scratch/initrd, and the names of its files to $scratch/listed. It is not compressed, because
# the emulated processor would take seconds to unpack it.
run_mkinitramfs() {
	echo CONFIG_RD_GZIP=y >"$scratch/root/boot/config-$release"
	chroot "$scratch/root" /usr/sbin/mkinitramfs -c gzip -l 1 -o /initrd "$release" &&
		gzip -dc "$scratch/root/initrd" >"$scratch/initrd" && rm "$scratch/root/initrd" &&
		cpio -t <"$scratch/initrd" >"$scratch/listed" 2>/dev/null
}

# The same with dracut.
run_dracut() { # OPTION...
	in_root dracut --quiet --no-hostonly --no-hostonly-cmdline --no-compress --nostrip "$@" \
		--omit "${dracut_omits:-} brltty plymouth i18n btrfs mdraid multipath nfs iscsi" /initrd "$release" &&
		mv "$scratch/root/initrd" "$scratch/initrd" &&
		cpio -it <"$scratch/initrd" >"$scratch/listed" 2>/dev/null
}

# An initramfs of dracut for the system with systemd, which has nbd-client's module, too.
make_dracut_initrd() {
	put_load "$port"
	echo 'add_dracutmodules+=" nbd-attach "' >"$scratch/root/etc/dracut.conf.d/nbd-attach.conf"
	put_early_outage "$scratch/root/usr/sbin/early-outage"
	run_dracut --include /usr/sbin/early-outage /usr/lib/dracut/hooks/pre-pivot/10-outage.sh
}

# For compatible.sh and compatible-dracut.sh.
take_the_name() {
	ln -sf nbd-attach "$scratch/root/usr/sbin/nbd-client"
}

# The rest of such a boot: one outage, without the unit of the real root.
check_compatible() {
	check "the real root runs" says 300 'guest: the real root runs'
	check "systemd spares the supervisor" said 'the real root runs, as @'
	check "the guest is ready" says 90 'guest: ready for outage 1'
	outage
	check "the outage ends" says 90 'guest: outage 1 is over'
	check "the kernel saw no error" says 60 'guest: the kernel saw no error'
	check "the root file system stayed writable" said 'guest: the root file system is writable'
	check "the shutdown begins" says 20 'guest: power off'
	outage 3 # nothing says so any more: the guest powers off, and its file system is clean
	check "the guest powers off" powers_off 60
	check "systemd spares every helper" says_not 'Waiting for process.*nbd-|SIGKILL to PID.*nbd-'
	check "no write failed, and no read was wrong" \
		says_not 'a write failed|a read was wrong|stands still|does not end'
	check_image
}

# The rest of a boot with put_load().
check_load() { # OUTAGES before the unit takes over [the one of them that is the network's]
	local n
	check "the real root runs" says 150 'guest: the real root runs'
	check "its supervisor is spared by systemd" said 'the real root runs, as @'
	for ((n = 1; n <= $1; n++)); do
		check "the guest is ready for outage $n" says 90 "guest: ready for outage $n"
		if [[ $n = "${2:-}" ]]; then
			network_outage
		else
			outage
		fi
		check "outage $n ends" says 90 "guest: outage $n is over"
	done
	check "the guest is ready for the last outage" says 90 'guest: ready for the last outage'
	check "the unit has taken over" said 'guest: the unit has taken over'
	check "the initramfs's supervisor has ended" said "guest: the initramfs's supervisor has ended"
	outage
	check "the last outage ends" says 90 'guest: the last outage is over'
	check "the kernel saw no error" says 60 'guest: the kernel saw no error'
	check "the root file system stayed writable" says 20 'guest: the root file system is writable'
	check "the guest powers off" powers_off 60
	check "systemd spares every helper" says_not 'Waiting for process.*nbd-|SIGKILL to PID.*nbd-'
	check "no write failed, and no read was wrong" \
		says_not 'a write failed|a read was wrong|stands still|does not end'
	check_image
}

check_image() {
	kill -TERM "$server"
	wait_for 5 gone "$server"
	check "the file system is clean" e2fsck -fn "$scratch/image"
	check "its last file is complete" eval '[[ $(debugfs -R "cat /done" "$scratch/image" 2>/dev/null) = "done" ]]'
}
