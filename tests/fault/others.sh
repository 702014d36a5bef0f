#!/bin/bash
# SPDX-License-Identifier: MIT
# Somebody else's hands on the device, a detach in an outage, and the dead timeout.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 300 "$@"
begin 56
# shellcheck source=tests/fault/lib.bash
. "$top/tests/fault/lib.bash"

sock=$scratch/sock

# Others
new_image
serve nbdkit "$sock"
check "nbd-client -d: attaches" attach
held=$(supervisor "$device")
check "nbd-client -d: load" load -r 500
pause 1
nbd-client -d "/dev/$device" >/dev/null 2>&1
check "nbd-client -d: the supervisor ends" wait_for 10 gone "$held"
load_ended >/dev/null # its requests failed, as asked for
crash
check "nbd-client -d: not attached again by itself" detached "$device"

# As soon as the device is free somebody attaches another disk; ours must not touch it
serve nbdkit "$sock"
check "another disk: attaches" attach
held=$(supervisor "$device")
truncate -s 8M "$scratch/other"
start_server "$scratch/other.sock" nbdkit -f -U "$scratch/other.sock" --filter=log \
	file "$scratch/other" logfile="$scratch/requests"
crash # an outage, in which ours would reconnect
nbd-client -d "/dev/$device" >/dev/null 2>&1
wait_for 10 detached "$device"
check "another disk: somebody attaches it" \
	timeout 20 nbd-client -unix "$scratch/other.sock" "/dev/$device" -timeout 30
serve_again
check "another disk: our supervisor ends" wait_for 15 gone "$held"
check "another disk: it is attached" attached "$device"
check "another disk: has its own size" is "$(cat "/sys/block/$device/size")" 16384
check "another disk: works" writes_and_verifies "/dev/$device"
check "another disk: one connection, and no other" is "$(grep -c 'Connect ' "$scratch/requests")" 1
nbd-client -d "/dev/$device" >/dev/null 2>&1
wait_for 10 detached "$device"
release >/dev/null

# A detach in an outage
detach_in_outage() { # NAME OPTION...
	local name=$1 before took
	shift
	new_image
	serve nbdkit "$sock"
	check "$name: attaches" attach
	held=$(supervisor "$device")
	check "$name: load" load -r 500
	pause 1
	crash
	wait_for 5 eval 'state_is lost || state_is healing'
	check "$name: without --force is refused" expect_status 3 '' nbd_attach --detach "$device"
	# The steps are bounded by 1.5 s in all; how fast a program starts here is the guest's.
	before=$("$fault" now)
	nbd_attach --status "$device" >/dev/null
	pace=$((($("$fault" now) - before) / 1000000))
	before=$("$fault" now)
	check "$name: with it, is done" nbd_attach --detach --force "$device"
	took=$((($("$fault" now) - before) / 1000000))
	echo "  $name: --detach --force took $took ms, --status $pace ms"
	check "$name: within 1.5 s and ten times --status" eval '((took <= 1500 + 10 * pace))'
	check "$name: the supervisor ends" wait_for 5 gone "$held"
	check "$name: the load ends, with errors" refuses load_ended
	check "$name: free" wait_for 5 detached "$device"
	shut_server
}
detach_in_outage "detach while lost"

# The dead timeout
expires() { # NAME WHERE
	local name=$1
	new_image
	serve nbdkit "$2"
	check "$name: attaches" attach --dead-timeout 5
	check "$name: load" load -q 32
	pause 1
	crash
	pause 3
	check "$name: before it nothing fails" eval '! grep -q failed "$scratch/load/said"'
	check "$name: expires" wait_for 10 state_is expired
	check "$name: what was in flight fails, too" eval 'refuses load_ended 15'
	sed 's/^/  /' "$scratch/load/said"
	serve_again
	check "$name: heals all the same" healed
	check "$name: nothing that was confirmed is lost" verified
	check "$name: load again" load -r 500
	pause 1
	check "$name: another outage, under load" outage 2
	check "$name: attached again" healed
	check "$name: the dead timeout counted anew, and nothing failed" unload
	check "$name: detaches" release
}
expires "dead timeout, Unix" "$sock"
expires "dead timeout, TCP" 10809

# None at all
new_image
serve nbdkit "$sock"
check "--no-reconnect: attaches" attach --no-reconnect
check "--no-reconnect: load" load -r 500
pause 1
crash
began_ms=$("$fault" now)
check "--no-reconnect: fails at once" wait_for 3 grep -q failed "$scratch/load/said"
echo "  --no-reconnect: the first error after $((($("$fault" now) - began_ms) / 1000000)) ms"
serve_again
pause 2
check "--no-reconnect: stays lost" eval '! state_is attached'
check "--no-reconnect: detaches" release --force

# By hand
new_image
serve nbdkit "$sock"
check "--reconnect: attaches" attach
check "--reconnect: of a live device is fine" nbd_attach --reconnect "$device"
check "--reconnect: still attached" adopted
check "--reconnect: works" writes_and_verifies "/dev/$device"
rm -f "$scratch/changes"
check "--on-change: detaches" let_go
check "--on-change: attaches" attach --on-change "env | grep ^NBD_ >>$scratch/changes"
outage 1
healed >/dev/null
check "--on-change: was told of lost and attached" wait_for 5 eval \
	'grep -q lost "$scratch/changes" && grep -q attached "$scratch/changes"'
check "--on-change: detaches" release
finish
