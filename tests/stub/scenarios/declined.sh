#!/bin/bash
# SPDX-License-Identifier: MIT
# The driver drops sockets silently. With one connection a socket is offered again, with several
# connections never.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2317
. "$(dirname "$0")/../lib.bash"

clients() { # COUNT connections of the server
	local n
	n=$(grep -c " 0001 03 .* $sock\$" /proc/net/unix)
	echo "$n clients, wanted $1"
	((n == $1))
}

serve
check "it attaches" attach
check "one client" clients 1
ctl decline 0 5
crash
check "the loss is noticed" within 5 state_is lost
serve_again
check "it heals" within 10 state_is attached
check "one socket was taken" told_is taken 1
check "after five offers" told_is offered 6
check "of one socket" told_is repeated 5
ctl decline 0 1000
crash
serve_again
check "one socket is offered twenty times" within 10 told_at_least declined 25
check "it does not count as alive" state_has CONNECTIONS_ALIVE '^0$'
ctl decline 0 0
check "another socket is accepted" within 10 told_is taken 2
check "it heals" within 10 state_is attached
check "it detaches" detach

check "with two connections" attach -C 2
ctl decline 0 1
offered=$(told offered) repeated=$(told repeated)
taken=$(told taken)
ctl break 0 0
check "the second socket is taken" within 10 told_is taken $((taken + 1))
check "two sockets were offered" told_is offered $((offered + 2))
check "each was offered once" told_is repeated "$repeated"
check "both are alive" told_is alive 2
check "the state agrees" within 10 state_has CONNECTIONS_ALIVE '^2$'
check "the server has no other clients" within 5 clients 2

# A server must not get a new client ten times a second.
offered=$(told offered)
ctl decline 0 1000
ctl break 0 0
check "the next sockets are declined" within 5 told_at_least offered $((offered + 1))
pause 3
check "they come less and less often" offered_at_most $((offered + 25))
ctl decline 0 0
check "one is taken" within 10 told_is alive 2
check "the state agrees again" within 10 state_is attached
check "it detaches" detach
finish
