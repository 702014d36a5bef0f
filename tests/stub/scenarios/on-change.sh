#!/bin/bash
# SPDX-License-Identifier: MIT
# --on-change: called for each change of state, in order.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach --name data --on-change \
	"echo \$NBD_STATE \$NBD_NAME \$NBD_OUTAGE_MS >>$N/changes; env | grep ^NBD >>$N/env"
crash
check "the loss is noticed" within 5 state_is lost
serve_again
check "it heals" within 10 state_is attached
lines() {
	cat "$N/changes"
	grep -qx 'lost data 0' "$N/changes" && grep -qxE 'attached data [1-9][0-9]*' "$N/changes"
}
check "the command has the name, and how long the outage was" within 5 lines
check "it detaches" detach
said() { cat "$N/env"; grep -c . "$N/changes"; }
check "the command was called" test "$(said | tail -n 1)" -ge 3
finish
