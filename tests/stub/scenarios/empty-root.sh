#!/bin/bash
# SPDX-License-Identifier: MIT
# The supervisor of the root file system: attached in an initramfs, whose files are gone when the
# real root has taken over. It heals, it says what happens, and the real root's supervisor gets the
# device from it.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2119,SC2154,SC2317
. "$(dirname "$0")/../lib.bash"

# A server at the same port again.
again() { serve_tcp "$port"; }

# The supervisor's own root directory, as the kernel has it.
root_is_empty() {
	ls -A "/proc/$(supervisor_pid 0)/root/"
	[[ -z $(ls -A "/proc/$(supervisor_pid 0)/root/") ]]
}

lost_mark() { compgen -G "$N/nbd0.*.lost" >/dev/null; }
no_lost_mark() { ! lost_mark; }

mkdir "$N/stub/empty-root"
serve_tcp
# A sanitizer's search for leaks reads /proc, which is not there: it would never end.
ASAN_OPTIONS+=:detect_leaks=0
check "it attaches" attach --root -- 127.0.0.1 -p "$port"
check "systemd would let it live" grep -qz '^@' "/proc/$(supervisor_pid 0)/cmdline"
check "its root directory is empty" root_is_empty
: >"$N/nbd0.1.lost" # as an earlier attachment may leave it
load
for n in 1 2 3; do
	check "outage $n: I/O goes on before" loading 20 10
	crash
	check "outage $n: the state file says so" within 10 state_is lost
	check "outage $n: udev is told not to read" within 10 lost_mark
	again
	check "outage $n: it heals" within 20 state_is attached
	check "outage $n: it is counted" state_has OUTAGES "^$n$"
	check "outage $n: udev may read again" within 10 no_lost_mark
	check "outage $n: I/O goes on" loading 20 10
done
check "a mark of an earlier attachment was removed" test ! -e "$N/nbd0.1.lost"
check "the log has no complaint" bash -c '! grep -E "cannot write|cannot tell" "$1"' - "$N/stub/log"

old=$(supervisor_pid 0)
rmdir "$N/stub/empty-root"
start "${nbd_attach[@]}" -v -n nbd0 127.0.0.1 -p "$port"
new=$pid
in_charge() { [[ $(supervisor_pid 0) = "$new" ]] && ! flock -n "$N/nbd0.lock" true; }
check "the supervisor of the real root gets the device" within 10 in_charge
check "the old one has ended" wait_for 10 gone "$old"
check "it was handed over" logged 'handed over to another supervisor'
before=$(told taken)
crash
check "it notices an outage" within 10 state_is lost
again
check "it heals" within 20 told_at_least taken $((before + 1))
check "I/O goes on" loading 20 10
check "nothing failed, nothing is lost" unload
check "it detaches" detach
finish
