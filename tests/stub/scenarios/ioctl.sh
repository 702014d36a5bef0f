#!/bin/bash
# SPDX-License-Identifier: MIT
# A kernel without the netlink family: the program uses ioctl and says what that means.
# shellcheck source=tests/stub/lib.bash disable=SC2119
. "$(dirname "$0")/../lib.bash"

touch "$N/stub/no-netlink"
serve
check "netlink alone is refused" expect_status 6 'no netlink interface here' attach --backend netlink
check "auto falls back" attach
check "the log says what that means" \
	logged "this kernel's nbd has no netlink interface: using ioctl: the device ends with this process"
check "it is attached" told_is alive 1
check "it cannot be resized" expect_status 6 'with ioctl' nbd_attach --resize nbd0
pid=$(supervisor_pid 0)
crash
check "the supervisor ends with the connection" wait_for 10 gone "$pid"
check "the log says so" logged 'has ended, and the device with it'
finish
