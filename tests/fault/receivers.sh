#!/bin/bash
# SPDX-License-Identifier: MIT
# A kernel that is too busy to start its receivers. The driver receives the replies of each connection in
# a work item that ends with the connection. If the kernel cannot start a thread for each of them quickly,
# the rescuer thread of the device's workqueue takes all of them, and executes the first one for as long
# as that connection lives: what arrives on the others is not received until a request there has waited
# for 30 s. The server, and each client, is innocent: nbd-client is shown first.
#
# It is nobody's data that is lost, only time: this holds nbd-attach to that.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317
. "$(dirname "$0")/../lib.sh"
in_guest 500 "$@"
begin 3

connections=8
image=$scratch/image
dd if=/dev/urandom of="$image" bs=1M count=4 status=none
start_server "$scratch/sock" nbdkit -f -U "$scratch/sock" file "$image" || exit 1
modprobe nbd
pause 1

# kthreadd starts the kernel's threads; three programs that never sleep are in its way.
renice -n 19 -p "$(pgrep -x kthreadd)" >/dev/null
for _ in 1 2 3; do
	while :; do :; done &
	started+=("$!")
	renice -n -5 -p "$!" >/dev/null
done

attach_by() { # TOOL DEVICE
	case $1 in
	nbd-attach)
		"$top/build/nbd-attach" -q --identifier "$2" -C "$connections" "/dev/$2" \
			--unix "$scratch/sock"
		;;
	nbd-client) nbd-client -C "$connections" -unix "$scratch/sock" "/dev/$2" ;;
	esac >>"$scratch/said" 2>&1
}

detach_by() { # TOOL DEVICE
	case $1 in
	nbd-attach) "$top/build/nbd-attach" -q --detach "/dev/$2" ;;
	nbd-client) nbd-client -d "/dev/$2" ;;
	esac >>"$scratch/said" 2>&1
}

# Each processor has its own connection.
begin_reads() { # DEVICE
	local n
	began=$SECONDS readers=()
	for n in 0 1; do
		taskset -c "$n" dd "if=/dev/$1" "of=$scratch/read.$n" bs=64k count=8 skip=$((n * 8)) \
			iflag=direct status=none &
		readers+=("$!")
		started+=("$!")
	done
}

end_reads() { # sets $took, in seconds
	local pid status=0
	for pid in "${readers[@]}"; do
		wait_for 100 gone "$pid" && wait "$pid" || status=1
	done
	took=$((SECONDS - began))
	((status == 0)) && cat "$scratch"/read.? | cmp -n $((1 << 20)) - "$image"
}

# The first device gets the threads that the kernel has, and those that it starts then.
look_at() { # TOOL DEVICE...: sets $found, the first device whose requests wait. They still do then.
	local tool=$1 device
	shift
	found=''
	for device; do
		attach_by "$tool" "$device" || return
		begin_reads "$device"
		pause 4
		if [[ $(<"/sys/block/$device/inflight") = *[1-9]* ]]; then
			found=$device
			return
		fi
		end_reads || return
	done
}

look_at nbd-client nbd8 nbd9 nbd10
if [[ $found ]]; then
	check "nbd-client: what is read is right" end_reads
	echo "# nbd-client, $found: the requests waited for $took s"
fi
for device in nbd8 nbd9 nbd10; do
	[[ ! -e /sys/block/$device/pid ]] || detach_by nbd-client "$device"
done

look_at nbd-attach nbd0 nbd1 nbd2 nbd3
if [[ ! $found ]]; then
	skip "reads end" "the kernel has started all its receivers in time" 3
	finish
fi
check "nbd-attach: reads end, without an error, and what is read is right" end_reads
echo "# nbd-attach, $found: the requests waited for $took s"
check "within a minute and a half" test "$took" -le 90
attached() {
	grep -q '^STATE=attached' "/run/nbd-attach/$found.state"
}
check "the device is whole again" wait_for 60 attached
check "no request has failed" eval '! dmesg | grep -q "I/O error, dev nbd"'
check "it is detached" detach_by nbd-attach "$found"
finish
