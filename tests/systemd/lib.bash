# shellcheck shell=bash disable=SC2016,SC2154 # the guest expands; scratch is lib.sh's
# SPDX-License-Identifier: MIT
# Functions for the scripts of tests/systemd. tests/vm/boot runs each script twice: with `prepare
# DIR` on the host, where DIR is laid over the guest's root before the boot, and then without
# arguments in the guest, as a service. Source this file after ../lib.sh.

[[ ! -d /run/nbd-vm ]] || export NBD_ATTACH=/usr/sbin/nbd-attach

units=etc/systemd/system

enable() { # DIR UNIT TARGET
	mkdir -p "$1/$units/$3.wants"
	local file=$2
	[[ $2 != *@* ]] || file=${2%%@*}@.service
	if [[ -e $1/$units/$file ]]; then
		ln -sf "../$file" "$1/$units/$3.wants/$2"
	else
		ln -sf "/usr/lib/systemd/system/$file" "$1/$units/$3.wants/$2"
	fi
}

# Writes a configuration and enables its instance.
configure() { # DIR NAME LINE...
	local dir=$1 name=$2
	shift 2
	printf '%s\n' "$@" >"$dir/etc/nbd-attach/$name.conf"
	enable "$dir" "nbd-attach@$name.service" nbd-attach.target
	enable "$dir" "nbd-attach@$name.service" multi-user.target
}

# Adds lines to [Service], as `systemctl edit UNIT` does.
edit() { # DIR UNIT LINE...
	mkdir -p "$1/$units/$2.d"
	printf '[Service]\n' >"$1/$units/$2.d/override.conf"
	printf '%s\n' "${@:3}" >>"$1/$units/$2.d/override.conf"
}

# Servers in the guest, from port 10809 on, each with the unit server@PORT. Its disk is /srv/PORT,
# which /srv/make PORT makes at the first start.
servers() { # DIR MAKE
	mkdir -p "$1/srv" "$1/$units"
	printf '#!/bin/bash\nset -e\ncd /srv\n[[ ! -e $1 ]] || exit 0\n%s\n' "$2" >"$1/srv/make"
	chmod 755 "$1/srv/make"
	cat >"$1/$units/server@.service" <<-'END'
		[Unit]
		DefaultDependencies=no
		Before=network-online.target
		[Service]
		ExecStartPre=/srv/make %i
		ExecStart=/usr/bin/nbdkit -f -i 127.0.0.1 -p %i file /srv/%i
		ExecStartPost=/bin/bash -c 'until (: <>/dev/tcp/127.0.0.1/%i) 2>/dev/null; do sleep 0.1; done'
	END
}

# The functions below run in the guest.

unit_is() { # UNIT STATE
	[[ $(systemctl show -P ActiveState "$1") = "$2" ]]
}

sub_is() { # UNIT SUBSTATE
	[[ $(systemctl show -P SubState "$1") = "$2" ]]
}

main_pid() { # UNIT
	systemctl show -P MainPID "$1"
}

mounted() { # DIRECTORY
	mountpoint -q "$1"
}

linked() { # NAME DEVICE: the stable name leads to the device
	[[ $(readlink -f "/dev/disk/by-nbd/$1") = "/dev/$2" ]]
}

state_is() { # nbd0 STATE
	local value
	read_state "$1" STATE
	[[ $value = "$2" ]]
}

# The monotonic time in microseconds at which a unit became active.
since() { # UNIT
	systemctl show -P ActiveEnterTimestampMonotonic "$1"
}

before() { # UNIT UNIT: the first one became active earlier
	local a b
	a=$(since "$1") b=$(since "$2")
	echo "$1 $a, $2 $b"
	((a > 0 && b > 0 && a <= b))
}

journal_of() { # UNIT
	journalctl -b --no-pager -o cat -u "$1"
}

# Tasks of a program that hang in the kernel.
hanging() { # PROGRAM
	grep -hE "^[0-9]+ \((${1})\) D" /proc/[0-9]*/stat 2>/dev/null
}

# Drops the page cache of the devices, so that later reads need the server.
forget() { # nbd0...
	sync
	blockdev --flushbufs "${@/#//dev/}"
	echo 3 >/proc/sys/vm/drop_caches
}

relay_of() { # UNIT: prints the relay's process ID, if there is a relay
	local p
	while read -r p; do
		[[ $(<"/proc/$p/comm") != nbd-relay ]] || echo "$p"
	done <"/sys/fs/cgroup$(systemctl show -P ControlGroup "$1")/cgroup.procs"
}

# Starts a fio that writes, reads back and verifies until it is stopped, and must see no error. Sets
# $load.
load() { # OPTION... of fio, with the --name= of each job
	start fio --thread --rw=randrw --bs=4k --ioengine=psync --direct=1 --verify=crc32c \
		--verify_fatal=1 --time_based --runtime=1000 --output-format=terse "$@"
	load=$pid
}

# Status 128 means that the signal ended fio. In a job's line, the errors follow its name.
load_was_well() { # JOBS
	local status
	running "$load" && kill -INT "$load"
	wait_for 60 gone "$load"
	wait "$load"
	status=$?
	cat "$scratch/log"
	((status == 128 && $(grep -cE '^3;fio-[0-9.]+;load[0-9]*;0;0;' "$scratch/log") == $1))
}

settles() { # SECONDS
	timeout "$(($1 + 5))" udevadm settle --timeout="$1"
}

# Lets the guest reach this machine's loopback as 10.0.2.2 (NBD_VM_NET=1).
network() { # DIR
	mkdir -p "$1/etc/systemd/network"
	printf '[Match]\nType=ether\n[Network]\nAddress=10.0.2.15/24\nLinkLocalAddressing=no\n' \
		>"$1/etc/systemd/network/eth.network"
	enable "$1" systemd-networkd.service multi-user.target
	enable "$1" systemd-networkd-wait-online.service network-online.target
}

free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# On the host: runs this script with CASE in a guest, and ends the server when the guest asks for it. Sets
# $took, the milliseconds from the command that powers off to the end of the guest.
powers_off() { # SECONDS CASE SERVER
	local line began=0
	exec 5< <("$top/tests/vm/boot" ${TEST_KERNEL:+-k "$TEST_KERNEL"} -t "$1" "$(readlink -f "$0")" "$2" 2>&1
		echo "status $?")
	while read -r -u 5 line; do
		echo "guest: $line"
		case $line in
		"end the server") kill_now "$3" ;;
		poweroff) began=$(date +%s%3N) ;;
		"status "*) break ;;
		esac
	done
	# shellcheck disable=SC2034 # for the script
	took=$(($(date +%s%3N) - began))
	exec 5<&-
	((began > 0)) && [[ $line = "status 0" ]]
}
