#!/bin/bash
# SPDX-License-Identifier: MIT
# Devices are attached in an initramfs without --root, with what needs files of it: a server that
# nbd-attach starts, --on-change, --fence. Then the root changes, as by switch_root(8). Whatever can
# not be done any more is said in one sentence; what needs no file of the initramfs works.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2119,SC2154,SC2317
if [[ ${1:-} != inside ]]; then
	if ! unshare -m true 2>/dev/null; then
		echo "skipped - an initramfs that goes away: no mount namespace can be made"
		exit 77
	fi
	exec unshare -m --propagation private bash "$0" inside
fi
. "$(dirname "$0")/../lib.bash"

# A sanitizer that looks for leaks at the end of a process reads /proc, and waits for ever without it.
ASAN_OPTIONS+=:detect_leaks=0
initramfs=$N/initramfs real_root=$N/real-root
mkdir "$initramfs" "$real_root"
# In the initramfs: the machine's programs, and the directories of the test at their paths.
make_initramfs() {
	local dir
	mount -t tmpfs initramfs "$initramfs" &&
		mkdir -p "$initramfs"/{etc,dev,proc,run,tmp} "$initramfs$top" "$initramfs$BUILD" "$initramfs$N" || return
	: >"$initramfs/etc/initrd-release"
	cp /etc/{passwd,group,ld.so.cache} "$initramfs/etc/"
	mount -t proc proc "$initramfs/proc" && mount -t tmpfs dev "$initramfs/dev" || return
	for dir in null zero urandom; do
		: >"$initramfs/dev/$dir" && mount --bind "/dev/$dir" "$initramfs/dev/$dir" || return
	done
	for dir in /usr /bin /sbin /lib /lib64; do
		if [[ -L $dir ]]; then
			cp -P "$dir" "$initramfs/"
		elif [[ -d $dir ]]; then
			mkdir "$initramfs$dir" && mount --bind "$dir" "$initramfs$dir" || return
		fi
	done
	mount --bind "$top" "$initramfs$top" && mount --bind "$BUILD" "$initramfs$BUILD" && mount --bind "$N" "$initramfs$N"
}

change_root() {
	local dir
	for dir in /proc /dev "$N"; do
		mkdir -p "$real_root$dir" && mount --move "$initramfs$dir" "$real_root$dir" || return
	done
	umount -l "$initramfs$BUILD" "$initramfs$top" "$initramfs/usr"
	for dir in /bin /sbin /lib /lib64; do
		[[ -L $dir || ! -d $dir ]] || umount -l "$initramfs$dir"
	done
	rm -rf "${initramfs:?}"/*
	! chroot "$initramfs" /bin/true 2>/dev/null
}

server_pid() { cat "$N"/pid; }
keeper_pid() { cat "$N"/captive-*.lock; }

# The log does not grow.
rests() {
	local before
	before=$(wc -l <"$N/stub/log")
	pause 3
	tail -n "+$((before + 1))" "$N/stub/log"
	(($(wc -l <"$N/stub/log") - before < 5))
}

check "there is an initramfs" make_initramfs
real=("${nbd_attach[@]}")
status() { "${real[@]}" --status "$1"; }
says_why() { status "$1" | tee /dev/stderr | tr -s ' \n' ' ' | grep -q "$2"; }
nbd_attach=(chroot "$initramfs" "${real[@]}")
check "a server of its own: it attaches" attach -- -- [ nbdkit -f -P "$N/pid" file "$image" ]
check "a warning says that it cannot stay" logged 'nbdkit cannot be started again when the initramfs is gone'
keeper=$(keeper_pid)
check "systemd spares the keeper, too" grep -qz '^@' "/proc/$keeper/cmdline"
load -i "$image"
check "the load gets on" loading 20 5
kill -KILL "$(server_pid)"
check "in the initramfs the server is started again" within 10 told_is taken 1
check "it heals" within 10 state_is attached
check "the load gets on" loading 20 5


# The other device has a second server, which it may use only after --fence.
second=$N/second changes=$N/changes
a=$N/a b=$N/b
truncate -s 1M "$second"
for at in "$a" "$b"; do
	sock=$at serve nbdkit -f -U "$at" file "$second"
	[[ $at = "$b" ]] || first=$server
done
check "with commands: it attaches" nbd_attach --io-timeout 1 --identifier second \
	--failover "nbd+unix:///?socket=$b" --fence "echo fenced >>$changes" \
	--on-change "echo \$NBD_STATE >>$changes" nbd1 -u "$a"
check "--on-change runs in the initramfs" within 10 grep -q attached "$changes"

check "the root changes" change_root
check "the load gets on" loading 20 5
check "the state file is written" within 10 state_is attached
kill -KILL "$(server_pid)"
check "the server ends" within 10 state_is lost
sentence='nbdkit cannot be run: the initramfs in which nbd-attach was started is gone'
check "--status says why it does not come back" within 20 says_why nbd0 "$sentence"
check "the log says so" logged "$sentence"
check "the keeper has ended" wait_for 10 gone "$keeper"
check "no other keeper is tried again and again" rests

# In the real root the same command starts the server from there, when that supervisor has ended.
kill_supervisor
nbd_attach=("${real[@]}")
attach_again() { (cd / && attach -- -- [ nbdkit -f -P "$N/pid" file "$image" ]); }
check "taken over in the real root: it heals" attach_again
check "the load gets on" loading 20 5
check "nothing failed, nothing is lost" unload
check "it detaches" detach
check "the server ends" wait_for 5 gone "$(server_pid)"

: >"$changes"
kill_now "$first"
sentence='no command can be run: the initramfs in which nbd-attach was started is gone'
check "with commands: it is lost" within 10 grep -q '^STATE=lost' "$N/nbd1.state"
check "the log says that --on-change cannot be run" within 10 logged "--on-change: $sentence"
check "the log says that the fence cannot be run" within 20 logged "nbd1: $sentence: no other server is used"
check "--status says so" says_why nbd1 "$sentence"
check "neither has been run" test ! -s "$changes"
sock=$a serve nbdkit -f -U "$a" file "$second"
check "it heals when its server is back, at a Unix socket" within 20 grep -q '^STATE=attached' "$N/nbd1.state"
finish
