#!/bin/bash
# SPDX-License-Identifier: MIT
# --timeout: the kernel cuts the connection of a stopped server; requests go to the next connection.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach --timeout 1
check "it warns" logged 'with --timeout 1 a server that takes longer'
load
check "the load gets on" loading 20 5
kill -STOP "$server"
check "the kernel cuts it" within 5 kernel_logged 'Connection timed out'
check "the loss is noticed" within 5 state_has STATE 'lost|healing'
kill -CONT "$server"
# nbdkit 1.32 aborts if a connection is reset while it sends.
pause 0.3
running "$server" || serve_again
check "it heals" within 10 state_is attached
check "the load gets on" loading 20 10
check "the timeout stays" told_is timeout 1
kill -TERM "$loader"
check "the load ends" wait_for 10 gone "$loader"
check "it detaches" detach
finish
