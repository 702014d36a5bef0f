#!/bin/bash
# SPDX-License-Identifier: MIT
# The kernel refuses to disconnect a lost device whose timeouts were already set to fail waiting
# requests. From then on I/O waits again, as the state says; after the dead timeout it still fails. The
# next connection restores everything, or a live server would be cut off.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach
crash
check "the loss is noticed" within 5 state_is lost
ctl refuse 0 on
check "it stays attached" refuses detach
check "it is lost" within 5 state_is lost
check "new requests wait" told_is dead-timeout 600
check "... and no request times out" told_is timeout 0
check "the log says so" logged 'I/O that waited for the server has failed; new I/O waits'
check "I/O is asked to fail" nbd_attach --fail-now nbd0
check "it has expired" within 5 state_is expired
check "the kernel fails I/O" within 5 told_is dead-timeout 0
check "it still stays attached" refuses detach
check "it has still expired" within 5 state_is expired
pause 0.5
check "I/O still fails" told_is dead-timeout 0
ctl refuse 0 off
serve_again
check "it heals" within 10 state_is attached
check "the kernel waits as before" told_is dead-timeout 600
check "no request times out" told_is timeout 0
check "it detaches" detach
finish
