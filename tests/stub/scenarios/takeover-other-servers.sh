#!/bin/bash
# SPDX-License-Identifier: MIT
# A device that has failed over is taken over only if the command names the server that it uses.
# shellcheck source=tests/stub/lib.bash disable=SC2317
. "$(dirname "$0")/../lib.bash"

a=$N/a b=$N/b c=$N/c
uri() { echo "nbd+unix:///?socket=$1"; }

serve_at() { # SOCKET; sets $server
	sock=$1 serve nbdkit -f -U "$1" file "$image"
}

untouched() { # the attempt only probed the connection
	told_is alive 1 && told_is taken "$taken" && told_is detaches 0 &&
		refuses supervisor_runs
}

supervisor_runs() {
	running "$(supervisor_pid 0)"
}

serve_at "$a"
first=$server
serve_at "$b"
sock=$a
options=(--fence true --failover)
check "it attaches" attach "${options[@]}" "$(uri "$b")"
kill_now "$first"
check "the other server is used" within 10 json_is serving "$(uri "$b")"
check "it is attached" within 5 state_is attached
held=$(supervisor_pid 0)
kill -KILL "$held"
wait_for 5 gone "$held"
taken=$(told taken)
check "refused without that server" expect_status 2 \
	'is connected to .*/b, which is not one of the servers given' attach
check "nothing was touched" untouched
check "refused with another one" expect_status 2 \
	'is connected to .*/b, which is not one of the servers given' attach "${options[@]}" "$(uri "$c")"
check "nothing was touched then" untouched
check "taken over with it" attach "${options[@]}" "$(uri "$b")"
check "it serves" within 5 json_is serving "$(uri "$b")"
check "it detaches" detach
finish
