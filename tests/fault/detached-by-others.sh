#!/bin/bash
# SPDX-License-Identifier: MIT
# Another program detaches the device under load, and attaches another disk during an outage of
# ours.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 200 "$@"
begin 11
# shellcheck source=tests/fault/lib.bash
. "$top/tests/fault/lib.bash"

sock=$scratch/sock

new_image
serve nbdkit "$sock"
check "nbd-client -d: attaches" attach
held=$(supervisor "$device")
check "nbd-client -d: load" load -r 500
pause 1
nbd-client -d "/dev/$device" >/dev/null 2>&1
check "nbd-client -d: the supervisor ends" wait_for 10 gone "$held"
load_ended >/dev/null # its requests failed, as they should
crash
check "nbd-client -d: the device is not attached again" detached "$device"

# As soon as the device is free, another program attaches another disk; ours must not touch it
serve nbdkit "$sock"
check "another disk: attaches" attach
held=$(supervisor "$device")
truncate -s 8M "$scratch/other"
start_server "$scratch/other.sock" nbdkit -f -U "$scratch/other.sock" --filter=log \
	file "$scratch/other" logfile="$scratch/requests"
crash # starts an outage, in which ours would reconnect
nbd-client -d "/dev/$device" >/dev/null 2>&1
wait_for 10 detached "$device"
check "another disk: another program attaches it" \
	timeout 20 nbd-client -unix "$scratch/other.sock" "/dev/$device" -timeout 30
serve_again
check "another disk: our supervisor ends" wait_for 15 gone "$held"
check "another disk: stays attached" attached "$device"
check "another disk: has its own size" is "$(cat "/sys/block/$device/size")" 16384
check "another disk: works" writes_and_verifies "/dev/$device"
check "another disk: has only one connection" is "$(grep -c 'Connect ' "$scratch/requests")" 1
nbd-client -d "/dev/$device" >/dev/null 2>&1
wait_for 10 detached "$device"
release >/dev/null
finish
