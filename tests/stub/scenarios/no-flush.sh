#!/bin/bash
# SPDX-License-Identifier: MIT
# A writable export that cannot flush: fsync(2) succeeds, and the server hears nothing of it. That is
# said at attach and at a takeover, in the state file and in each report; not of one that is only
# read, and not of one that can flush.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2119,SC2317
. "$(dirname "$0")/../lib.bash"

sentence='support flush: fsync succeeds without telling the server'

warned() { # COUNT
	cat "$N/stub/log"
	is "$(grep -c "nbd0: .*$sentence" "$N/stub/log")" "$1"
}

status_warns() { # COUNT
	nbd_attach --status nbd0 >"$N/status"
	cat "$N/status"
	is "$(grep -cE '^  flush +none: fsync succeeds' "$N/status")" "$1"
}

serve nbdkit -f -U "$sock" -P "$N/nbdkit.pid" eval get_size='echo 1048576' \
	pread="dd if='$image' iflag=skip_bytes,count_bytes skip=\$4 count=\$3 status=none" \
	pwrite="dd of='$image' oflag=seek_bytes seek=\$4 conv=notrunc status=none" \
	can_flush="test -e '$N/flushes' || exit 3" flush=''
check "it attaches" attach
check "that is warned of" warned 1
check "in the state file" state_has FLUSH '^no$'
check "in the status" status_warns 1
check "as JSON" json_is flush False
check "in --info" eval 'nbd_attach --info -u "$sock" | grep -E "^no flush +fsync succeeds"'
kill_supervisor
check "it is taken over" attach
check "that is warned of again" warned 2
check "in the status still" status_warns 1
check "it detaches" detach
check "it attaches to be read" attach --read-only
check "that needs no warning" warned 2
check "nor in the status" status_warns 0
check "it detaches" detach
touch "$N/flushes"
check "one that can flush attaches" attach
check "nor does this" warned 2
check "the state file has it" state_has FLUSH '^yes$'
check "the status is quiet" status_warns 0
check "it detaches" detach
finish
