#!/bin/bash
# SPDX-License-Identifier: MIT
# One writer: an export gets no second writable device, even if the first one has no supervisor or
# its supervisor uses another /run. Only root can hold a lock. --status does not block a supervisor.
# shellcheck source=tests/lib.sh disable=SC2119,SC2154,SC2317 # set by lib.sh; check() calls functions
. "$(dirname "$0")/../lib.sh"
in_guest 200
begin 25

sock=$scratch/sock
start_server "$sock" nbdkit -f -U "$sock" memory 32M

attach() { # DEVICE [OPTION...]
	nbd_attach "${@:2}" "$1" -u "$sock"
}
kill_supervisor() {
	local p
	p=$(supervisor nbd0)
	kill -KILL "$p"
	wait_for 10 gone "$p"
}
writers() { # NUMBER of devices that are attached for writing
	local n=0 d
	for d in /sys/block/nbd*/pid; do
		[[ -e $d && $(<"${d%pid}ro") = 0 ]] && ((n += 1))
	done
	echo "$n writers"
	((n == $1))
}

check "attaches" attach nbd0
check "a second one is refused" expect_status 3 'attached already' attach nbd1
mkfs.ext4 -q /dev/nbd0
mkdir "$scratch/mnt"
mount /dev/nbd0 "$scratch/mnt"
leave() { # SIGTERM, and the device is in use
	local p
	p=$(supervisor nbd0)
	kill -TERM "$p"
	wait_for 10 gone "$p" && attached nbd0
}
check "stays attached without a supervisor" leave
check "a second one is refused, and the message names the first one" \
	expect_status 3 'attached for writing already, as /dev/nbd0' attach nbd1
check "there is one writer" writers 1
check "a reader is not refused" attach nbd1 -r
check "the reader is detached" nbd_attach --detach nbd1
check "it is taken over" attach nbd0
elsewhere() { # a container's /run
	NBD_ATTACH_RUNDIR=$scratch/run attach nbd1
}
mkdir "$scratch/run"
if kernel_is 5.14; then
	check "another /run: refused" \
		expect_status 3 'attached for writing already, as /dev/nbd0' elsewhere
else
	skip "another /run: refused" "the kernel has no identifiers before 5.14"
fi
check "there is still one writer" writers 1

# A process that can open a lock file can also hold the lock.
kill_supervisor
modes() { # checks the modes of the lock files in use
	stat -c '%a %n' /run/nbd-attach/*.lock
	! stat -c %a /run/nbd-attach/{nbd0,id-*}.lock | grep -qvx 600
}
check "only root can open the locks" modes
check "a user cannot hold a lock" expect_status 66 'Permission denied' \
	setpriv --reuid 65534 --clear-groups flock -n -x /run/nbd-attach/nbd0.lock true
chmod 644 /run/nbd-attach/*.lock # an earlier version made them so
start setpriv --reuid 65534 --clear-groups flock -x /run/nbd-attach/nbd0.lock sleep 100
held() {
	grep -q "FLOCK .*:$(stat -c %i /run/nbd-attach/nbd0.lock) " /proc/locks
}
check "a user holds the lock of an earlier version" wait_for 10 held
check "it is taken over nevertheless" attach nbd0
check "only root can open the locks again" modes

# If root holds the lock, there is no second device.
kill_supervisor
exec {lock}>>/run/nbd-attach/nbd0.lock
flock -x "$lock"
check "auto does not take the next device" expect_status 3 '/dev/nbd0 is attached already' attach auto
check "there is one writer" writers 1
exec {lock}>&-

# --status runs all the time
watch() {
	while [[ ! -e $scratch/enough ]]; do
		nbd_attach --status >/dev/null 2>&1
	done
}
for _ in 1 2; do
	watch &
	started+=("$!")
done
takes_over() {
	for _ in 1 2 3 4 5 6; do
		attach nbd0 || return
		kill_supervisor
	done
}
check "--status does not block a takeover" takes_over
touch "$scratch/enough"
check "it is taken over" attach nbd0
seen() { # by a user, who cannot open the lock
	setpriv --reuid 65534 --clear-groups "${nbd_attach[@]}" --status --json nbd0 >"$scratch/seen"
	cat "$scratch/seen"
	grep -qE '"state": ?"attached"' "$scratch/seen"
}
check "a user sees that it is supervised" seen
umount "$scratch/mnt"

# A device that is disconnected while it is open keeps its identifier, but writes nothing.
exec {open}<>/dev/nbd0
nbd-client -d /dev/nbd0 >/dev/null
check "the supervisor notices" wait_for 10 no_supervisor nbd0
check "it looks attached" attached nbd0
check "another one is attached" attach nbd1
check "the other one is detached" nbd_attach --detach nbd1
exec {open}>&-
check "the last close frees it" wait_for 10 detached nbd0
finish
