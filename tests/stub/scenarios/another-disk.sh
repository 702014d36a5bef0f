#!/bin/bash
# SPDX-License-Identifier: MIT
# --same-content=ids: the server comes back with another disk by the same name. Its identifiers are
# compared, and the device is put on hold: nothing fails, nothing is written to the other disk, and
# the user decides. A new file system on the device does not make it another disk.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"
# shellcheck source=tests/stub/two-disks.bash
. "$(dirname "$0")/../two-disks.bash"

c=cccccccc-0000-4000-8000-000000000003

other_disk() { # IMAGE
	crash
	within 5 state_has STATE 'lost|held' || return
	serve nbdkit -f -U "$sock" file "$1"
}

own_disk() {
	local taken
	taken=$(told taken)
	crash
	serve nbdkit -f -U "$sock" file "$image"
	within 10 told_at_least taken $((taken + 1)) && within 10 state_is attached
}

end_load() {
	kill -KILL "$loader" 2>/dev/null
	wait_for 10 gone "$loader" && wait_for 10 has_closed "$loader"
}

truncate -s 1M "$N/empty"
before=$(cksum <"$N/other")

serve nbdkit -f -U "$sock" file "$image"
check "it attaches, writable" attach --same-content=ids --dead-timeout 2 --on-change \
	"echo \$NBD_STATE: \$NBD_REASON >>$N/changes"
check "its identifiers are known" state_has CONTENT "^ids 1048576 btrfs:$a\$"
load -b 16
check "the load gets on" loading 20 5
check "the same disk is connected again" heals 5

check "another disk" other_disk "$N/other"
check "puts the device on hold" within 10 state_is held
check "and says so with both identifiers" state_has LAST_ERROR "another disk, btrfs $b instead of $a"
check "in the log" logged "another disk, btrfs $b instead of $a.*on hold: I/O waits"
check "to --on-change" within 5 grep -q "^held: .*$b instead of $a" "$N/changes"
check "in the JSON" json_is state held
check "in the metrics" grep -q 'nbd_attach_state="held"} 1' <("${nbd_attach[@]}" --status --openmetrics)
check "another word of --accept accepts nothing" nbd_attach --reconnect --accept smaller nbd0
pause 3
check "it is on hold, also after the dead timeout" state_is held
check "nothing failed" told_is failed 0
check "nothing was written to the other disk" test "$before" = "$(cksum <"$N/other")"
check "its own disk ends that" own_disk
check "the load gets on" loading 20 10

check "an empty disk" other_disk "$N/empty"
check "is another disk, too" within 10 state_has LAST_ERROR "btrfs none instead of $a"
check "it is on hold" state_is held
check "its own disk ends that" own_disk

check "another disk" other_disk "$N/other"
check "puts the device on hold" within 10 state_is held
check "it can be accepted" nbd_attach --reconnect --accept content nbd0
check "then it goes on" within 10 state_is attached
check "with the identifiers of the other one" state_has CONTENT "btrfs:$b"
check "the kernel waits without end" told_is dead-timeout 2147483647
# The load expects the blocks of its own disk.
end_load
check "that was for one outage" other_disk "$image"
check "the first disk is now another one" within 10 state_is held
check "--fail-now ends the wait" nbd_attach --fail-now nbd0
check "it fails" within 10 state_is expired
check "and heals" nbd_attach --reconnect --accept content nbd0
check "it is attached" within 10 state_is attached

# As mkfs does it: the identifiers change, and something was written.
mark "$image" "$c"
load -b 16 -c
check "the load gets on" loading 20 10
end_load
check "what is on the device is read when it rests" within 20 state_has CONTENT "btrfs:$c"
check "so the same disk is connected again" own_disk

# What was not flushed before an outage may be lost, so they are read again after it.
touch "$N/stub/no-node"
check "the same disk is connected once more" own_disk
check "where no node is visible, it says that it cannot read them" within 20 logged 'not visible here'
check "once" test "$(grep -c 'not visible here' "$N/stub/log")" = 1
rm "$N/stub/no-node"
check "a new supervisor knows it, too" kill_supervisor
attach --same-content=ids --dead-timeout 2
check "it is attached" within 10 state_is attached
check "it has the identifiers" state_has CONTENT "btrfs:$c"
check "another disk" other_disk "$N/other"
check "puts the device on hold" within 10 state_is held
check "its own disk ends that" own_disk
check "it detaches" detach

# An empty disk has nothing to compare.
image=$N/empty
serve nbdkit -f -U "$sock" file "$image"
check "an empty disk attaches" attach --same-content=ids
check "nothing is known of it" state_has CONTENT '^ids 1048576 none$'
check "another disk" other_disk "$N/other"
check "is used" within 10 state_is attached
check "it detaches" detach

serve nbdkit -f -U "$sock" file "$N/other"
check "a sample of a writable device is refused, with what can be done" \
	expect_status 5 'same-content=ids' attach --same-content
finish
