#!/bin/bash
# SPDX-License-Identifier: MIT
# The nbd module is loaded when it is missing, and its absence is explained.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
export NBD_VM_NO_NBD=1
in_guest 60
begin

sock=$scratch/sock
start_server "$sock" nbdkit -f -U "$sock" memory 16M
server=$pid

check "there is no nbd at first" test ! -e /sys/module/nbd
check "--info does without" nbd_attach --info -u "$sock"
check "--check, no module" expect_status 1 '' nbd_attach --check nbd0
check "--status, no module" refuses test -e /sys/block/nbd0
mount -t tmpfs none "/lib/modules/$(uname -r)"
check "a kernel without the module" expect_status 6 'module' nbd_attach nbd0 -u "$sock"
umount "/lib/modules/$(uname -r)"
check "the module is loaded" nbd_attach nbd0 -u "$sock"
check "the device works" writes_and_verifies /dev/nbd0
check "it detaches" nbd_attach --detach nbd0

stop "$server"
finish
