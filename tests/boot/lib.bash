# shellcheck shell=bash disable=SC2034,SC2154 # the scripts use the variables; scratch is lib.sh's
# SPDX-License-Identifier: MIT
# Functions for the scripts of tests/boot, which run on this machine: it has the servers, and a
# guest boots from them. Source this file after ../lib.sh.

boot_here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
guest='' console=''

# A script that cannot run here counts as one skipped check.
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
		net/packet/af_packet.ko net/tls lib crypto arch/x86/crypto; do
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
		sysusersdir=/usr/lib/sysusers.d initramfsdir=/usr/share/initramfs-tools >/dev/null
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
	nbdkit -f -i 127.0.0.1 -p "$1" file "$scratch/image" >>"$scratch/server.said" 2>&1 </dev/null &
	server=$!
	started+=("$server")
	wait_for 20 eval "(: <>/dev/tcp/127.0.0.1/$1) 2>/dev/null"
}

# Starts the guest; its messages are in $console. 10.0.2.2 is this machine's loopback.
boot() { # INITRD WORD...: of the kernel's command line
	console=$scratch/console
	: >"$console"
	# shellcheck disable=SC2054 # the commas are QEMU's
	setpriv --pdeathsig KILL qemu-system-x86_64 -nodefaults -no-user-config -no-reboot -display none \
		-machine q35 -accel tcg,thread=multi -cpu max -m 768 -smp 2 -kernel "$kernel/vmlinux" \
		-initrd "$1" -append "console=ttyS0 panic=-1 mitigations=off random.trust_cpu=on norandmaps cryptomgr.notests ${*:2}" \
		-chardev "file,id=console,path=$console,append=on" -serial chardev:console \
		-netdev user,id=net -device virtio-net-pci,netdev=net,romfile= \
		>"$scratch/qemu" 2>&1 </dev/null &
	guest=$!
	started+=("$guest")
}

# Waits for a line of the guest; shows the end of its messages if it does not come.
says() { # SECONDS REGEX
	local end=$((SECONDS + $1))
	until grep -qE -- "$2" "$console"; do
		if ((SECONDS >= end)) || gone "$guest"; then
			grep -qE -- "$2" "$console" && return
			tail -n 40 "$console" | tr -d '\r'
			cat "$scratch/qemu"
			return 1
		fi
		pause 0.2
	done
	return 0
}

says_not() { # REGEX
	! grep -E -- "$1" "$console"
}

powers_off() { # SECONDS
	wait_for "$1" gone "$guest" && grep -q 'Power down' "$console" && return
	tail -n 40 "$console" | tr -d '\r'
	return 1
}
