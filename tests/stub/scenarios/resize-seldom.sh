#!/bin/bash
# SPDX-License-Identifier: MIT
# --resize of a device with many short requests: most moments are without one, but in each of them
# the next can begin, after the look and before the connection is ended. It would wait for the dead
# timeout, or fail. So no connection is ended until requests have become rare.
# shellcheck source=tests/stub/lib.bash
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach -C 2
load -d 1 -r 40 -b 64 -i "$image"
check "the load gets on" loading 10 10
truncate -s 2M "$image"
check "it says why not" expect_status 4 'never without requests' nbd_attach --resize nbd0
check "no connection has ended" told_is dead-told 0
check "nothing failed, nothing is lost" unload
load -c -d 1 -r 4 -b 64 -i "$image"
check "the load gets on" loading 2 10
check "when they are rare, it grows" expect_status 0 'has grown from' nbd_attach --resize nbd0
check "nothing failed, nothing is lost" unload
check "it detaches" detach
finish
