#!/bin/bash
# SPDX-License-Identifier: MIT
# Slow: it waits for half a minute.
# After 30 s, an outage is reported to the log and to --on-change, with the last error and the time
# at which I/O fails. --fail-now fails only the waiting I/O. The device heals when the server is
# back.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2034,SC2119,SC2317
. "$(dirname "$0")/../lib.bash"

alarmed() {
	cat "$N/changes"
	grep -qE '^lost lost no connection to .* for 3[0-4] s \(.*refuses connections.*\): I/O waits and fails at [0-9][0-9]:[0-9][0-9]:[0-9][0-9], in 5[67][0-9] s .*/dev/nbd0 is open in process [0-9]+' "$N/changes"
}

touch "$N/changes"
serve
check "it attaches" attach --on-change "echo \$NBD_OLD_STATE \$NBD_STATE \$NBD_REASON >>$N/changes"
check "alive: --fail-now is refused" expect_status 1 'is alive' nbd_attach --fail-now nbd0
load -e -i "$image"
check "the load gets on" loading 20 5
crash
check "the loss is noticed" within 5 state_is lost
begun=$SECONDS
check "--on-change is called" within 45 alarmed

check "not before half a minute" eval '((SECONDS - begun >= 28))'
check "the log has a line, too" logged 'no connection to .* for 3[0-4] s .*--fail-now nbd0'
check "no request has failed" told_is failed 0
check "--fail-now succeeds" \
	expect_status 0 'I/O fails until the server is back' nbd_attach --fail-now nbd0
check "the waiting I/O has failed" within 10 told_at_least failed 1
check "the status says so" within 5 state_is expired
check "a second --fail-now changes nothing" \
	expect_status 0 'fails already' nbd_attach --fail-now nbd0
serve_again
check "it heals" within 15 state_is attached
check "the load gets on" loading 20 10
check "nothing is lost" unload
check "it detaches" detach
check "not attached: says so" expect_status 1 'is not attached' nbd_attach --fail-now nbd0
finish
