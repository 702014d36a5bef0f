# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# nbd-attach and its peers: each attaches $device to the export "disk" at $sock. Sourced after
# lib.bash.
sock=$scratch/sock
helper=''

# Each function attaches $device and puts the process that it needs, if any, into $helper.
by_nbd_attach() {
	attach -C 1
}

by_nbd_client() { # OPTION...
	timeout 20 nbd-client -unix "$sock" -N disk "/dev/$device" -persist "$@"
}

by_nbd_client_ioctl() { # the client keeps running in the ioctl
	nbd-client -unix "$sock" -N disk "/dev/$device" -persist -nonetlink -nofork \
		>>"$scratch/log" 2>&1 </dev/null &
	helper=$!
	started+=("$helper")
	wait_for 10 attached "$device"
}

by_qemu_nbd() { # a proxy in user space: for the kernel the server never dies
	mkdir -p /run/lock # qemu-nbd fails without a message if the directory is missing
	qemu-nbd -c "/dev/$device" --cache=none --image-opts \
		"driver=nbd,server.type=unix,server.path=$sock,export=disk,reconnect-delay=600" \
		>>"$scratch/log" 2>&1 </dev/null &
	helper=$!
	started+=("$helper")
	wait_for 20 sized
}

sized() {
	(($(cat "/sys/block/$device/size") > 0))
}
