#!/bin/bash
# SPDX-License-Identifier: MIT
# Taken over without a state file; then the driver reports a death that did not happen. The
# supervisor cannot check that, so it offers a new connection. The driver does not need it, which
# proves that the old connection lives. No request fails, and no other socket is offered afterwards.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

takes_over() {
	kill_supervisor
	rm -f "$N/nbd0.state"
	attach "$@"
}

offered_stays() { # no socket is offered for longer than a redial and a hand-over take
	local before
	before=$(told offered)
	pause 2
	told_is offered "$before"
}

serve
check "it attaches" attach
load -i "$image"
check "it is taken over" takes_over
kill -STOP "$server"
ctl event 0
check "the rumour is believed" within 5 state_is lost
kill -CONT "$server"
check "the rumour is refuted" within 10 state_is attached
check "the connection lives" told_is alive 1
check "no other socket was accepted" told_is taken 0
# 20 offers of one hand-over and two probes: of the takeover and of the recovery
check "one hand-over was enough" offered_at_most 22
check "nothing more is offered" offered_stays
check "it is attached" state_is attached
check "the load gets on" loading 20 5
crash
check "a death is noticed" within 5 state_is lost
serve_again
check "it heals" within 10 state_is attached
check "nothing failed, nothing is lost" unload
check "it detaches" detach
finish
