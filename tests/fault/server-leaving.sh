#!/bin/bash
# SPDX-License-Identifier: MIT
# nbdkit at SIGTERM answers one request in each of its 16 threads with NBD_ESHUTDOWN, and ends with
# its last client. The device ends the connection at the next moment without requests: how many
# requests fail until then, at several loads, and does the server end?
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 300 "$@"
begin 40
# shellcheck source=tests/fault/lib.bash
. "$top/tests/fault/lib.bash"

failures() { # of the load that has ended
	grep -oE 'failed [0-9]+' "$scratch/figures" | tail -n 1 | cut -d ' ' -f 2
}

failed_at_most() { # NUMBER
	echo "failed: $(failures), at most $1"
	(($(failures) <= $1))
}

back() { # uses $name
	check "$name: it is an outage" wait_for 10 eval 'state_is lost || state_is healing'
	check "$name: serves again" serve_again
	check "$name: heals" healed
	check "$name: the server does not leave any more" wait_for 5 says server-leaving false
}

leaving() { # NAME DEPTH RATE LIMIT
	name=$1
	new_image
	serve nbdkit 10809
	check "$name: attaches" attach
	reconnects
	earlier=("${reconnects[@]}")
	check "$name: load" load -a -q "$2" -r "$3"
	pause 2
	began=$("$fault" kill 15 "$server")
	check "$name: the server ends by itself" wait_for 30 gone "$server"
	back
	pause 2
	load_ended >"$scratch/ended"
	figures >"$scratch/figures"
	echo "  $name: $(figures)"
	check "$name: few requests failed" failed_at_most "$4"
	check "$name: nothing that succeeded is lost" verified
	check "$name: detaches" release
}

leaving "depth 1, 2 requests a second" 1 2 3
leaving "depth 1, busy" 1 1000 16
leaving "depth 32, busy" 32 1000 16

# A device without requests does not learn that its server is leaving. The first request that meets
# it fails, and then the server can end.
name=idle
new_image
serve nbdkit 10809
check "$name: attaches" attach
reconnects
earlier=("${reconnects[@]}")
kill -TERM -- "-$server"
pause 2
check "$name: the server waits for its client" running "$server"
check "$name: one request fails" refuses dd if=/dev/$device of=/dev/null bs=4k count=1 iflag=direct
check "$name: the server ends by itself" wait_for 20 gone "$server"
back
check "$name: works" dd if=/dev/$device of=/dev/null bs=4k count=1 iflag=direct
check "$name: detaches" release
finish
