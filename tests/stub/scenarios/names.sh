#!/bin/bash
# SPDX-License-Identifier: MIT
# The command returns when udev has made the names of the device and of its partitions, or after
# five seconds. An outage meanwhile is healed, and ends the wait.
# Slow: it is started first.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2034,SC2119,SC2154,SC2317
. "$(dirname "$0")/../lib.bash"

sys=$N/stub/sys/block/nbd0

entry() { # NUMBER LINK
	printf 'S:disk/by-nbd/%s\nE:NBD_ATTACH_PID=%s\n' "$2" "$(<"$sys/pid")" >"$N/stub/udev/data/b$1"
}

begins() { # [OPTION...]; starts the command, and waits until the kernel has the device
	rm -f "$N/stub/udev/data/"*
	start "${nbd_attach[@]}" nbd0 -u "$sock" --name data "$@"
	within 10 state_is attached && within 5 told_is configured 1
}

ends() { wait_for 15 gone "$pid" && wait "$pid"; }

mkdir -p "$N/stub/udev/data" "$N/stub/udev/rules.d"
touch "$N/stub/udev/rules.d/59-nbd-attach.rules"
serve
check "no udev: attaches at once" attach
check "no udev: detaches" detach
touch "$N/stub/udev/control"
number=$(<"$sys/dev")
check "udev: begins" begins
pause 1
check "udev: the command waits for the name" running "$pid"
entry "$number" data
check "udev: it returns when the name is there" ends
check "udev: no warning" refuses grep 'within 5 s' "$scratch/log"
check "udev: detaches" detach
check "late: begins" begins
check "late: the command succeeds" ends
check "late: it says what is missing" grep 'udev has not made /dev/disk/by-nbd/data' "$scratch/log"
check "late: detaches" detach
check "--no-scan: begins" begins --no-scan
entry "$number" data
mkdir "$sys/nbd0p1"
check "--no-scan: waits for no partition" ends
check "--no-scan: no warning" refuses grep 'within 5 s' "$scratch/log"
check "--no-scan: udev is told" grep -qx NBD_ATTACH_NOSCAN=1 "$N"/nbd0.*.udev
check "--no-scan: ... and needs no other file" test ! -e "$N/nbd0.noscan"
rmdir "$sys/nbd0p1"
check "--no-scan: detaches" detach
touch "$N/nbd0.noscan"
check "outage: begins" begins
check "outage: what another supervisor left counts no longer" test ! -e "$N/nbd0.noscan"
crash
check "outage: the command succeeds" ends
serve_again
check "outage: the device heals" within 10 state_is attached
check "outage: detaches" detach
finish
