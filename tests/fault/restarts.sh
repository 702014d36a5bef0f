#!/bin/bash
# SPDX-License-Identifier: MIT
# Every server is killed and started again after 3 s, over TCP and Unix sockets, with 1 and 4
# connections. Each server runs with both sockets and both numbers; with `all`, in each combination.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 600 "$@"
begin 61
# shellcheck source=tests/fault/lib.bash
. "$top/tests/fault/lib.bash"

sock=$scratch/sock

survives() { # KIND WHERE CONNECTIONS
	local name options=()
	name="$1, $([[ $2 = /* ]] && echo Unix || echo TCP), $3"
	[[ $1 != qemu-nbd ]] || options=(--shared="$(($3 * 2))")
	new_image
	check "$name: server" serve "$1" "$2" "${options[@]}" || {
		shut_server # if it starts late, it would block the next one
		return
	}
	if check "$name: attaches" attach -C "$3"; then
		check "$name: load" load -r 1000
		pause 1
		check "$name: killed, and back after 3 s" outage 3
		check "$name: attached again" healed
		pause 2
		check "$name: nothing failed, nothing lost" unload
		echo "  $name: $(figures)"
	fi
	check "$name: detaches" release
}

tcp=1 unix=4
for kind in nbdkit nbd-server qemu-nbd; do
	survives "$kind" 10809 "$tcp"
	survives "$kind" "$sock" "$unix"
	if [[ ${1-} = all ]]; then
		survives "$kind" 10809 "$unix"
		survives "$kind" "$sock" "$tcp"
	fi
	((tcp = 5 - tcp, unix = 5 - unix))
done

# Outages under a file system and under many requests
new_image
check "files: server" serve nbdkit "$sock"
check "files: attaches" attach
check "files: load" files_load
pause 2
check "files: killed, and back after 3 s" outage 3
check "files: attached again" healed
pause 2
check "files: nothing failed, nothing lost" files_unload
check "files: detaches" release

for depth in 16 128; do
	new_image
	check "fio, $depth in flight: server" serve nbdkit "$sock"
	check "fio, $depth in flight: attaches" attach
	fio_load "$depth" 400
	pause 2
	check "fio, $depth in flight: killed, and back after 3 s" outage 3
	check "fio, $depth in flight: attached again" healed
	check "fio, $depth in flight: no error" fio_ended
	check "fio, $depth in flight: detaches" release
done
finish
