#!/bin/bash
# SPDX-License-Identifier: MIT
# Servers get SIGTERM under load and come back.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 300
begin 42
# shellcheck source=tests/fault/lib.bash
. "$(dirname "$0")/lib.bash"

terminated() { # uses $name; the device is attached
	check "$name: load" load -r 500
	pause 1
	kill -TERM -- "-$server"
	check "$name: the server ends" wait_for 10 gone "$server"
	check "$name: the supervisor notices" wait_for 15 eval 'state_is lost || state_is healing'
	pause 1
	check "$name: serves again" serve_again
	check "$name: heals" healed
	check "$name: nothing failed, nothing lost" unload
	check "$name: free" release
}

for kind in qemu-nbd nbd-server; do
	name=$kind
	new_image
	check "$name: serves" serve $kind 10809
	check "$name: attaches" attach
	terminated
done

# nbdkit keeps running and answers requests with NBD_ESHUTDOWN until its clients have left.
for where in 10809 "$scratch/sock"; do
	name="nbdkit at $where, with a relay"
	new_image
	check "$name: serves" serve nbdkit "$where"
	check "$name: attaches" attach --relay
	terminated
done
name="nbdkit, without a relay"
new_image
check "$name: serves" serve nbdkit 10809
check "$name: attaches" attach
kill -TERM -- "-$server"
pause 1
check "$name: does not end" running "$server"
# The first request that it gets is a flush, which it does not confirm.
check "$name: a plain --detach is refused" expect_status 1 'could not be flushed' \
	nbd_attach --detach "$device"
# Then the supervisor knows, and ends the connection (see server-leaving.sh).
check "$name: ends when it has failed a request" wait_for 20 gone "$server"
check "$name: free" release --force

finish
