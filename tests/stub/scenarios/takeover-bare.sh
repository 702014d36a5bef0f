#!/bin/bash
# SPDX-License-Identifier: MIT
# A takeover without a state file, or with one of an earlier attachment, while the server runs and while
# it does not.
# shellcheck source=tests/stub/lib.bash disable=SC2119
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach
load -i "$image"
check "the load gets on" loading 20 5
kill_supervisor
rm "$N/nbd0.state"
check "the next one takes it over" attach
check "its connection was kept" told_is taken 0
check "it is attached" within 5 state_is attached
crash
check "the loss is noticed" within 15 state_is lost
kill_supervisor
rm "$N/nbd0.state"
check "the next one takes over the lost device" attach
check "it knows of the loss" within 10 state_is lost
serve_again
check "it heals" within 15 state_is attached
check "one connection lives" told_is alive 1
check "the load gets on" loading 20 10
kill_supervisor
sed -i 's/^CONNECTIONS=.*/CONNECTIONS=3/; s/^ATTACHMENT=.*/ATTACHMENT=1/' "$N/nbd0.state"
check "a state file of an earlier attachment: the next one takes it over" attach
check "... and does not believe the number of connections" json_is connections 1
check "... it is attached" within 5 state_is attached
kill_supervisor
sed -i 's/^CONNECTIONS=.*/CONNECTIONS=3/; s/^IDENTIFIER=.*/IDENTIFIER=other/' "$N/nbd0.state"
check "a state file of another export: the next one takes it over" attach
check "... and does not believe it, either" json_is connections 1
check "... it is attached" within 5 state_is attached
check "nothing failed, nothing is lost" unload
# As before Linux 5.14, where only the state file knows whose device it is.
kill_supervisor
rm "$N/stub/sys/block/nbd0/backend"
sed -i 's/^ATTACHMENT=/&1/; s/^IDENTIFIER=other/IDENTIFIER=/' "$N/nbd0.state"
check "without identifiers, and with another attachment's state file: it is not taken over" \
	expect_status 3 'attached already' attach
sed -i 's/^ATTACHMENT=1/ATTACHMENT=/' "$N/nbd0.state"
check "... with its own it is" attach
check "it detaches" detach
finish
