#!/bin/bash
# SPDX-License-Identifier: MIT
# The server's name gets another address: the program follows it only with --follow-dns. One of
# two addresses accepts connections and is silent: the other one is used.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
if [[ ! ${1:-} ]]; then
	if unshare -m true 2>/dev/null; then
		exec unshare -m bash "$0" inside
	fi
	echo "ok - skipped: no mount namespace can be made"
	echo "1 passed, 0 failed"
	exit
fi
. "$(dirname "$0")/../lib.bash"

leads_to() { # ADDRESS...
	printf '%s server.test\n' "$@" >"$N/hosts"
}
leads_to 127.0.0.1
mount --bind "$N/hosts" /etc/hosts

serve_tcp
check "it attaches" attach -- "server.test:$port"
crash
check "the loss is noticed" within 5 state_is lost
leads_to 127.0.0.9
serve_tcp "$port" 127.0.0.9
pause 2
check "without --follow-dns it is not followed" state_is lost
check "no socket was offered" told_is offered 0
check "it detaches" detach
check "it attaches to the new address" attach --follow-dns -- "server.test:$port"
crash
check "the loss is noticed" within 5 state_is lost
leads_to 127.0.0.1
serve_tcp "$port" 127.0.0.1
check "with --follow-dns it is followed" within 10 state_is attached
check "it detaches" detach

# The resolver puts 127.0.0.1 first: it has more bits in common with our address.
kill -STOP "$server"
serve_tcp "$port" 127.0.0.2
leads_to 127.0.0.1 127.0.0.2
check "--info asks the other address" nbd_attach --info --connect-timeout 2 "server.test:$port"
check "it attaches to the other address" attach --connect-timeout 2 -- "server.test:$port"
check "it detaches" detach
finish
