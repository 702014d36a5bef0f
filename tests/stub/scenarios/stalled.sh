#!/bin/bash
# SPDX-License-Identifier: MIT
# A live server that answers nothing is shown as stalled after ten seconds, and is not cut.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2034,SC2317
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach
load
check "the load gets on" loading 20 5
kill -STOP "$server"
since=$SECONDS
check "requests wait" within 5 told_at_least in-flight 1
pause 4
check "it is not stalled yet" json_is stalled False
check "it is stalled in the end" within 15 json_is stalled True
took=$((SECONDS - since))
check "not before ten seconds" eval 'echo $took; ((took >= 9))'
check "it is still attached" state_is attached
kill -CONT "$server"
check "it is no longer stalled" within 5 json_is stalled False
check "nothing failed, nothing is lost" unload
check "no socket was offered" told_is offered 0
check "no connection ended" told_is dead-told 0
check "it detaches" detach
finish
