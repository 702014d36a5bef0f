#!/bin/bash
# SPDX-License-Identifier: MIT
# Detach waits for udev, which opens a device for a moment, and for another detach, but for no other
# process.
# Slow: it is started first.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2034,SC2119,SC2154,SC2317
. "$(dirname "$0")/../lib.bash"

fake=$N/stub/proc/4194999

opens() { # NAME: root's process of that name has nbd0 open, and stays
	mkdir -p "$fake/fd"
	printf 'Name:\t%s\nPPid:\t1\nUid:\t0\t0\t0\t0\n' "$1" >"$fake/status"
	ln -sfn /dev/full "$fake/fd/7"
}

closes() { rm -f "$fake/fd/7"; }

# So that users are looked for.
touch "$N/stub/built-in"
serve
for who in 'a command' 'the supervisor'; do
	check "$who: it attaches" attach
	opens '(udev-worker)'
	if [[ $who = 'a command' ]]; then
		start "${nbd_attach[@]}" --detach nbd0
	else
		pid=$(supervisor_pid 0)
		kill "$pid"
	fi
	pause 2
	check "$who: waits while udev looks" running "$pid"
	check "$who: ... and does not disconnect" told_is configured 1
	closes
	check "$who: goes on when udev has closed it" wait_for 8 gone "$pid"
	check "$who: the device is free" told_is configured 0
done
check "another detach: it attaches" attach
opens nbd-claim
start "${nbd_attach[@]}" --detach nbd0
pause 1
check "another detach: it is waited for" running "$pid"
closes
check "another detach: then this one goes on" wait_for 8 gone "$pid"
check "another detach: the device is free" told_is configured 0
check "it attaches again" attach
opens fio
check "another process is not waited for" eval 'before=$SECONDS
	expect_status 3 "is open in process" detach && ((SECONDS - before < 8))'
opens '(udev-worker)'
before=$SECONDS
TEST_LIMIT=40 check "udev stays: refused in the end" \
	expect_status 3 'is open in process 4194999' detach
took=$((SECONDS - before))
check "udev stays: after ten seconds" eval 'echo "$took s"; ((took >= 9))'
check "--force does not wait" detach --force
finish
