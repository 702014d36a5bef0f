#!/bin/bash
# SPDX-License-Identifier: MIT
# An outage right after the attachment, before the spare process is started: it is started then, so that
# the handshake begins as soon as the server accepts.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach
crash
check "the loss is noticed" within 5 state_is lost
check "a spare process is ready before the server" within 3 eval 'pgrep -P "$(supervisor_pid 0)" nbd-handshake'
serve_again
check "it heals" within 10 state_is attached
check "it detaches" detach
finish
