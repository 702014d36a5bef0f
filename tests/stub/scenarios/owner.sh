#!/bin/bash
# SPDX-License-Identifier: MIT
# The server of a Unix socket must stay one of the same user: in an outage, for a new connection
# beside a live one, and for every connection.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

if (($(id -u))); then
	echo "skipped: only root can serve as two users"
	check "not root" true
	finish
fi
chmod 711 "$N"
mkdir -m 777 "$N/s"
sock=$N/s/sock
chmod 666 "$image"
other=(setpriv --reuid 65534 --regid 65534 --clear-groups)

as=("${other[@]}")
serve_with
check "it attaches" attach
load -i "$image"
check "the load gets on" loading 20 5
crash
check "the loss is noticed" within 5 state_is lost
as=()
serve_with
chmod 777 "$sock"
check "root's server is refused" within 10 state_has LAST_ERROR 'another user serves the socket now, uid 0'
check "the state is refused" state_is refused
check "no socket was offered" told_is offered 0
crash
as=("${other[@]}")
serve_with
check "the same user's server heals it" within 10 state_is attached
check "nothing failed, nothing is lost" unload

# Beside a live connection
truncate -s 2M "$image"
mv "$sock" "$N/s/old"
as=()
serve_with
chmod 777 "$sock"
check "another user's server is not asked for a size" \
	expect_status 5 'another export' nbd_attach --resize nbd0
check "the device keeps its size" told_is size 1048576
check "it detaches" detach
finish
