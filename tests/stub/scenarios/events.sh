#!/bin/bash
# SPDX-License-Identifier: MIT
# The driver sends false events or loses events: no live connection is cut, and a dead one is found.
# shellcheck source=tests/stub/lib.bash disable=SC2119
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach
load -i "$image"
check "the load gets on" loading 20 5
for _ in {1..20}; do
	ctl event 0
	ctl event 1
	ctl overflow
done
check "the load gets on" loading 20 5
check "it is attached" state_is attached
check "nothing was offered" told_is taken 0
kill_supervisor
check "it is taken over" attach
for _ in {1..20}; do
	ctl event 0
	ctl overflow
done
check "the load gets on" loading 20 5
check "it is attached" state_is attached
check "the connection lives" told_is taken 0
ctl silent 0 on
crash
check "the end of a connection is noticed without an event" within 15 state_is lost
serve_again
check "it heals" within 15 state_is attached
check "nothing failed, nothing is lost" unload
check "it detaches" detach
finish
