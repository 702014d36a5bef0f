#!/bin/bash
# SPDX-License-Identifier: MIT
# Taken over without a state file: only the driver knows which connections are dead. Each of them
# counts once, even if a probe finds it, although the probe's own socket dies, too.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

takes_over() {
	kill_supervisor
	rm -f "$N/nbd0.state"
	attach -C 2
}

serve
check "it attaches" attach -C 2
kill -STOP "$server"
kill_supervisor
ctl break 0 0
check "one of two has died" within 5 told_is alive 1
check "it is taken over" takes_over
check "it is degraded" within 5 state_is degraded
offered=$(told offered)
ctl overflow
check "after lost events the driver is probed" within 5 told_at_least offered "$((offered + 1))"
pause 0.5 # the probe's own socket dies, and the driver reports that
check "one of two lives" state_has CONNECTIONS_ALIVE '^1$'
check "it is still degraded" state_is degraded
kill -CONT "$server"
check "the dead one is replaced" within 10 told_is alive 2
# The other two were the sockets of the probes.
check "one socket was taken" told_is taken 3
check "it is attached" within 5 state_is attached
check "it is taken over again" takes_over
check "all live" within 5 state_is attached
taken=$(told taken)
ctl break 0 1
check "the driver's event is enough" within 4 told_is taken "$((taken + 1))"
check "it is attached again" within 10 state_is attached
check "both live" state_has CONNECTIONS_ALIVE '^2$'
check "it detaches" detach
finish
