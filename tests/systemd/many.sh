#!/bin/bash
# SPDX-License-Identifier: MIT
# Eight devices under load while one server restarts and while the package is upgraded. A ninth
# device is idle; it uses a relay, and its configuration takes any free device.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.bash"

prepare() { # DIR
	local i
	# shellcheck disable=SC2016 # for the guest's shell
	servers "$1" 'truncate -s 16M "$1"'
	configure "$1" idle-disk "target = 127.0.0.1:10800" 'relay = yes'
	enable "$1" "server@10800.service" sysinit.target
	for i in {1..8}; do
		enable "$1" "server@1080$i.service" sysinit.target
		configure "$1" "d$i" "device = nbd$i" "target = 127.0.0.1:1080$i"
	done
	edit "$1" nbd-attach@.service RestartSec=1
	for i in 1 2; do
		cp "$(make -s -C "$top" deb DEB_VERSION="0.1-$i" | tail -n 1)" "$1/srv/$i.deb"
	done
	# A small database of its own: an emulated machine needs half a minute to read the full one.
	mkdir -p "$1/srv/dpkg"/{info,updates,triggers}
	touch "$1/srv/dpkg/status"
}

if [[ ${1:-} = prepare ]]; then
	prepare "$2"
	exit
fi

package() { # OPTION...
	dpkg --admindir=/srv/dpkg --force-depends "$@"
}

every() { # COMMAND NUMBER...: for each of the devices
	local i
	for i in {1..8}; do
		"$@" "$i" || return
	done
}

is_attached() { # NUMBER
	unit_is "nbd-attach@d$1" active && state_is "nbd$1" attached
}

all_attached() {
	every is_attached && unit_is nbd-attach@idle-disk active && state_is nbd0 attached
}

load_all() {
	local i jobs=()
	for i in {1..8}; do
		jobs+=("--name=load$i" "--filename=/dev/nbd$i")
	done
	load --size=128k --rate_iops=10 "${jobs[@]}"
	wait_for 30 every io_flows
}

io_flows() { # NUMBER
	(($(awk '{ print $5 }' "/sys/block/nbd$1/stat") > 20))
}

# Only nbd3 had an outage.
only_one_outage() {
	grep -H '^OUTAGES=' /run/nbd-attach/*.state
	is "$(grep -lx OUTAGES=1 /run/nbd-attach/*.state)" /run/nbd-attach/nbd3.state &&
		is "$(grep -lx OUTAGES=0 /run/nbd-attach/*.state | wc -l)" 8
}

main_pids() {
	local i
	for i in idle-disk d{1..8}; do
		main_pid "nbd-attach@$i"
	done
}

# Values that a device loses when it is detached and attached again.
attachments() {
	grep -H . /sys/block/nbd[0-8]/{pid,backend,diskseq,size}
	stat -c %i /sys/block/nbd[0-8]/pid
}

completed() { # NUMBER
	awk '{ print $1 + $5 }' "/sys/block/nbd$1/stat"
}

all_replaced() {
	local pid
	all_attached || return
	for pid in $before; do
		gone "$pid" || return
	done
}

names_lead() {
	local i
	for i in {1..8}; do
		linked "d$i" "nbd$i" || return
	done
	linked idle-disk nbd0 && unit_is 'dev-disk-by\x2dnbd-idle\x2ddisk.device' active
}

moved() { # NUMBER
	(($(completed "$1") > was_at[$1] + 5))
}

# A request that was in flight is sent again up to the io-timeout later, 10 s, and on a busy machine
# the rest takes longer than that.
io_goes_on() {
	local i was_at=() begun=$SECONDS
	for i in {1..8}; do
		was_at[i]=$(completed "$i")
	done
	wait_for 60 every moved && echo "after $((SECONDS - begun)) s" && return
	for i in {1..8}; do
		moved "$i" || echo "nbd$i: $((was_at[i])) requests were done, now: $(cat "/sys/block/nbd$i/stat")"
	done
	return 1
}

nothing_left() {
	local i
	for i in {0..8}; do
		detached "nbd$i" || return
	done
	is "$(systemctl list-units --plain --no-legend 'nbd-attach*.service')" '' &&
		is "$(ls /run/nbd-attach/*.state 2>/dev/null)" '' && is "$(ls /dev/disk/by-nbd 2>/dev/null)" ''
}

begin 23
check "nine devices are attached at boot" wait_for 90 all_attached
check "dpkg installs the package" package -i /srv/1.deb
check "eight devices are under load" load_all
systemctl kill -s KILL server@10803
check "a server dies" wait_for 20 state_is nbd3 lost
systemctl restart server@10803
check "... and comes back" wait_for 30 state_is nbd3 attached
check "... and the I/O of all devices goes on" io_goes_on
check "the other devices had no outage" only_one_outage

before=$(main_pids)
was=$(attachments)
relay=$(relay_of nbd-attach@idle-disk.service)
check "the package is upgraded" package -i /srv/2.deb
check "... to the newer version" grep -qx 'Version: 0.1-2' /srv/dpkg/status
check "every supervisor is replaced" wait_for 60 all_replaced
check "the attachments are the same, also that of the idle device" \
	is "$(attachments)" "$was"
check "the relay is the same" is "$(relay_of nbd-attach@idle-disk.service)" "$relay"
check "... and it had no outage" grep -qx OUTAGES=0 /run/nbd-attach/nbd0.state
check "the stable names lead to the devices" names_lead
check "the I/O of all devices goes on" io_goes_on
check "no load has seen an error" load_was_well 8
check "no unit has failed" is "$(systemctl --failed --no-legend --plain)" ''

check "the package is removed" package -r nbd-attach
check "... its units stop, free devices are detached, links are removed" wait_for 30 nothing_left
check "... the program is removed" refuses test -e /usr/sbin/nbd-attach
check "... the user's files stay" test -e /etc/nbd-attach/d1.conf
check "the package is purged" package -P nbd-attach
check "... and nothing is enabled" \
	is "$(find /etc/systemd/system -name 'nbd-attach*')" /etc/systemd/system/nbd-attach@.service.d
finish
