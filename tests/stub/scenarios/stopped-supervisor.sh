#!/bin/bash
# SPDX-License-Identifier: MIT
# --detach waits only some seconds for a stopped supervisor. After --detach has given up, the device
# is not detached when the supervisor goes on. Other verbs give up with the same sentence.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach
supervisor=$(supervisor_pid 0)
kill -STOP "$supervisor"
asked=()
for verb in shutdown reconnect fail-now; do
	device=nbd0
	[[ $verb = shutdown ]] && device='--grace=60'
	nbd_attach "--$verb" "$device" 2>"$N/$verb.said" &
	asked+=("$!")
done
started+=("${asked[@]}")
began=$SECONDS
check "--detach --all gives up" expect_status 1 'does not answer.*stays attached' nbd_attach --detach --all
check "within 15 s" test $((SECONDS - began)) -lt 15
check "other verbs give up, too" wait_for 5 eval 'gone "${asked[0]}" && gone "${asked[1]}" && gone "${asked[2]}"'
said="nbd-attach: the supervisor of /dev/nbd0, process $supervisor, does not answer: it may be stopped"
for verb in shutdown reconnect fail-now; do
	check "--$verb says what may be wrong" is "$(<"$N/$verb.said")" "$said"
done
kill -CONT "$supervisor"
check "the supervisor goes on" within 5 nbd_attach --reconnect nbd0
check "it is attached" state_is attached
check "nothing was disconnected" told_is detaches 0
check "it detaches" nbd_attach --detach --all
finish
