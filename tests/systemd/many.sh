#!/bin/bash
# SPDX-License-Identifier: MIT
# Eight devices under load, while one server restarts and while the package is upgraded.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.bash"

prepare() { # DIR
	local i deb
	# shellcheck disable=SC2016 # for the guest's shell
	servers "$1" 'truncate -s 16M "$1"'
	for i in 0 1 2 3 4 5 6 7; do
		enable "$1" "server@1080$i.service" sysinit.target
		configure "$1" "d$i" "device = nbd$i" "target = 127.0.0.1:1080$i"
	done
	for i in 1 2; do
		deb=$(make -s -C "$top" deb DEB_VERSION="0.1-$i" | tail -n 1)
		cp "$top/$deb" "$1/srv/$i.deb"
	done
}

if [[ ${1:-} = prepare ]]; then
	prepare "$2"
	exit
fi

all_attached() {
	local i
	for i in 0 1 2 3 4 5 6 7; do
		unit_is "nbd-attach@d$i" active && state_is "nbd$i" attached || return
	done
}

loads=()

load_all() { # SECONDS
	local i
	loads=()
	for i in 0 1 2 3 4 5 6 7; do
		start fio --name=load --filename="/dev/nbd$i" --size=4M --rw=randrw --bs=4k \
			--ioengine=psync --direct=1 --verify=crc32c --verify_fatal=1 --time_based \
			--runtime="$1" --rate_iops=50 --output-format=terse
		loads+=("$pid")
	done
	wait_for 30 io_flows
}

io_flows() {
	local i
	for i in 0 1 2 3 4 5 6 7; do
		[[ $(awk '{ print $5 }' "/sys/block/nbd$i/stat") -gt 20 ]] || return
	done
}

all_end_well() { # SECONDS
	local pid
	for pid in "${loads[@]}"; do
		ended_well "$pid" "$1" || return
	done
}

# nbd3's server was away, and nobody else noticed.
only_one_outage() {
	local i
	grep -H '^OUTAGES=' /run/nbd-attach/*.state
	for i in 0 1 2 4 5 6 7; do
		grep -qx OUTAGES=0 "/run/nbd-attach/nbd$i.state" || return
	done
	grep -qx OUTAGES=1 /run/nbd-attach/nbd3.state
}

main_pids() {
	local i
	for i in 0 1 2 3 4 5 6 7; do
		main_pid "nbd-attach@d$i"
	done
}

kernel_pids() {
	cat /sys/block/nbd[0-7]/pid
}

all_replaced() {
	local pid
	all_attached || return
	for pid in $before; do
		gone "$pid" || return
	done
}

begin
check "eight devices are attached at boot" wait_for 90 all_attached
check "dpkg takes the package" dpkg -i --force-depends /srv/1.deb
check "all are under load" load_all 20
systemctl kill -s KILL server@10803
check "a server dies" wait_for 20 state_is nbd3 lost
systemctl restart server@10803
check "... and is back" wait_for 30 state_is nbd3 attached
check "no load has noticed anything" all_end_well 60
check "the others had no outage" only_one_outage

check "all are under load again" load_all 25
before=$(main_pids)
attachments=$(kernel_pids)
check "the package is upgraded" dpkg -i --force-depends /srv/2.deb
check "every supervisor is a new one" wait_for 60 all_replaced
check "the attachments are the old ones" is "$(kernel_pids)" "$attachments"
check "no load has noticed anything" all_end_well 60

check "the package is removed" dpkg -P nbd-attach
check "... its units stop, and free devices are detached" wait_for 30 eval \
	'for i in 0 1 2 3 4 5 6 7; do detached nbd$i || exit; done'
check "... nothing is left of it" refuses test -e /usr/sbin/nbd-attach
finish
