#!/bin/bash
# SPDX-License-Identifier: MIT
# --peer-timeout: a host that has acknowledged nothing for this time is dead, and not before.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

serve_tcp
check "it attaches" attach --peer-timeout 60 -- "127.0.0.1:$port"
echo 30000 >"$N/stub/tcp-silent"
pause 7
check "half of that time: the connection lives" told_is alive 1
check "no socket was offered" told_is offered 0
rm "$N/stub/tcp-silent"
check "it detaches" detach
check "it attaches" attach --peer-timeout 20 -- "127.0.0.1:$port"
echo 30000 >"$N/stub/tcp-silent"
check "more than that time: the connection is dead" \
	within 20 state_has LAST_OUTAGE_CAUSE 'has acknowledged nothing for 20 s'
rm "$N/stub/tcp-silent"
check "it heals" within 15 state_is attached
# The host may still carry out old requests, so a new connection is not used at once.
check "not before the settling time has passed" eval '(($(state_value LAST_OUTAGE_MS) >= 2000))'
check "the log says that this is no proof" logged 'may still carry out old writes'
check "it detaches" detach
finish
