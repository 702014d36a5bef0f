#!/bin/bash
# SPDX-License-Identifier: MIT
# Every server, over IPv4, IPv6 and Unix sockets: attach, write and verify, detach.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 240
begin 10

# The device must work, and must be free afterwards.
serves() { # NAME ATTACH-ARGUMENT...
	check "$1: attaches" nbd_attach nbd0 "${@:2}" || return
	check "$1: writes and verifies" writes_and_verifies /dev/nbd0
	check "$1: detaches" nbd_attach --detach nbd0
	check "$1: nbd0 is free" detached nbd0
}

# The export must be the right one: its first block is that of the file.
is_export() { # NAME FILE ATTACH-ARGUMENT...
	check "$1: attaches" nbd_attach nbd0 "${@:3}" || return
	check "$1: serves $(basename "$2")" cmp -n 4096 /dev/nbd0 "$2"
	check "$1: detaches" nbd_attach --detach nbd0
}

lists() { # NAME... -- LIST-ARGUMENT...
	local names=()
	while [[ $1 != -- ]]; do
		names+=("$1")
		shift
	done
	shift
	nbd_attach --list "$@" | cut -f 1 | sort >"$scratch/names" || return
	cat "$scratch/names"
	printf '%s\n' "${names[@]}" | sort | cmp - "$scratch/names"
}

for name in one two three; do
	truncate -s 4M "$scratch/$name"
	yes "this is $name" | head -c 8192 | dd of="$scratch/$name" conv=notrunc status=none
done

#
# nbd-server
#
cat >"$scratch/exports" <<EOF
[one]
	exportname = $scratch/one
	flush = true
	fua = true
	trim = true
[two]
	exportname = $scratch/two
[three]
	exportname = $scratch/three
	readonly = true
EOF
nbd_server() { # PATH or PORT, GENERIC-SETTING; sets $pid
	printf '[generic]\n\tallowlist = true\n\t%s\n' "$2" |
		cat - "$scratch/exports" >"$scratch/nbd-server.conf"
	rm -f "$scratch/nbd-server.pid"
	# It serves one client only, unless it goes to the background.
	nbd-server -C "$scratch/nbd-server.conf" -p "$scratch/nbd-server.pid"
	wait_for 10 test -s "$scratch/nbd-server.pid"
	pid=$(cat "$scratch/nbd-server.pid")
	started+=("$pid")
	wait_for 10 listening "$1"
	wait_for 120 idles "$pid"
}
nbd_server "$scratch/nbd-server.sock" "unixsock = $scratch/nbd-server.sock"
serves "nbd-server, Unix socket" -u "$scratch/nbd-server.sock" one
stop "$pid"
nbd_server 10810 "port = 10810"
serves "nbd-server, IPv4" 127.0.0.1 one -p 10810
serves "nbd-server, IPv6" '[::1]:10810' two
is_export "nbd-server, by URI" "$scratch/three" nbd://localhost:10810/three
check "nbd-server: lists" lists one two three -- 127.0.0.1:10810
check "nbd-server: no such export" \
	expect_status 5 four nbd_attach nbd0 127.0.0.1:10810 four
stop "$pid"

#
# nbdkit
#
for address in 127.0.0.1 ::1; do
	start_server 10820 nbdkit -f -i $address -p 10820 memory 4M
	serves "nbdkit, $address" $address -p 10820
	stop "$pid"
done
start_server "$scratch/nbdkit.sock" nbdkit -f -U "$scratch/nbdkit.sock" --tls=off memory 4M
serves "nbdkit --tls=off, Unix socket" -u "$scratch/nbdkit.sock"
serves "nbdkit, by URI" "nbd+unix:///?socket=$scratch/nbdkit.sock"
stop "$pid"
# With -o, nbdkit 1.32 refuses the flushes that it offers; this plugin does not offer them.
truncate -s 4M "$scratch/half" "$scratch/other-half"
start_server 10821 nbdkit -f -o -p 10821 split "$scratch/half" "$scratch/other-half"
serves "nbdkit -o (oldstyle)" 127.0.0.1:10821
check "nbdkit -o: describes" expect_status 0 '' nbd_attach --info 127.0.0.1:10821
check "nbdkit -o: says that it cannot list" \
	expect_status 5 'list' nbd_attach --list 127.0.0.1:10821
stop "$pid"
mkdir "$scratch/files"
mv "$scratch/one" "$scratch/two" "$scratch/files"
start_server 10822 nbdkit -f -p 10822 file dir="$scratch/files"
is_export "nbdkit, an export of a list" "$scratch/files/two" 127.0.0.1:10822 two
serves "nbdkit, another of it" -N one -p 10822 127.0.0.1
check "nbdkit: lists" lists one two -- -p 10822 localhost
stop "$pid"

#
# qemu-nbd
#
qemu-img create -q -f qcow2 "$scratch/image.qcow2" 4M
for address in 127.0.0.1 ::1; do
	start_server 10830 qemu-nbd -t -b $address -p 10830 -f raw "$scratch/files/one"
	serves "qemu-nbd raw, $address" $address -p 10830
	stop "$pid"
done
start_server "$scratch/qemu.sock" qemu-nbd -t -k "$scratch/qemu.sock" -f qcow2 "$scratch/image.qcow2"
serves "qemu-nbd qcow2, Unix socket" -u "$scratch/qemu.sock"
stop "$pid"
check "qemu-nbd: the image is sound" qemu-img check "$scratch/image.qcow2"
start_server 10831 qemu-nbd -t -p 10831 -e 4 -x disk -D 'a disk' -f qcow2 "$scratch/image.qcow2"
serves "qemu-nbd -x disk" 127.0.0.1:10831 disk
serves "qemu-nbd -x disk -e 4, four connections" 127.0.0.1:10831 disk -C 4
check "qemu-nbd: lists" lists disk -- 127.0.0.1:10831
check "qemu-nbd: no such export" expect_status 5 other nbd_attach nbd0 127.0.0.1:10831 other
stop "$pid"

#
# The minimal server, with several clients one after the other
#
start_server "$scratch/minimal.sock" \
	"$top/tests/interop/minimal.py" "$scratch/minimal.sock" "$scratch/minimal" $((4 << 20))
serves "minimal server" -u "$scratch/minimal.sock"
serves "minimal server, any name" -u "$scratch/minimal.sock" whatever
check "minimal server: describes" \
	expect_status 0 '' nbd_attach --info -u "$scratch/minimal.sock"
check "minimal server: says that it cannot list" \
	expect_status 5 'list' nbd_attach --list -u "$scratch/minimal.sock"
is_export "minimal server, after all that" "$scratch/minimal" -u "$scratch/minimal.sock"
stop "$pid"

finish
