#!/bin/bash
# SPDX-License-Identifier: MIT
# A device whose server is lost: written data cannot be flushed, so a plain --detach refuses.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

lost() {
	crash
	within 5 state_is lost
}

serve
check "it attaches" attach
check "nothing written: is lost" lost
check "nothing written: detaches" detach
serve_again
check "written: attaches" attach
load -i "$image"
check "written: the load gets on" loading 20 5
check "written: nothing fails" unload
check "written: is lost" lost
check "written: detach refuses" expect_status 4 'cannot be flushed' detach
check "written: SIGTERM leaves it" kill_supervisor TERM
check "written: it stays attached" told_is configured 1
check "written: taken over" attach
check "written: detach still refuses" expect_status 4 'cannot be flushed' detach
serve_again
check "written: heals" within 10 told_is alive 1
check "written: is attached" within 5 state_is attached
check "written: detaches" detach
# As in a container: nobody there can have written, but what others wrote cannot be flushed.
touch "$N/stub/no-node"
check "no node: attaches" attach
check "no node, nothing written: detaches" detach
check "no node: attaches again" attach
load -c
check "no node: the load gets on" loading 20 5
check "no node: nothing fails" unload
check "no node, written: detach refuses" expect_status 1 'cannot open /dev/nbd0' detach
check "no node, written: it stays attached" told_is configured 1
rm "$N/stub/no-node"
check "with a node it detaches" detach
check "not counted: attaches" attach
echo 0 >"$N/stub/sys/block/nbd0/queue/iostats"
check "not counted: is lost" lost
check "not counted: detach refuses" expect_status 4 'cannot be flushed' detach
check "not counted: --force detaches" detach --force
echo 1 >"$N/stub/sys/block/nbd0/queue/iostats"
serve_again
check "read-only: attaches" attach --read-only
check "read-only: is lost" lost
check "read-only: detaches" detach
finish
