#!/bin/bash
# SPDX-License-Identifier: MIT
# A kernel without the netlink family: the program uses ioctl only if it is told to, and says what that means.
# A device in use does not end with SIGTERM.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2154
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
supervisor=$(supervisor_pid 0)
start "$stub" open nbd0
opener=$pid
check "it is open" within 5 told_is openers 1
kill -TERM "$supervisor"
check "SIGTERM while it is in use: the log says that the supervisor goes on" within 10 logged \
	'stays attached, and its supervisor goes on, because with ioctl the device would end with it: .*open in process'
check "... and so it does" running "$supervisor"
check "... the device works" told_is alive 1
check "... and it is attached" within 5 state_is attached
kill_now "$opener"
check "... nobody uses it any more" within 5 told_is openers 0
kill -TERM "$supervisor"
check "SIGTERM when nobody uses it: the supervisor ends" wait_for 10 gone "$supervisor"
check "... and detaches the device" told_is configured 0
check "it attaches again" attach --backend ioctl
pid=$(supervisor_pid 0)
crash
check "the supervisor ends with the connection" wait_for 10 gone "$pid"
check "the log says so" logged 'has ended, and the device with it'
finish
