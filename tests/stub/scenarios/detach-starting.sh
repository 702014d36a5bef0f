#!/bin/bash
# SPDX-License-Identifier: MIT
# --detach does not go past a supervisor that takes a device over and does not listen yet: it waits,
# and asks that one. A supervisor that was killed is not waited for.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

# Starts a supervisor that has the lock and waits for the kernel. Sets $pid.
begins() {
	kill_supervisor
	ctl block
	start "${nbd_attach[@]}" -n nbd0 -u "$sock"
	within 5 told_is commands 1 && [[ $(supervisor_pid 0) = "$pid" ]]
}

ends_with() { # STATUS
	local status
	wait_for 20 gone "$pid"
	wait "$pid"
	status=$?
	echo "$status, wanted $1"
	((status == $1))
}

# So that users are looked for.
touch "$N/stub/built-in"
serve
check "it attaches" attach
check "another supervisor begins" begins
supervisor=$pid
start "${nbd_attach[@]}" --detach nbd0
detacher=$pid
pause 1
check "--detach waits for it" running "$detacher"
check "... and does not disconnect" told_is detaches 0
ctl unblock
check "--detach has detached" ends_with 0
pid=$supervisor
check "... by that supervisor, which was asked" ends_with 0
check "the device is free" told_is configured 0

check "it attaches again" attach
check "another supervisor begins again" begins
began=$SECONDS
check "it does not listen in time: --detach gives up" \
	expect_status 3 "process $pid is just starting.*stays attached; try again" detach
check "within 15 s" test $((SECONDS - began)) -lt 15
check "nothing was disconnected" told_is detaches 1
ctl unblock
check "it is attached" within 10 state_is attached
check "it detaches" detach

# A process of udev has it open, which is waited for.
fake=$N/stub/proc/4194999
check "it attaches for one that comes later" attach
kill_supervisor
mkdir -p "$fake/fd"
printf 'Name:\t(udev-worker)\nPPid:\t1\nUid:\t0\t0\t0\t0\n' >"$fake/status"
ln -sfn /dev/full "$fake/fd/7"
start "${nbd_attach[@]}" --detach nbd0
detacher=$pid
pause 1
start "${nbd_attach[@]}" -n nbd0 -u "$sock"
supervisor=$pid
check "a supervisor comes while --detach waits for udev" within 10 state_has PID "^$supervisor$"
check "... which still waits" running "$detacher"
rm "$fake/fd/7"
pid=$detacher
check "that supervisor is asked, too" ends_with 0
pid=$supervisor
check "... and has detached it" ends_with 0

check "it attaches a third time" attach
kill_supervisor
began=$SECONDS
check "without a supervisor, it is detached at once" detach
check "... without a pause" test $((SECONDS - began)) -lt 4
check "it attaches a fourth time" attach
kill_supervisor
check "so it is with --force" detach --force
check "the lock is free: it attaches once more" attach
check "it detaches once more" detach
finish
