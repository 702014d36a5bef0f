#!/bin/bash
# SPDX-License-Identifier: MIT
# Faults in a random order on several devices at the same time, each under a load that verifies itself.
# `make soak` runs it for hours; soak.bash has the faults and what must hold after them.
#
# usage: soak.sh [SEED [SECONDS [only]]]
#
# Rounds begin for SECONDS. The seed decides what each round does, but not how long it takes. With
# "only", the round of this seed is run alone, on one device.
# shellcheck source=tests/lib.sh disable=SC2016,SC2034,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 360 "$@"

TEST_LIMIT=${TEST_LIMIT:-60}
devices=3

# A device has its own process, because the functions of lib.bash are for one device at a time. The
# first device keeps its supervisor until the end, and its memory and descriptors are watched.
run_device() { # NUMBER SEED SECONDS DIRECTORY [only]
	local number=$1 seed=$2 first=1
	scratch=$4/$number
	mkdir -p "$scratch"
	# shellcheck source=tests/fault/lib.bash
	. "$top/tests/fault/lib.bash"
	# shellcheck source=tests/fault/net.bash
	. "$top/tests/fault/net.bash"
	# shellcheck source=tests/fault/soak.bash
	. "$top/tests/fault/soak.bash"
	rounds_until=$3
	device=nbd$((number * 4)) # let_go() takes the next one if this one is stuck
	pki=$4/pki
	use_net "$number"
	[[ $number != 0 || ${5:-} ]] || steady=1
	SECONDS=0
	while ((first || SECONDS < rounds_until)); do
		first=0
		check "$device, round $seed" round "$seed"
		[[ ! ${5:-} ]] || break
		((++seed))
	done
	check "$device: rounds began for $3 s" test "$SECONDS" -ge "$3"
	[[ ! $steady ]] || echo "# $device: $calms calm phases; its supervisor has ${now_at[0]} KiB (first" \
		"${watched[1]}), ${now_at[1]} descriptors (${watched[2]})"
	echo "$passed $failed $calms" >"$4/counts.$number"
}

if [[ ${1:-} = device ]]; then
	trap 'for p in "${started[@]}"; do kill -KILL "$p"; done 2>/dev/null' EXIT
	run_device "${@:2}"
	exit
fi

seed=${1:-1} seconds=${2:-45} only=${3:-}
begin 2
# shellcheck source=tests/interop/tls-certs.bash
. "$top/tests/interop/tls-certs.bash"
# shellcheck source=tests/fault/net.bash
. "$top/tests/fault/net.bash"
[[ $only ]] && devices=1
echo "# seed $seed, $devices devices, kernel $(</proc/sys/kernel/osrelease)"
pki "$scratch/pki"

# What the kernel must not say. Requests that wait and connections that end are in order.
bad='BUG|Oops|WARNING|Call Trace|hung_task|blocked for more|I/O error|refcount|Buffer I/O'
complaints() { # reads the kernel's messages, so that none is overwritten
	dmesg --read-clear | tee -a "$scratch/messages" | grep -E "$bad"
}

workers=()
for ((n = 0; n < devices; n++)); do
	net_up "$n"
done
complaints >/dev/null
for ((n = 0; n < devices; n++)); do
	"$0" device "$n" "$((seed + n * 100000))" "$seconds" "$scratch" "$only" &
	workers+=("$!")
	started+=("$!")
done

at_work() {
	local p
	for p in "${workers[@]}"; do
		! running "$p" || return 0
	done
	return 1
}

while at_work; do
	pause 2
	complaints >>"$scratch/complaints"
done
complaints >>"$scratch/complaints"

calms=0
for ((n = 0; n < devices; n++)); do
	check "device $n has come to its end" test -s "$scratch/counts.$n" || continue
	read -r p f c <"$scratch/counts.$n"
	((passed += p, failed += f, calms += c)) || true
done
check "the kernel does not complain" eval '[[ ! -s $scratch/complaints ]] || { cat "$scratch/complaints"; false; }'
echo "# seed $seed: $calms calm phases on $devices devices"
finish
