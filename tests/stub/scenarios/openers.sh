#!/bin/bash
# SPDX-License-Identifier: MIT
# The references to the driver's module prove that a device has no user: no process is looked at.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2154,SC2317
. "$(dirname "$0")/../lib.bash"

attach_other() {
	nbd_attach nbd1 -u "$sock" --identifier other
}

serve
check "it attaches" attach
check "one reference: its own" is "$(<"$N/stub/sys/module/nbd/refcnt")" 1
# A look would take longer than a detach may.
touch "$N/stub/slow-look"
check "it is detached without a look" within 5 detach
check "it is free" told_is configured 0
check "it attaches again" attach
touch "$N/stub/unsure"
check "SIGTERM: the supervisor ends" kill_supervisor TERM
check "SIGTERM: it is detached without a look, so there is no doubt" told_is configured 0
rm "$N/stub/slow-look"

# Of 5.10 the claim has one reference for all opens of the device; a partition has another one.
echo 5.10 >"$N/stub/release"
check "5.10: it attaches" attach
check "5.10: SIGTERM: the supervisor ends" kill_supervisor TERM
check "5.10: SIGTERM: the number proves nothing to the claim, so there is doubt" told_is configured 1
rm "$N/stub/release"

check "it attaches once more" attach
start "$stub" open nbd0
opener=$pid
check "a process opens it" within 5 told_is openers 1
check "it is found, and named" expect_status 3 "/dev/nbd0 is open in process $opener" detach
check "SIGTERM: the supervisor ends" kill_supervisor TERM
check "SIGTERM: it stays attached" told_is configured 1
kill_now "$opener"
check "the process has ended" within 5 told_is openers 0
check "it is taken over" attach

check "another device is attached" attach_other
check "SIGTERM: the supervisor ends" kill_supervisor TERM
check "SIGTERM: references of the other are not told apart, so there is doubt" told_is configured 1
rm "$N/stub/unsure"
check "both are detached" nbd_attach --detach nbd0 nbd1
check "the first is free" told_is configured 0
check "the second is free" told_is configured 0 1
finish
