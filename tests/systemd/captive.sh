#!/bin/bash
# SPDX-License-Identifier: MIT
# A unit whose server nbd-attach starts for the device. The server has its own unit, which outlives
# the supervisor and ends with the device.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.bash"

if [[ ${1:-} = prepare ]]; then
	mkdir -p "$2/srv"
	qemu-img create -q -f qcow2 "$2/srv/disk.qcow2" 64M
	configure "$2" nbd7 'image = qcow2:/srv/disk.qcow2'
	exit
fi

unit=nbd-attach@nbd7.service

state_of() { # KEY
	sed -n "s/^$1=//p" /run/nbd-attach/nbd7.state
}

server_of() {
	nbd_attach --status nbd7 >/dev/null
	state_of CAPTIVE_PID
}

captive_unit() {
	echo "nbd-attach-captive-$(state_of CAPTIVE).service"
}

another() { # COMMAND PID
	local now
	now=$($1)
	((now > 0 && now != $2))
}

begin 21
check "the unit starts" wait_for 90 unit_is "$unit" active
check "the device is attached" attached nbd7
captive=$(captive_unit) server=$(server_of)
check "the server has its own unit" unit_is "$captive" active
check "the server is in the control group of its unit" grep -q "/$captive\$" "/proc/$server/cgroup"
check "the server's unit is ordered before the device's unit" \
	eval 'systemctl show -P Before "$captive" | grep -q "$unit"'
check "the device works" writes_and_verifies /dev/nbd7
check "the sandbox of the device's unit does not keep the server from writing the image" \
	eval '(($(stat -c %b /srv/disk.qcow2) > 400))'
kill -KILL "$server"
check "the server killed: another one starts" wait_for 30 another server_of "$server"
check "the server killed: the device works" writes_and_verifies /dev/nbd7
server=$(server_of) main=$(main_pid "$unit")
kill -KILL "$main"
check "the supervisor killed: systemd starts another one" \
	wait_for 60 eval 'another "main_pid $unit" "$main" && unit_is "$unit" active'
check "the supervisor killed: the server is the same" is "$(server_of)" "$server"
check "the supervisor killed: the server's unit is the same" is "$(captive_unit)" "$captive"
check "the supervisor killed: the device works" writes_and_verifies /dev/nbd7
mkfs.ext4 -q /dev/nbd7
mkdir -p /captive
mount /dev/nbd7 /captive
check "mounted: the unit restarts" systemctl restart "$unit"
check "mounted: the server is the same" is "$(server_of)" "$server"
check "mounted: the file system works" dd if=/dev/zero of=/captive/x bs=64k count=16 conv=fsync
umount /captive
check "stopped: the unit stops" systemctl stop "$unit"
check "stopped: the device is free" detached nbd7
check "stopped: the server has ended" gone "$server"
check "stopped: the server's unit has ended" refuses systemctl is-active "$captive"
check "stopped: the image has no errors" sound /srv/disk.qcow2
finish
