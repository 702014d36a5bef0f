#!/bin/bash
# SPDX-License-Identifier: MIT
# Measures throughput and latency without TLS: TCP and Unix sockets; 1, 2 and 4 connections; and
# --relay. The kernel uses at most one connection for each processor.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
in_guest 1800 "$@"
begin 1
usual_rounds=3
# shellcheck source=tests/bench/lib.bash
. "$top/tests/bench/lib.bash"

sock=$scratch/sock
start_server "$sock" nbdkit -f -U "$sock" memory 64M || exit 1
start_server 10809 nbdkit -f -p 10809 memory 64M || exit 1
write_jobs "${TEST_REQUESTS:-1500}" "${TEST_MIB:-48}"
# With the warm-up the servers have allocated all blocks.
warm_up() {
	must attach_by nbd-attach nbd0 "$1"
	must fio --name=x --filename=/dev/nbd0 --rw=write --bs=1M --direct=1
	must detach_by nbd-attach nbd0
}

measure() { # FIGURE TOOL PATH or PORT CONNECTIONS
	must attach_by "$2" nbd0 "$3" "$4"
	fio_by "$1-$4" "$2" nbd0
	must detach_by "$2" nbd0
	[[ $2 != qemu-nbd ]] || must wait_for 30 no_qemu_nbd
}

for where in "$sock" 10809; do
	warm_up "$where"
done
for ((round = 1; round <= rounds; round++)); do
	for n in 1 2 4; do
		tools=(nbd-attach nbd-client)
		((n > 1)) || tools+=(qemu-nbd relay)
		for over in unix tcp; do
			[[ $over = unix ]] && where=$sock || where=10809
			in_turn "${tools[@]}"
			for tool in "${turn[@]}"; do
				measure "$over" "$tool" "$where" "$n"
			done
		done
	done
done
ok "$rounds rounds"
finish
