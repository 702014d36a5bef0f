#!/bin/bash
# SPDX-License-Identifier: MIT
# Twenty restarts in a row at random moments, under both loads, with one connection and with four.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 400 "$@"
begin 14
# shellcheck source=tests/fault/lib.bash
. "$top/tests/fault/lib.bash"

sock=$scratch/sock

random_pause() { # up to 1.5 s
	pause "$((RANDOM % 2)).$(printf %03d $((RANDOM % 500 + 1)))"
}

in_a_row() { # CONNECTIONS WHERE
	local name="20 restarts, $1" i
	new_image
	serve nbdkit "$2"
	check "$name: attaches" attach -C "$1" || return
	check "$name: load" load -r 500 -b 2048
	fio_load 16 50
	for ((i = 0; i < 20; i++)); do
		random_pause
		crash
		random_pause
		serve_again || break
	done
	check "$name: all 20 restarts" is "$i" 20
	check "$name: attached again" healed
	check "$name: --status counted them" says "$json_reconnects" '^[1-9][0-9]*$'
	check "$name: fio saw no error" fio_ended 120
	check "$name: nothing failed, nothing lost" unload
	echo "  $name: $(figures)"
	check "$name: detaches" release
}

in_a_row 1 "$sock"
in_a_row 4 10809
finish
