#!/bin/bash
# SPDX-License-Identifier: MIT
# A live server that does not answer for 60 s: its connection is kept, and nothing is sent twice.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 200 "$@"
begin 20
# shellcheck source=tests/fault/lib.bash
. "$top/tests/fault/lib.bash"

# The server counts the writes that it executes: one that is sent twice is executed twice.
executed() {
	grep -c ' Write .*offset' "$scratch/requests" || true
}

connections() { # prints how many connections the server has had
	grep -c 'Connect ' "$scratch/requests" || true
}

stalls() { # NAME WHERE
	local before
	new_image
	rm -f "$scratch/requests"
	serve nbdkit "$2" --filter=log logfile="$scratch/requests"
	check "$1: attaches" attach || return
	echo 2 >"/sys/block/$device/queue/nomerges" # so that requests can be counted
	check "$1: load" load -q 64 -r 500
	pause 1
	before=$(connections)
	stop_server
	pause 30
	check "$1: after 30 s still attached" state_is attached
	check "$1: says that it is stalled" says "$json_stalled" '^(true|"yes")$'
	pause 30
	check "$1: after 60 s still attached" state_is attached
	cont_server
	pause 3
	check "$1: is no longer stalled" says "$json_stalled" '^(false|"no")$'
	check "$1: no connection was added" is "$(connections)" "$before"
	check "$1: nothing failed, nothing lost" unload
	check "$1: every write was executed once" \
		is "$(executed)" "$(figure writes)"
	echo "  $1: $(figures)"
	check "$1: detaches" release
}

stalls "stopped, TCP" 10809
stalls "stopped, Unix" "$scratch/sock"
finish
