#!/bin/bash
# SPDX-License-Identifier: MIT
# An export is not attached for writing twice, even if the lock is no help: the first device has no
# supervisor, or its supervisor uses another run directory, or both devices are attached at once.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2154,SC2317
. "$(dirname "$0")/../lib.bash"

ours="nbd+unix:///?socket=$sock"
other_run() { # as in a container that has its own /run
	NBD_ATTACH_RUNDIR=$N/run nbd_attach "$@"
}
mkdir "$N/run"
ln -s ../stub "$N/run/stub" # the same kernel

serve
check "a reader attaches" nbd_attach -r nbd2 -u "$sock"
check "a writer beside it attaches" attach
check "the reader is detached" nbd_attach --detach nbd2
check "the writer's identifier is as expected" is "$(<"$N/stub/sys/block/nbd0/backend")" "$ours"
check "in another run directory: refused" expect_status 3 'attached for writing already, as /dev/nbd0' \
	other_run nbd1 -u "$sock"
kill_supervisor
check "without a supervisor: refused" expect_status 3 'attached for writing already, as /dev/nbd0' \
	nbd_attach nbd1 -u "$sock"
over_ioctl() { # ioctl also prints a warning
	nbd_attach --backend ioctl nbd1 -u "$sock" 2>"$N/over-ioctl"
	(($? == 3)) && grep 'attached for writing already, as /dev/nbd0' "$N/over-ioctl"
}
check "over ioctl: refused, too" over_ioctl
check "no second device was made" told_is detaches 0 1
check "a reader is not refused" nbd_attach -r nbd1 -u "$sock"
check "the reader is detached" nbd_attach --detach nbd1

# If the lock is taken, auto must not use the next free device.
echo $$ >"$N/nbd0.lock"
exec {held}>>"$N/nbd0.lock"
flock -x "$held"
check "auto, and its lock is taken: refused" expect_status 3 '/dev/nbd0 is attached already' \
	nbd_attach auto -u "$sock"
check "auto as a reader takes the next one" nbd_attach -r auto -u "$sock"
check "the next device is nbd1" told_is configured 1 1
check "the reader is detached" nbd_attach --detach nbd1
exec {held}>&-
check "auto takes it over" nbd_attach auto -u "$sock"
check "a writer beside the taken-over one holds the lock" expect_status 1 '' \
	flock -n "$N"/id-*.lock true
check "it detaches" detach

# A disconnected device that is still open looks attached, but writes nothing.
check "it attaches" attach
start "$stub" open nbd0
opener=$pid
check "it is open" within 5 told_is openers 1
supervisor=$(supervisor_pid 0)
ctl detach 0
check "the supervisor notices" wait_for 10 gone "$supervisor"
check "the identifier is still there" is "$(<"$N/stub/sys/block/nbd0/backend")" "$ours"
check "the next device is attached" nbd_attach nbd1 -u "$sock"
check "it detaches" nbd_attach --detach nbd1
check "the next device is attached over ioctl" nbd_attach --backend ioctl nbd1 -u "$sock"
check "it detaches" nbd_attach --detach nbd1
kill_now "$opener"
check "the last close frees the first one" within 5 told_is configured 0

# Both devices are connected before either program checks again.
begins() { # N OTHER: attaches nbdN; meanwhile another program attaches nbdOTHER
	ctl block
	nbd_attach "nbd$1" -u "$sock" >"$N/begins.said" 2>&1 &
	beginner=$!
	started+=("$beginner")
	within 10 told_is commands 1 "$1" || return 1
	ctl attach "$2" "$ours"
	ctl unblock
}
ended_with() { # STATUS
	local status
	wait_for 10 gone "$beginner"
	wait "$beginner"
	status=$?
	cat "$N/begins.said"
	((status == $1))
}
check "a device with a lower index appears" begins 1 0
check "the higher one is detached" ended_with 3
check "it says why" grep -q 'attached for writing already, as /dev/nbd0' "$N/begins.said"
check "it is free" told_is configured 0 1
check "the lower one stays" told_is configured 1 0
ctl detach 0

check "a device with a higher index appears" begins 0 1
check "both are attached" within 5 told_is configured 1
ctl detach 1
check "the higher one is detached, and the lower one stays" ended_with 0
check "it detaches" detach

check "a device with a higher index appears" begins 0 1
check "the higher one stays, so the lower one is detached" ended_with 3
check "it is free" told_is configured 0
finish
