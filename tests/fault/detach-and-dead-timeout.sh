#!/bin/bash
# SPDX-License-Identifier: MIT
# An outage ends without the server: by --detach, the dead timeout, or --no-reconnect. Also:
# --reconnect of a live device, and the calls of --on-change.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 300 "$@"
begin 70
# shellcheck source=tests/fault/lib.bash
. "$top/tests/fault/lib.bash"

sock=$scratch/sock

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
	# The steps take at most 1.5 s in all. The guest's speed decides how fast a program starts.
	before=$("$fault" now)
	nbd_attach --status "$device" >/dev/null
	pace=$((($("$fault" now) - before) / 1000000))
	before=$("$fault" now)
	check "$name: with --force is detached" nbd_attach --detach --force "$device"
	took=$((($("$fault" now) - before) / 1000000))
	echo "  $name: --detach --force took $took ms, --status $pace ms"
	check "$name: within 1.5 s and ten times --status" eval '((took <= 1500 + 10 * pace))'
	check "$name: the supervisor ends" wait_for 5 gone "$held"
	check "$name: the load ends, with errors" refuses load_ended
	check "$name: free" wait_for 5 detached "$device"
	shut_server
}
detach_in_outage "detach while lost"

# A program that has written waits in its last close(2): its descriptor is gone, also for a partition,
# which the kernel keeps apart.
in_last_close() { # PID
	process_state "$1"
	[[ $process_state = D ]] && refuses eval 'readlink "/proc/'"$1"'/fd/"* | grep -x "/dev/$device.*"'
}

writes_to() { # NODE; sets $writer
	dd if="$scratch/written" of="/dev/$1" bs=1M status=none 8>&- 9>&- &
	writer=$!
	started+=("$writer")
}

has_the_data() { # OFFSET in the image
	cmp -n 4194304 -i "0:$1" "$scratch/written" "$image"
}

dd if=/dev/urandom of="$scratch/written" bs=1M count=4 status=none

refuses_to_detach() { # some kernels count such requests as under way, others do not
	expect_status 4 'cannot be flushed' nbd_attach --detach "$device" ||
		expect_status 3 'requests waiting for the server' nbd_attach --detach "$device"
}

last_close() { # NAME NODE OFFSET; the image is there
	local name="last close, $1"
	serve nbdkit "$sock"
	check "$name: attaches" attach
	crash
	check "$name: the loss is noticed" wait_for 10 state_is lost
	writes_to "$2"
	check "$name: no process has the device open, and data waits" wait_for 20 in_last_close "$writer"
	check "$name: --detach refuses" refuses_to_detach
	check "$name: it is still attached" state_is lost
	serve_again
	check "$name: heals" wait_for 30 state_is attached
	check "$name: the program ends" wait_for 30 gone "$writer"
	check "$name: ... without an error" wait "$writer"
	check "$name: the server has the data" has_the_data "$3"
	check "$name: detaches" release
}

new_image
last_close "disk" "$device" 0
new_image
printf 'label: dos\nstart=2048,size=16384\n' | sfdisk -q "$image"
last_close "partition" "${device}p1" $((2048 * 512))

new_image
printf 'label: dos\nstart=2048,size=16384\n' | sfdisk -q "$image"
serve nbdkit "$sock" --filter=delay wdelay=4
check "last close, slow server: attaches" attach
writes_to "${device}p1"
check "last close, slow server: data waits" wait_for 20 in_last_close "$writer"
check "last close, slow server: --detach waits for it" nbd_attach --detach "$device"
check "last close, slow server: the program ends" wait_for 5 gone "$writer"
check "last close, slow server: the server has the data" has_the_data $((2048 * 512))
shut_server
rm "$scratch/written"

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
	check "$name: nothing fails before it expires" eval '! grep -q failed "$scratch/load/said"'
	check "$name: expires" wait_for 10 state_is expired
	check "$name: requests in flight fail, too" eval 'refuses load_ended 15'
	sed 's/^/  /' "$scratch/load/said"
	serve_again
	check "$name: heals nevertheless" healed
	check "$name: no confirmed data is lost" verified
	check "$name: load again" load -r 500
	pause 1
	check "$name: another outage, under load" outage 2
	check "$name: attached again" healed
	check "$name: the dead timeout started again, and nothing failed" unload
	check "$name: detaches" release
}
expires "dead timeout, Unix" "$sock"
expires "dead timeout, TCP" 10809

# No reconnecting
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

# --reconnect
new_image
serve nbdkit "$sock"
check "--reconnect: attaches" attach
check "--reconnect: succeeds for a live device" nbd_attach --reconnect "$device"
check "--reconnect: still attached" adopted
check "--reconnect: works" writes_and_verifies "/dev/$device"
rm -f "$scratch/changes"
check "--on-change: detaches" let_go
check "--on-change: attaches" attach --on-change "env | grep ^NBD_ >>$scratch/changes"
outage 1
healed >/dev/null
check "--on-change: was called for lost and attached" wait_for 5 eval \
	'grep -q lost "$scratch/changes" && grep -q attached "$scratch/changes"'
check "--on-change: detaches" release
finish
