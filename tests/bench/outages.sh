#!/bin/bash
# SPDX-License-Identifier: MIT
# The same outage for each tool: under 500 requests a second, 16 at most in flight, nbdkit is killed,
# and started again 3 s later. Measures, from the moment when the server listens again, the first
# new request that completes (new) and the last of those in flight (inflight), and counts failed
# requests, and requests that hang 12 s later. An infinite time is written as -1.
#
# The first two parts of a recovery, a connection and a handshake, are also what nbdinfo --size
# does: its time from exec to exit is measured beside them, on the living server.
#
# TEST_NEWER_NBD_CLIENT: a command, such as the nbd-client of a newer Debian, for a tool more.
# shellcheck source=tests/lib.sh disable=SC2317 # must() calls functions
. "$(dirname "$0")/../lib.sh"
in_guest 1800 "$@"
begin 1
usual_rounds=3
# shellcheck source=tests/bench/lib.bash
. "$top/tests/bench/lib.bash"
# shellcheck source=tests/fault/lib.bash
. "$top/tests/fault/lib.bash"
# shellcheck source=tests/fault/peers.bash
. "$top/tests/fault/peers.bash"

rate=500
away=3
later=12

by_nbd_attach_1s() {
	attach -C 1 --io-timeout 1
}

read -ra newer <<<"${TEST_NEWER_NBD_CLIENT:-}"
by_newer_nbd_client() {
	timeout 20 "${newer[@]}" -unix "$sock" -N disk "/dev/$device" -persist
}

clear_up() {
	local p
	for p in $loader $helper; do
		disown "$p" 2>/dev/null # suppresses the shell's message
		kill -KILL "$p" 2>/dev/null
	done
	timeout -k 1 5 nbd-client -d "/dev/$device" >/dev/null 2>&1
	loader='' helper=''
	release >/dev/null
}

outage_of() { # TOOL FUNCTION
	local hangs=0 name
	declare -A value=()
	new_image
	must serve nbdkit "$sock"
	must "$2"
	must load -r $rate
	pause 2
	crash
	pause $away
	must serve_again
	pause $later
	kill -TERM "$loader"
	wait_for 5 gone "$loader" || hangs=1
	read -ra words < <(figures)
	for ((i = 0; i + 1 < ${#words[@]}; i += 2)); do
		value[${words[i]}]=${words[i + 1]}
	done
	for name in new_ms inflight_ms longest_ms; do
		emit "outage.${name%_ms}" "$1" ms "${value[$name]}"
	done
	emit outage.failed "$1" requests "${value[failed]}"
	emit outage.hangs "$1" loads "$hangs"
	if ((round == 1)); then
		cp "$scratch/load/log" "$out/outage.$1.log"
		printf '%s %s %s\n' "$began" "$listening" "$rate" >"$out/outage.$1.times"
	fi
	clear_up
}

plain_handshake() {
	new_image
	must serve nbdkit "$sock"
	nbdinfo --size "nbd+unix:///?socket=$sock" >/dev/null 2>&1 # into the page cache
	timed nbdinfo --size "nbd+unix:///?socket=$sock"
	emit outage.new nbdinfo ms "$(ms "$took")"
	shut_server
}

declare -A function=([nbd-attach]=by_nbd_attach [nbd-attach-1s]=by_nbd_attach_1s [nbd-client]=by_nbd_client
	[ioctl]=by_nbd_client_ioctl [qemu-nbd]=by_qemu_nbd)
tools=(nbd-attach nbd-attach-1s nbd-client ioctl qemu-nbd)
if [[ ${newer[*]} ]]; then
	tools+=(nbd-client-newer)
	function[nbd-client-newer]=by_newer_nbd_client
	printf 'newer nbd-client\t%s\n' "$("${newer[@]}" -V 2>&1 | grep -oE '[0-9.]+$' | head -n 1)" \
		>>"$out/about.tsv"
fi
for ((round = 1; round <= rounds; round++)); do
	in_turn "${tools[@]}"
	for tool in "${turn[@]}"; do
		plain_handshake
		outage_of "$tool" "${function[$tool]}"
	done
done
ok "$rounds rounds"
finish
