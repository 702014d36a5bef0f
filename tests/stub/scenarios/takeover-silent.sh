#!/bin/bash
# SPDX-License-Identifier: MIT
# Slow: it waits for 20 s without a request.
# Taken over without a state file; then the driver lacks the memory to report that the connection
# has ended. Requests that wait for a connection do not count as in flight, so the device looks
# idle. The supervisor probes the driver when nothing was completed for 20 s, and at once for
# --reconnect.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2317
. "$(dirname "$0")/../lib.bash"

takes_over() {
	kill_supervisor
	rm -f "$N/nbd0.state"
	attach
}

serve
check "it attaches" attach
load -i "$image"
check "the load gets on" loading 20 5
check "it is taken over" takes_over
check "the load gets on" loading 20 5
ctl silent 0 on
crash
serve_again
pause 1
check "the loss is not known" state_is attached
check "--reconnect probes" expect_status 0 'is being asked' nbd_attach --reconnect nbd0
check "it heals" within 10 state_has RECONNECTS '^1$'
check "the load gets on" loading 20 10
check "nothing failed, nothing is lost" unload
check "it is taken over again" takes_over
crash
serve_again
load -c -i "$image"
check "it also heals without a command" within 40 state_has RECONNECTS '^1$'
check "the load gets on" loading 20 10
check "nothing failed, nothing is lost" unload
check "it detaches" detach
finish
