#!/bin/bash
# SPDX-License-Identifier: MIT
# From the first attempt to the end: waiting, background and foreground, signals, other programs.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 170
begin 56

sock=$scratch/sock
log=$scratch/requests

kit() { # ARGUMENT... of nbdkit
	start_server "$sock" nbdkit -f -U "$sock" "$@"
	server=$pid
}

without_a_terminal() { # PID
	[[ ! /proc/$1/fd/0 -ef /dev/null ]] && echo "stdin"
	[[ ! /proc/$1/fd/1 -ef /dev/null ]] && echo "stdout"
	[[ ! /proc/$1/fd/2 -ef /dev/null ]] && echo "stderr"
	[[ $(cut -d ' ' -f 6 "/proc/$1/stat") = "$1" ]] || echo "not a session of its own"
	[[ $(readlink "/proc/$1/cwd") = / ]] || echo "in $(readlink "/proc/$1/cwd")"
}

foreground() { # sets $attachment; the output goes to $scratch/log
	start "${nbd_attach[@]}" -n nbd0 -u "$sock"
	attachment=$pid
}

ended_with() { # STATUS PID
	wait_for 10 gone "$2" || return
	wait "$2"
	is $? "$1"
}

kit memory 16M

# In the background
check "background: attaches" nbd_attach nbd0 -u "$sock"
check "background: can be read at once" dd if=/dev/nbd0 of=/dev/null bs=4k count=1 iflag=direct
check "background: has a supervisor" running "$(supervisor nbd0)"
check "background: the supervisor has no terminal" \
	is "$(without_a_terminal "$(supervisor nbd0)")" ''
check "background: the state is attached" status_is nbd0 state attached
check "background: a second attach is content" \
	expect_status 0 'nbd0 is already' nbd_attach nbd0 -u "$sock"
check "background: a different one is refused" \
	expect_status 3 'nbd0.*already' nbd_attach nbd0 -r -u "$sock"
check "background: --check" nbd_attach --check nbd0
check "background: the same export on another device is refused" \
	expect_status 3 'already' nbd_attach nbd1 -u "$sock"
check "background: nbd1 was left alone" detached nbd1
held=$(supervisor nbd0)
check "background: detaches" nbd_attach --detach /dev/nbd0
check "background: nbd0 is free at once" detached nbd0
check "background: the supervisor ends" wait_for 5 gone "$held"
check "background: only the locks are left" \
	is "$(find /run/nbd-attach -type f ! -name '*.lock' ! -name secret -o -type s)" ''
check "background: --check says so" expect_status 1 '' nbd_attach --check nbd0

# One export, several devices
check "identifier: two writable devices are refused" eval '
	nbd_attach nbd0 -u "$sock" -i same && expect_status 3 same nbd_attach nbd1 -u "$sock" -i same'
check "identifier: detaches" nbd_attach --detach nbd0
check "identifier: two read-only devices are allowed" eval '
	nbd_attach nbd0 -r -u "$sock" -i same && nbd_attach nbd1 -r -u "$sock" -i same'
if kernel_is 5.14; then
	check "identifier: the kernel has it" is "$(cat /sys/block/nbd1/backend)" same
else
	skip "identifier: the kernel has it" "the kernel has no identifiers before 5.14"
fi
check "identifier: --status knows both" \
	is "$(nbd_attach --status | grep -cE '^nbd[01] .* attached ')" 2
check "identifier: both detach" eval 'nbd_attach --detach nbd0 && nbd_attach --detach nbd1'

# In the foreground
foreground
check "foreground: attaches" wait_for 10 nbd_attach --check nbd0
wait_for 10 status_is nbd0 state attached >/dev/null
kill -TERM "$attachment"
check "foreground, SIGTERM, unused: ends with 0" ended_with 0 "$attachment"
check "foreground, SIGTERM, unused: nbd0 is free" detached nbd0
foreground
wait_for 10 status_is nbd0 state attached >/dev/null
exec 5<>/dev/nbd0
kill -TERM "$attachment"
check "foreground, SIGTERM, open: ends with 0" ended_with 0 "$attachment"
check "foreground, SIGTERM, open: says that it stays" grep -q "stays attached.*$$" "$scratch/log"
check "foreground, SIGTERM, open: the device still works" \
	dd if=/dev/nbd0 of=/dev/null bs=4k count=1 iflag=direct
