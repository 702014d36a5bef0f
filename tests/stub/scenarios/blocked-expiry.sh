#!/bin/bash
# SPDX-License-Identifier: MIT
# The dead timeout passes while the kernel does not answer a hand-over. The socket may be in use
# then, so I/O must not be failed. With several connections, no socket may be lost or offered twice.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach -C 2 --dead-timeout 4
ctl block
crash
check "the loss is noticed" within 5 state_is lost
serve_again
check "it is healing" within 10 state_is healing
pause 4.5
ctl unblock
check "it heals" within 10 state_is attached
check "both are alive" within 10 told_is alive 2
check "each socket was offered once" told_is offered 2
check "the kernel waits as before" within 5 told_is dead-timeout 4
load -i "$image"
check "the load gets on" loading 20 5
check "nothing fails" unload
check "the state agrees" state_has CONNECTIONS_ALIVE '^2$'
check "it detaches" detach
finish
