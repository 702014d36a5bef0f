#!/bin/bash
# SPDX-License-Identifier: MIT
# Measures the time from exec to a ready device, and from exec to a free one, for one device on a
# Unix socket.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
in_guest 590 "$@"
begin 1
usual_rounds=25
# shellcheck source=tests/bench/lib.bash
. "$top/tests/bench/lib.bash"

declare -A device=([nbd-attach]=nbd0 [nbd-client]=nbd1 [qemu-nbd]=nbd2)
sock=$scratch/sock
start_server "$sock" nbdkit -f -U "$sock" memory 16M || exit 1
for ((round = 0; round <= rounds; round++)); do
	in_turn nbd-attach nbd-client qemu-nbd
	for tool in "${turn[@]}"; do
		settled
		timed attach_by "$tool" "${device[$tool]}" "$sock"
		emit attach "$tool" ms "$(ms "$took")"
		# The spare process of nbd-attach and the proxy of qemu-nbd are still getting ready.
		settled
		timed detach_by "$tool" "${device[$tool]}"
		emit detach "$tool" ms "$(ms "$took")"
		[[ $tool != qemu-nbd ]] || must wait_for 30 no_qemu_nbd
	done
done
ok "$rounds rounds"
finish
