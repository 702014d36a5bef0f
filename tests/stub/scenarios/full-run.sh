#!/bin/bash
# SPDX-License-Identifier: MIT
# /run is full: nothing that heals a device, or takes it over, needs room there. What cannot be
# written is said once, and the next supervisor knows of the outage all the same.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2119,SC2317
. "$(dirname "$0")/../lib.bash"

run=$N/run
mkdir "$run"
if ! mount -t tmpfs -o size=128k none "$run" 2>/dev/null; then
	skip "a full /run" "no file system can be mounted here"
	finish
fi
away() {
	supervisors+=("$(<"$run/nbd0.lock")")
	kill -KILL "${supervisors[@]}"
	umount -l "$run"
} 2>/dev/null
trap 'away; leave' EXIT
ln -s ../stub "$run/stub"
ln -s "$run/nbd0.state" "$run/nbd0.lock" "$N/"
export NBD_ATTACH_RUNDIR=$run

fill() {
	dd if=/dev/zero of="$run/fill" bs=4k
	cat "$run/fill" >"$run/more"
} 2>/dev/null

said() { # N: so often that the file cannot be written
	is "$(grep -c 'cannot write the state file' "$N/stub/log")" "$1"
}

serve
check "it attaches" attach
load -i "$image"
check "the load gets on" loading 20 5
fill
check "it heals" heals 5
check "it heals again" heals 5
check "that the state cannot be written was said once" said 1
check "the state file is the old one" state_has RECONNECTS '^0$'

crash
check "the outage is known all the same" within 10 grep -q '^[0-9]* 1 ' "$run/nbd0.outage"
check "udev reads nothing in it" within 10 compgen -G "$run/nbd0.*.lost"
kill_supervisor
check "the next one takes it over" attach
serve_again
check "it heals" within 20 told_at_least taken 4
check "the load gets on with it" loading 20 5
rm "$run/fill" "$run/more"
# A request that began when io_timeout was the driver's own is sent again 30 s later.
check "the state is written again" heals 40
check "it counts" state_has RECONNECTS '^[1-9]'
check "nothing failed, nothing is lost" unload
check "it detaches" detach
check "nothing is left" refuses compgen -G "$run/nbd0.[os]*"
finish
