#!/bin/bash
# SPDX-License-Identifier: MIT
# The service manager keeps the sockets of a supervisor: it is killed under a load that verifies
# itself, stopped and started, and its sockets die in the store.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.bash"

if [[ ${1:-} = prepare ]]; then
	servers "$2" 'truncate -s 32M "$1"'
	enable "$2" server@10819.service sysinit.target
	configure "$2" kept 'device = nbd9' 'target = 127.0.0.1:10819'
	edit "$2" nbd-attach@kept.service RestartSec=1
	exit
fi

unit=nbd-attach@kept.service

stored() { # COUNT
	echo "$(systemctl show -P NFileDescriptorStore "$unit") sockets are stored, wanted $1"
	[[ $(systemctl show -P NFileDescriptorStore "$unit") = "$1" ]]
}

# Supervisors that got a socket of the one before them.
inherited() {
	journal_of "$unit" | grep -c 'an earlier supervisor has left 1 of its sockets'
}

inherited_since() { # COUNT BEFORE: COUNT more than there were
	journal_of "$unit"
	(($(inherited) == $2 + $1))
}

# A supervisor that was killed has a successor, in charge of the device.
restarted() { # PID
	local now
	now=$(main_pid "$unit")
	((now && now != $1)) && unit_is "$unit" active && state_is nbd9 attached
}

kill_it() {
	systemctl kill -s KILL --kill-whom=main "$unit"
}

heals() {
	systemctl kill -s KILL server@10819
	wait_for 20 state_is nbd9 lost || return
	systemctl restart server@10819
	wait_for 30 state_is nbd9 attached && wait_for 10 stored 1
}

begin 30
check "it attaches" wait_for 90 eval 'unit_is "$unit" active && state_is nbd9 attached'
check "the service manager keeps its socket" wait_for 10 stored 1
load --name=load --filename=/dev/nbd9 --size=16M
pause 2

pid=$(main_pid "$unit")
kill_it
check "its supervisor is killed under load: the next one is in charge" wait_for 30 restarted "$pid"
check "it has the socket" inherited_since 1 0
check "the service manager keeps one socket" wait_for 10 stored 1
check "it heals" heals

# The program is replaced, as by an upgrade.
pid=$(main_pid "$unit")
cp /usr/sbin/nbd-attach /usr/sbin/new && mv /usr/sbin/new /usr/sbin/nbd-attach
systemctl reload "$unit"
check "a reload after an upgrade: the new program is in charge" wait_for 30 restarted "$pid"
check "the unit was not restarted" is "$(systemctl show -P NRestarts "$unit")" 1
check "the old supervisor has ended" wait_for 10 gone "$pid"
check "the service manager keeps one socket" stored 1
check "it heals" heals
pid=$(main_pid "$unit")
kill_it
check "the new one is killed: systemd notices, and starts another" wait_for 30 restarted "$pid"
check "it has the socket" inherited_since 1 2
check "the service manager keeps one socket" wait_for 10 stored 1

# The server ends while no supervisor runs.
pid=$(main_pid "$unit")
kill_it
systemctl kill -s KILL server@10819
check "the service manager keeps a socket that has hung up" stored 1
pause 0.5
check "it still does, or the next supervisor runs" eval 'stored 1 || (($(main_pid "$unit")))'
systemctl restart server@10819
check "with a dead socket in the store, it heals" wait_for 30 restarted "$pid"
check "the service manager keeps the new one" wait_for 10 stored 1
check "it heals again" heals

# The device is in use, so that it stays attached.
pid=$(main_pid "$unit")
systemctl stop "$unit"
check "the unit is stopped" eval '! unit_is "$unit" active'
check "its device stays attached" test -e /sys/block/nbd9/pid
if (($(systemctl --version | awk 'NR == 1 { print int($2) }') >= 254)); then
	kept=1
	check "the service manager still keeps its socket" stored 1
else
	kept=0
	check "the service manager has closed its socket" stored 0
fi
before=$(inherited)
systemctl start "$unit"
check "it is started: the device is taken over" wait_for 30 restarted "$pid"
check "it has the socket, if the service manager could keep it" inherited_since "$kept" "$before"
check "it heals" heals
before=$(inherited)
pid=$(main_pid "$unit")
kill_it
check "it is killed once more, and taken over" wait_for 30 restarted "$pid"
check "the next supervisor has the socket" inherited_since 1 "$before"
check "the load saw no error" load_was_well 1
systemctl stop "$unit"
check "the unit is stopped: the device is detached" wait_for 20 detached nbd9
check "the service manager keeps nothing" stored 0
finish
