#!/bin/bash
# SPDX-License-Identifier: MIT
# Servers that have a new disk for each connection: with --same-content=ids a device is put on hold
# when it would go on with another one, and its own disk ends that. A file system that was made on
# the device belongs to it.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 300
begin 21
port=10951

value() { sed -n "s/^$2=//p" "/run/nbd-attach/$1.state"; }
state_is() { # DEVICE STATE
	echo "$(value "$1" STATE), wanted $2: $(value "$1" LAST_ERROR)"
	[[ $(value "$1" STATE) = "$2" ]]
}
has_content() { # DEVICE REGEX
	value "$1" CONTENT
	[[ $(value "$1" CONTENT) =~ $2 ]]
}
ext_uuid() { blkid -p -o value -s UUID "$1"; }

# --- nbd-server, copyonwrite: what was written is gone with the connection
truncate -s 32M "$scratch/cow"
printf '%s\n' '[generic]' 'allowlist = true' "port = $port" 'listenaddr = 127.0.0.1' \
	'[data]' "exportname = $scratch/cow" 'copyonwrite = true' 'flush = true' >"$scratch/conf"
nbd-server -C "$scratch/conf" -p "$scratch/pid" 2>"$scratch/server.said"
wait_for 20 listening $port
# It listens before it has a prime for TLS, and serves nobody until then.
wait_for 10 test -s "$scratch/pid"
wait_for 120 idles "$(<"$scratch/pid")"
# The process that serves the connection, a child of the server's.
end_connection() {
	local child children
	read -ra children < <(cat "/proc/$(<"$scratch/pid")/task/"*/children)
	for child in "${children[@]}"; do
		kill -KILL "$child"
	done
}
check "copyonwrite: attaches" nbd_attach -q --same-content=ids --dead-timeout 3 nbd0 127.0.0.1:$port data
check "copyonwrite: an empty disk has no identifier" has_content nbd0 '^ids 33554432 none$'
check "copyonwrite: a file system is made" mkfs.ext4 -q -F /dev/nbd0
uuid=$(ext_uuid /dev/nbd0)
check "copyonwrite: it is noticed when the device rests" wait_for 30 has_content nbd0 "ext:$uuid"
end_connection
check "copyonwrite: on hold" wait_for 30 state_is nbd0 held
check "copyonwrite: it says which disk" \
	eval "grep -q 'another disk, ext none instead of $uuid' <<<\"\$(value nbd0 LAST_ERROR)\""
dd if=/dev/nbd0 of="$scratch/read" bs=4k count=1 iflag=direct status=none 2>"$scratch/dd" &
reader=$!
started+=("$reader")
sleep 5
check "copyonwrite: I/O waits, longer than the dead timeout" kill -0 "$reader"
check "copyonwrite: still on hold" state_is nbd0 held
check "copyonwrite: the other disk is accepted" nbd_attach --reconnect --accept content nbd0
check "copyonwrite: it goes on" wait_for 30 state_is nbd0 attached
check "copyonwrite: I/O did not fail" wait "$reader"
check "copyonwrite: this disk is empty" has_content nbd0 ' none$'
check "copyonwrite: detaches" nbd_attach -q --detach nbd0

# --- nbdkit tmpdisk: a new file system for each connection
nbdkit -f -U "$scratch/sock" tmpdisk 32M >"$scratch/tmpdisk" 2>&1 </dev/null &
server=$!
started+=("$server")
wait_for 20 listening "$scratch/sock"
check "tmpdisk: attaches" nbd_attach -q --same-content=ids nbd1 -u "$scratch/sock"
check "tmpdisk: its identifier is known" has_content nbd1 "ext:$(ext_uuid /dev/nbd1)\$"
uuid=$(ext_uuid /dev/nbd1)
cp /dev/nbd1 "$scratch/copy"
kill -KILL "$server"
wait "$server" 2>/dev/null
rm -f "$scratch/sock"
nbdkit -f -U "$scratch/sock" tmpdisk 32M >"$scratch/tmpdisk" 2>&1 </dev/null &
server=$!
started+=("$server")
check "tmpdisk: on hold" wait_for 30 state_is nbd1 held
check "tmpdisk: both identifiers" \
	eval "grep -qE 'ext [0-9a-f-]+ instead of $uuid' <<<\"\$(value nbd1 LAST_ERROR)\""
kill -KILL "$server"
wait "$server" 2>/dev/null
rm -f "$scratch/sock"
nbdkit -f -U "$scratch/sock" file "$scratch/copy" >"$scratch/tmpdisk" 2>&1 </dev/null &
started+=("$!")
check "its own disk ends that" wait_for 30 state_is nbd1 attached
check "and is read" cmp -n 1M /dev/nbd1 "$scratch/copy"
check "no process is left that looks" wait_for 10 eval '! pgrep -x nbd-look'
check "detaches" nbd_attach -q --detach nbd1
finish
