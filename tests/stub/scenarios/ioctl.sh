#!/bin/bash
# SPDX-License-Identifier: MIT
# A kernel without the netlink family: the program uses ioctl only if it is told to, and says what that means.
# shellcheck source=tests/stub/lib.bash disable=SC2119
. "$(dirname "$0")/../lib.bash"

touch "$N/stub/no-netlink"
serve
check "netlink alone is refused" expect_status 6 'no netlink interface here' attach --backend netlink
check "so is what would not heal" expect_status 6 'with --backend ioctl' attach
check "nothing is attached" told_is configured 0
check "ioctl" attach --backend ioctl
check "the log says what that means" \
	logged "using ioctl: the device ends with this process"
check "it is attached" told_is alive 1
check "it cannot be resized" expect_status 6 'with ioctl' nbd_attach --resize nbd0
pid=$(supervisor_pid 0)
crash
check "the supervisor ends with the connection" wait_for 10 gone "$pid"
check "the log says so" logged 'has ended, and the device with it'
finish
