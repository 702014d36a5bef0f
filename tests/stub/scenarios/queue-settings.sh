#!/bin/bash
# SPDX-License-Identifier: MIT
# What is set for speed before Linux 6.12 is taken back by a detach, like io_timeout, and by an
# attachment that fails after it was set.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2317
. "$(dirname "$0")/../lib.bash"

queue=$N/stub/sys/block/nbd0/queue

settings_are() { # MAX_SECTORS_KB READ_AHEAD_KB
	is "$(<"$queue/max_sectors_kb") $(<"$queue/read_ahead_kb")" "$1 $2"
}

echo 6.1 >"$N/stub/release"
echo 128 >"$queue/max_sectors_kb"
echo 128 >"$queue/read_ahead_kb"
serve nbdkit -f -U "$sock" -P "$N/nbdkit.pid" --filter=blocksize-policy file "$image" \
	blocksize-minimum=512 blocksize-preferred=4096 blocksize-maximum=32M
check "it attaches" attach
check "the settings are larger" settings_are 1024 512
check "it detaches" detach
check "the detach takes them back" settings_are 128 128
check "io_timeout is the driver's own" is "$(<"$queue/io_timeout")" 30000

mkdir "$N/nbd0.control"
check "without a control socket, it does not attach" expect_status 6 'cannot listen on' attach
check "the failure takes the settings back" settings_are 128 128
check "the device is free" told_is configured 0
rmdir "$N/nbd0.control"
check "it attaches again" attach
check "the settings are larger again" settings_are 1024 512
check "it detaches again" detach
finish
