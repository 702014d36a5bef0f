#!/bin/bash
# SPDX-License-Identifier: MIT
# Measures the memory that stays for 1, 16, 32 and 64 devices (TEST_DEVICES), and the time to attach
# and to detach them at once. PSS counts shared pages in parts; private memory would be free without
# the process. Each figure of memory is that of one device: the sum by the number of devices. What
# is ready for the next outage (spare) is counted apart from the supervisor.
# shellcheck source=tests/lib.sh disable=SC2317 # timed() and must() call functions
. "$(dirname "$0")/../lib.sh"
export NBD_VM_NBDS_MAX=${NBD_VM_NBDS_MAX:-64}
in_guest 1800 "$@"
begin 1
usual_rounds=2
# shellcheck source=tests/bench/lib.bash
. "$top/tests/bench/lib.bash"

read -ra counts <<<"${TEST_DEVICES:-1 16 32 64}"
sock=$scratch/sock
start_server "$sock" nbdkit -f -U "$sock" memory 16M || exit 1

# Attaches or detaches with one command for each device, all at the same time.
each() { # FUNCTION TOOL
	local i pids=() status=0
	for ((i = 0; i < n; i++)); do
		"$1" "$2" "nbd$i" "$sock" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || status=1
	done
	return "$status"
}

all_attached() { # TOOL
	each attach_by "$1"
}

# --detach gives the kernel ten seconds, which is too little for 64 devices on a busy machine.
all_detached() { # TOOL
	local i tries=0
	if [[ $1 = nbd-attach ]]; then
		until "${nbd_attach[@]}" -q --detach --all; do
			((++tries < 10)) || return
		done
	else
		each detach_by "$1"
	fi || return
	for ((i = 0; i < n; i++)); do
		wait_for 20 detached "nbd$i" || return
	done
}

there_are() { # NUMBER NAME
	mapfile -t members < <(pgrep -x "$2")
	((${#members[@]} == $1))
}

memory() { # NAME OF ITS PROCESSES, TOOL
	local pss private locked
	must wait_for 30 there_are "$n" "$1"
	read -r pss private locked < <(awk -v n="$n" '/^Pss:/ {pss += $2} /^Private_/ {private += $2}
		/^Locked:/ {locked += $2} END {printf "%d %d %d\n", pss / n, private / n, locked / n}' \
		"${members[@]/%//smaps_rollup}")
	emit "memory-$n.pss" "$2" KiB "$pss"
	emit "memory-$n.private" "$2" KiB "$private"
	emit "memory-$n.locked" "$2" KiB "$locked"
}

cd /proc || exit 1
for ((round = 1; round <= rounds; round++)); do
	for n in "${counts[@]}"; do
		in_turn nbd-attach nbd-client ioctl qemu-nbd
		for tool in "${turn[@]}"; do
			timed all_attached "$tool"
			emit "memory-$n.attach" "$tool" ms "$(ms "$took")"
			settled
			case $tool in
			nbd-attach)
				# They start some seconds later, and share pages with the supervisors.
				must wait_for 30 there_are "$n" nbd-handshake
				# It has confined itself, and locked its memory, when it waits.
				settled
				memory nbd-attach nbd-attach
				memory nbd-handshake spare
				;;
			ioctl) memory nbd-client ioctl ;;
			qemu-nbd) memory qemu-nbd qemu-nbd ;;
			esac
			timed all_detached "$tool"
			emit "memory-$n.detach" "$tool" ms "$(ms "$took")"
			[[ $tool != qemu-nbd ]] || must wait_for 30 no_qemu_nbd
		done
	done
done
ok "$rounds rounds"
finish
