#!/bin/bash
# SPDX-License-Identifier: MIT
# The figures: how soon a device works again, how many log lines an outage causes, and how often an
# idle supervisor wakes up.
# Alone: it measures times, which another guest would spoil.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 590 "$@"
begin 8
# shellcheck source=tests/fault/lib.bash
. "$top/tests/fault/lib.bash"

sock=$scratch/sock
rounds=${1:-9}

median() { # of the numbers on stdin
	sort -g | awk '{v[NR] = $1} END {print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2}'
}

highest() {
	sort -g | tail -n 1
}

at_most() { # FIGURE LIMIT
	echo "$1, at most $2"
	awk -v a="$1" -v b="$2" 'BEGIN {exit !(a >= 0 && a <= b)}'
}

# Outages of 1 to 8 s. Each has its own load, because the figures of a load are about one outage.
lags() { # NAME WHERE LIMIT-MS
	local name=$1 i status=0
	new_image
	serve nbdkit "$2"
	check "$name: attaches" attach -C 1 || return
	: >"$scratch/new"
	: >"$scratch/inflight"
	for ((i = 0; i < rounds; i++)); do
		load -r 500
		pause 1
		outage $((1 + i % 8)) || status=1
		healed || status=1
		pause 4
		load_ended >"$scratch/ended" || { cat "$scratch/ended" && status=1; }
		figures >"$scratch/figures" || status=1
		figure new_ms >>"$scratch/new"
		figure inflight_ms | grep -v '^-1' >>"$scratch/inflight"
	done
	check "$name: $rounds outages, nothing failed" is "$status" 0
	check "$name: the last outage lost nothing" verified
	check "$name: release" release
	echo "  $name: recovery lag, ms: $(sort -g "$scratch/new" | xargs); median" \
		"$(median <"$scratch/new")"
	echo "  $name: lag of requests in flight, ms: $(sort -g "$scratch/inflight" | xargs)"
	check "$name: recovery lag, median" at_most "$(median <"$scratch/new")" "$3"
	check "$name: requests in flight" at_most "$(highest <"$scratch/inflight")" 2500
}

switches() { # PID...: of all their threads
	local p
	for p; do
		cat "/proc/$p"/task/*/status 2>/dev/null
	done | awk '/ctxt_switches/ {n += $2} END {print n + 0}'
}

family() { # PID: puts it and its descendants into ${members[@]}
	local children child
	members+=("$1")
	read -ra children -d '' < <(cat /proc/"$1"/task/*/children)
	for child in "${children[@]}"; do
		family "$child"
	done
}

lags "TCP" 10809 300
lags "Unix" "$sock" 50

# 128 requests in flight and no new ones: the case with the most log lines.
new_image
serve nbdkit 10809 --filter=delay delay-read=300ms delay-write=300ms
start "${nbd_attach[@]}" -n "$device" "127.0.0.1:10809" disk
check "long outage: attaches" wait_for 10 state_is attached
dmesg -C
dmesg --follow >"$scratch/kernel" &
started+=($!)
load -q 128 -a -w 30
pause 5
cp "$scratch/log" "$scratch/log.before"
kernel_before=$(wc -l <"$scratch/kernel")
outage 60
check "long outage: attached again" healed
pause 5
kernel=$(($(wc -l <"$scratch/kernel") - kernel_before))
journal=$(($(wc -l <"$scratch/log") - $(wc -l <"$scratch/log.before")))
check "long outage: nothing failed, nothing lost" unload
echo "  60 s, 128 in flight: $kernel lines of the kernel, $journal of nbd-attach and the server"
echo "  60 s, 128 in flight: $(figures)"
check "long outage: nbd-attach logs at most 12 lines" at_most "$journal" 12
check "long outage: detaches" release

# An idle device
new_image
serve nbdkit "$sock"
check "idle: attaches" attach
pause 5
members=()
family "$(supervisor "$device")"
before=$(switches "${members[@]}")
pause 30
after=$(switches "${members[@]}")
echo "  idle: $((after - before)) context switches of ${#members[@]} processes in 30 s"
# The supervisor wakes up, and asks the process that reads the queue's attributes.
check "idle: at most two wakeups in 5 s" at_most $((after - before)) 13
check "idle: detaches" release
finish
