#!/bin/bash
# SPDX-License-Identifier: MIT
# A live server that answers nothing is never cut, also over TCP. --status and the log say so.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

serve_tcp
check "it attaches" attach --peer-timeout 5 -- "127.0.0.1:$port"
load -i "$image"
check "the load gets on" loading 20 5
kill -STOP "$server"
check "it is stalled" within 25 json_is stalled True
check "its connection lives" told_is alive 1
check "the driver saw no end" told_is dead-told 0
check "the log says so" logged 'has completed no request for'
kill -CONT "$server"
check "the load gets on" loading 20 10
check "nothing failed, nothing is lost" unload
check "no socket was offered" told_is offered 0
check "it detaches" detach
finish
