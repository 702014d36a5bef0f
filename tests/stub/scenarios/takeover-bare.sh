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
check "nothing failed, nothing is lost" unload
check "it detaches" detach
finish
