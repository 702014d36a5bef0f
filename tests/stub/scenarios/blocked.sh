#!/bin/bash
# SPDX-License-Identifier: MIT
# The kernel does not answer a hand-over, because a command for another device holds the common
# lock. A detach that gives up meanwhile leaves a device that heals, and heals again later.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach --dead-timeout 60
load -i "$image"
check "the load gets on" loading 20 5
ctl block
crash
check "the loss is noticed" within 5 state_is lost
serve_again
check "it is healing" within 10 state_is healing
check "a detach with --force gives up" expect_status 1 '' nbd_attach --detach --force nbd0
ctl unblock
check "the hand-over counts" within 10 state_is attached
check "the socket was taken" told_is alive 1
check "the load gets on" loading 20 10
crash
check "the loss is noticed again" within 5 state_is lost
serve_again
check "it heals again" within 10 state_is attached
check "nothing failed, nothing is lost" unload
check "it detaches" detach
finish
