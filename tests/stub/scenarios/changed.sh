#!/bin/bash
# SPDX-License-Identifier: MIT
# The export that comes back is another one: it is refused, or accepted with --accept.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

again_with() { # [OPTION...]: starts another server
	crash
	within 5 state_has STATE 'lost|refused' || return
	serve_with "$@"
}
comes_back() { # the right server starts, and I/O goes on
	crash
	serve_with
	within 10 state_is attached
}

serve_with
check "it attaches" attach
load -i "$image"
check "the load gets on" loading 20 5

truncate -s 2M "$N/large"
truncate -s 512K "$N/small"
image_of_load=$image
image=$N/small
check "a smaller export" again_with
check "is refused" within 10 state_is refused
check "with the reason" state_has LAST_ERROR 'smaller export'
image=$image_of_load
check "the right server heals it" comes_back

check "a read-only export" again_with -r
check "is refused" within 10 state_has LAST_ERROR 'read-only export'
check "another word of --accept accepts nothing" nbd_attach --reconnect --accept smaller nbd0
pause 0.5
check "the export is still refused" state_is refused
check "the right server heals it" comes_back

check "an export without write-zeroes" again_with --filter=nozero
check "is refused" within 10 state_has LAST_ERROR 'accept features'
check "the export is accepted" nbd_attach --reconnect --accept features nbd0
check "it heals" within 10 state_is attached
check "the load gets on" loading 20 10
check "the same a second time" again_with --filter=nozero
check "is refused: --accept was for one outage" within 10 state_has LAST_ERROR 'accept features'
check "the right server heals it" comes_back
check "nothing failed, nothing is lost" unload
check "nothing else was taken" told_is taken 4
check "it detaches" detach
finish
