# shellcheck shell=bash disable=SC2016,SC2154 # the guest expands; scratch is lib.sh's
# SPDX-License-Identifier: MIT
# For the scripts of tests/systemd, which tests/vm/boot runs twice: with `prepare DIR` on the host,
# where DIR is laid over the guest's root before it boots, and then without arguments in the guest,
# as a service. Source it after ../lib.sh.

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

# A configuration, and its instance enabled.
configure() { # DIR NAME LINE...
	local dir=$1 name=$2
	shift 2
	printf '%s\n' "$@" >"$dir/etc/nbd-attach/$name.conf"
	enable "$dir" "nbd-attach@$name.service" nbd-attach.target
	enable "$dir" "nbd-attach@$name.service" multi-user.target
}

# A server in the guest, port 10809 and up, as a unit: server@PORT. Its disk is /srv/PORT, made at
# the first start by /srv/make PORT.
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

# In the guest.

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

linked() { # NAME DEVICE: a stable name that leads there
	[[ $(readlink -f "/dev/disk/by-nbd/$1") = "/dev/$2" ]]
}

state_is() { # nbd0 STATE
	grep -qx "STATE=$2" "/run/nbd-attach/$1.state"
}

# The monotonic time, in microseconds, of when a unit became active.
since() { # UNIT
	systemctl show -P ActiveEnterTimestampMonotonic "$1"
}

before() { # UNIT UNIT: it was active earlier
	local a b
	a=$(since "$1") b=$(since "$2")
	echo "$1 $a, $2 $b"
	((a > 0 && b > 0 && a <= b))
}

journal_of() { # UNIT
	journalctl -b --no-pager -o cat -u "$1"
}

# Tasks that hang in the kernel, by the name of the program.
hanging() { # PROGRAM
	local stat
	for stat in /proc/[0-9]*/stat; do
		grep -qE "^[0-9]+ \((${1})\) D" "$stat" 2>/dev/null && return 0
	done
	return 1
}

# Something that writes and reads on a file system, and must notice nothing: fio in the background.
load() { # DIRECTORY SECONDS; sets $pid
	start fio --name=load --directory="$1" --size=8M --rw=randrw --bs=4k --ioengine=psync \
		--direct=1 --verify=crc32c --verify_fatal=1 --time_based --runtime="$2" \
		--fsync=16 --output-format=normal
}

ended_well() { # PID SECONDS
	local status
	wait_for "$2" gone "$1" || return
	wait "$1"
	status=$?
	cat "$scratch/log"
	((status == 0))
}

settles() { # SECONDS
	timeout "$(($1 + 5))" udevadm settle --timeout="$1"
}

# The guest's way to this machine's loopback, 10.0.2.2 (NBD_VM_NET=1).
network() { # DIR
	mkdir -p "$1/etc/systemd/network"
	printf '[Match]\nType=ether\n[Network]\nAddress=10.0.2.15/24\nLinkLocalAddressing=no\n' \
		>"$1/etc/systemd/network/eth.network"
	enable "$1" systemd-networkd.service multi-user.target
	enable "$1" systemd-networkd-wait-online.service network-online.target
}
