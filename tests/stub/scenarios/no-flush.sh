#!/bin/bash
# SPDX-License-Identifier: MIT
# A writable export without flush: fsync(2) succeeds although the server gets no request. Attach and
# takeover warn, and the state file and each report say so; not for a read-only device, and not for
# an export with flush.
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
check "attach warns" warned 1
check "the state file says so" state_has FLUSH '^no$'
check "--status says so" status_warns 1
check "--status --json says so" json_is flush False
check "--info says so" eval 'nbd_attach --info -u "$sock" | grep -E "^no flush +fsync succeeds"'
kill_supervisor
check "it is taken over" attach
check "the takeover warns again" warned 2
check "--status still says so" status_warns 1
check "it detaches" detach
check "it attaches read-only" attach --read-only
check "read-only: no warning" warned 2
check "read-only: no line in --status" status_warns 0
check "it detaches" detach
touch "$N/flushes"
check "an export with flush attaches" attach
check "with flush: no warning" warned 2
check "with flush: the state file says so" state_has FLUSH '^yes$'
check "with flush: no line in --status" status_warns 0
check "it detaches" detach
finish
