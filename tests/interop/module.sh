#!/bin/bash
# SPDX-License-Identifier: MIT
# The nbd module is loaded when it is missing, and its absence is explained.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
export NBD_VM_NO_NBD=1
in_guest 120
begin 16

sock=$scratch/sock
start_server "$sock" nbdkit -f -U "$sock" memory 16M
server=$pid

check "the nbd module is not loaded at first" test ! -e /sys/module/nbd
check "--info works without the module" nbd_attach --info -u "$sock"
check "--check, no module" expect_status 1 '' nbd_attach --check nbd0
check "--status, no module" refuses test -e /sys/block/nbd0
mount -t tmpfs none "/lib/modules/$(uname -r)"
check "a kernel without the module" expect_status 6 'module' nbd_attach nbd0 -u "$sock"
umount "/lib/modules/$(uname -r)"
check "the module is loaded" nbd_attach nbd0 -u "$sock"
check "the device works" writes_and_verifies /dev/nbd0
check "the device detaches" nbd_attach --detach nbd0

# The kernel makes further devices on demand, but only for netlink.
check "one device: the module is loaded with nbds_max=1" eval 'rmmod nbd && modprobe nbd nbds_max=1'
check "one device: auto takes it" expect_status 0 '' nbd_attach auto --backend ioctl -u "$sock"
check "one device: ioctl finds no second one" expect_status 3 'nbds_max' \
	nbd_attach -q auto --backend ioctl -u "$sock" --identifier other
check "one device: netlink makes a second one" nbd_attach auto -u "$sock" --identifier other
check "one device: the second one detaches" nbd_attach --detach nbd1
check "one device: the first one detaches" nbd_attach --detach nbd0

check "max_part=0: the module is loaded" eval 'rmmod nbd && modprobe nbd max_part=0'
check "max_part=0: said" eval 'nbd_attach nbd0 -u "$sock" 2>&1 | grep max_part=0 && nbd_attach --detach nbd0'

stop "$server"
finish