exec 5>&-
check "without a supervisor: --status says so" status_is nbd0 state unsupervised
check "without a supervisor: detaches" nbd_attach --detach nbd0
check "without a supervisor: nbd0 is free" detached nbd0
foreground
wait_for 10 status_is nbd0 state attached >/dev/null
kill -INT "$attachment"
check "foreground, SIGINT: ends with 0" ended_with 0 "$attachment"
check "foreground, SIGINT: nbd0 is free" detached nbd0

# A supervisor that was killed leaves a device that works
check "killed supervisor: attaches" nbd_attach nbd0 -u "$sock"
kill -KILL "$(supervisor nbd0)"
check "killed supervisor: the device works" writes_and_verifies /dev/nbd0
check "killed supervisor: no process of ours is left" wait_for 5 eval \
	'! readlink /proc/[0-9]*/exe 2>/dev/null | grep -qx "${nbd_attach[0]}"'
check "killed supervisor: detaches" nbd_attach --detach nbd0

# Other people's doing
check "nbd-client -d: attaches" nbd_attach nbd0 -u "$sock"
held=$(supervisor nbd0)
check "nbd-client -d: does it" nbd-client -d /dev/nbd0
check "nbd-client -d: the supervisor ends" wait_for 10 gone "$held"
check "nbd-client -d: the state file is gone" test ! -e /run/nbd-attach/nbd0.state
foreground
wait_for 10 status_is nbd0 state attached >/dev/null
nbd-client -d /dev/nbd0 >/dev/null 2>&1
check "nbd-client -d: the foreground ends with 1" ended_with 1 "$attachment"
check "nbd-client -d: and says so" grep -q 'detached by another program' "$scratch/log"
nbd-client -unix "$sock" /dev/nbd0 >/dev/null 2>&1
check "nbd-client's device: is refused" \
	expect_status 3 'nbd0.*already' nbd_attach nbd0 -u "$sock" -i another
check "nbd-client's device: auto takes another" expect_status 0 '' nbd_attach auto -u "$sock"
check "nbd-client's device: and says which" is "$(cat "$scratch/stdout")" /dev/nbd1
check "nbd-client's device: detaches that" nbd_attach --detach nbd1
check "nbd-client's device: can be detached" nbd_attach --detach nbd0
check "nbd-client's device: is free" detached nbd0
stop "$server"

# A server that does not run yet
rm -f "$sock"
check "--wait=1: gives up" expect_status 4 'sock' nbd_attach -q nbd0 -u "$sock" --wait=1
check "--wait=1: leaves nothing attached" detached nbd0
start "${nbd_attach[@]}" nbd0 -u "$sock" --wait
waiting=$pid
wait_for 5 supervised nbd0
pause 1 # the only fixed pause: nothing must happen during this time
check "--wait: waits" running "$waiting"
kit --filter=log memory 16M logfile="$log"
check "--wait: attaches when the server starts" ended_with 0 "$waiting"
check "--wait: the device is attached" nbd_attach --check nbd0

# All written data reaches the server before the device is detached
dd if=/dev/urandom of="$scratch/data" bs=64k count=8 status=none
cat "$scratch/data" >/dev/nbd0
check "flush: detaches" nbd_attach --detach nbd0
wait_for 5 grep -q Disconnect "$log"
check "flush: it comes after the writes and before the disconnect" is \
	"$(grep -oE 'Write|Flush|Disconnect' "$log" | uniq | tail -n 3 | xargs)" "Write Flush Disconnect"
check "flush: the data is there" eval 'nbd_attach nbd0 -r -u "$sock" &&
	cmp -n 524288 /dev/nbd0 "$scratch/data" && nbd_attach --detach nbd0'
start "${nbd_attach[@]}" nbd0 -u "$scratch/none" --wait
wait_for 5 supervised nbd0
kill -TERM "$pid"
check "--wait: SIGTERM ends it" refuses ended_with 0 "$pid"
check "--wait: SIGTERM ends the supervisor, too" wait_for 5 no_supervisor nbd0
stop "$server"
finish
