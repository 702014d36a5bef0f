#!/bin/bash
# SPDX-License-Identifier: MIT
# A flush may take long if requests complete: the limit of 10 s begins at the last completion.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2154,SC2317
. "$(dirname "$0")/../lib.bash"

flushing=$N/flushing
serve nbdkit -f -U "$sock" -P "$N/nbdkit.pid" eval get_size='echo 1048576' \
	pread="dd if='$image' iflag=skip_bytes,count_bytes skip=\$4 count=\$3 status=none" \
	pwrite="dd of='$image' oflag=seek_bytes seek=\$4 conv=notrunc status=none" can_flush='exit 0' \
	thread_model='echo parallel' flush="touch '$flushing'; sleep 12"
check "it attaches" attach
start "${nbd_attach[@]}" --detach nbd0
detach=$pid
check "it is being flushed" wait_for 5 test -e "$flushing"
"$stub" load nbd0 -r 5 -e >"$N/load.said" 2>&1 </dev/null &
loader=$!
started+=("$loader")
check "--detach waits for it" wait_for 20 gone "$detach"
wait "$detach"
check "after the flush it refuses, as a process has opened the device" is $? 3
check "... and names the process" grep 'is open in process' "$scratch/log"
kill -KILL "$loader"
check "nothing was disconnected" told_is detaches 0
check "--force does not wait" detach --force
finish
