#!/bin/bash
# SPDX-License-Identifier: MIT
# A device that is mounted at boot. Its unit is stopped, restarted and killed, its supervisor hangs,
# and another program detaches it.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.bash"

prepare() { # DIR
	servers "$1" 'truncate -s 64M "$1"; mkfs.ext4 -q "$1"'
	enable "$1" server@10809.service sysinit.target
	configure "$1" data 'device = nbd3' 'target = 127.0.0.1'
	echo '/dev/disk/by-nbd/data /data ext4 _netdev 0 0' >"$1/etc/fstab"
	mkdir -p "$1/data"
	configure "$1" relayed 'device = nbd4' 'target = 127.0.0.1' 'relay = yes' 'read-only = yes' \
		'identifier = relayed'
	edit "$1" nbd-attach@.service RestartSec=1 WatchdogSec=6
}

if [[ ${1:-} = prepare ]]; then
	prepare "$2"
	exit
fi

unit=nbd-attach@data.service

exposed() { # UNIT
	systemd-analyze security --no-pager --threshold=25 "$1" | tail -n 1
	return "${PIPESTATUS[0]}"
}

taken_over() { # PID of the earlier supervisor
	local now
	now=$(main_pid "$unit")
	[[ $now != 0 && $now != "$1" ]] && unit_is "$unit" active && state_is nbd3 attached &&
		[[ $(supervisor nbd3) = "$now" ]]
}


said() { # UNIT REGEX
	journal_of "$1" | tail -n 40
	journal_of "$1" | tail -n 40 | grep -qE "$2"
}

# The device is attached by the unit, and this asks for something else.
refused() {
	nbd_attach nbd3 -u /nothing >"$scratch/refused" 2>&1
	cat "$scratch/refused"
	grep -q "by the unit $unit: .systemctl stop $unit. detaches it; these options differ: .*server" \
		"$scratch/refused"
}

# A line with these fields.
found() { # REGEX MATCH...
	journalctl -b --no-pager -o cat "${@:2}"
	journalctl -b --no-pager -o cat "${@:2}" | grep -qE "$1"
}

# Waits longer than a restart takes.
stays_off() {
	pause 3
	detached nbd3 && unit_is "$unit" inactive
}

# Warnings of systemd and udev about the installed units and rules.
complaints() {
	# systemd before 254 does not know this setting, which nbd-attach-systemd(7) says.
	journalctl -b --no-pager -o cat | grep -v "Unknown key 'FileDescriptorStorePreserve'" |
		grep -iE 'ordering cycle|nbd-attach.*\.(rules|service|target):[0-9]'
}

attached_anew() { # PID of the earlier supervisor
	attached nbd3 && taken_over "$1" && linked data nbd3
}

relayed() { # PID-OF-THE-RELAY PID-OF-THE-EARLIER-SUPERVISOR
	local now
	now=$(main_pid nbd-attach@relayed.service)
	[[ $now != 0 && $now != "$2" ]] && state_is nbd4 attached && running "$1" &&
		[[ $(dd if=/dev/nbd4 bs=4k count=1 iflag=direct status=none | wc -c) = 4096 ]] &&
		! grep -q '^RECONNECTS=[1-9]' /run/nbd-attach/nbd4.state
}

# Keys as credentials, with the installed drop-in.
secret=nbd-attach@nbd0.service
dropin=/etc/systemd/system/$secret.d
new_key() { # HEX: a key for new servers, and encrypted for the unit
	(umask 077 && echo "me:$1" >"$scratch/keys.psk")
	systemd-creds encrypt --with-key=host --name=nbd.psk "$scratch/keys.psk" \
		/etc/credstore.encrypted/nbd.psk
}

tls_server() {
	start_server 10811 nbdkit -f -i 127.0.0.1 -p 10811 --tls=require \
		--tls-psk="$scratch/keys.psk" memory 16M
}

encrypted() {
	state_is nbd0 attached && grep '^TLS_VERSION=' /run/nbd-attach/nbd0.state &&
		[[ $(dd if=/dev/nbd0 bs=4k count=1 iflag=direct status=none | wc -c) = 4096 ]]
}

begin 67
check "the file system is mounted" wait_for 90 mounted /data
wait_for 10 unit_is remote-fs.target active
check "the device is attached before remote-fs-pre.target" before "$unit" remote-fs-pre.target
check "its link comes before the mount" before 'dev-disk-by\x2dnbd-data.device' data.mount
check "the mount comes before remote-fs.target" before data.mount remote-fs.target
check "the network comes before the device" before network-online.target "$unit"
check "the stable name leads to the device" linked data nbd3
check "systemctl status has a sentence" grep -q 'Attached to 127.0.0.1' \
	<(systemctl show -P StatusText "$unit")
check "attached already: the unit is named" refused
was=$(main_pid "$unit")
check "systemctl isolate succeeds" systemctl isolate multi-user.target
check "... and nbd-attach.target stays" unit_is nbd-attach.target active
check "... with its instances and their supervisors" is "$(main_pid "$unit") $(systemctl show -P ActiveState "$unit")" "$was active"
check "the journal finds a device" found 'attached to nbd' NBD_DEVICE=/dev/nbd3 NBD_STATE=attached
check "... and not that of another" refuses found 'nbd3' NBD_DEVICE=/dev/nbd4
check "the unit is sandboxed: its exposure is at most 2.5" exposed "$unit"
cat "$scratch/check"

# The device is mounted and under load until the end of this part.
load --name=load --directory=/data --size=1M --rate_iops=200 --fsync=16
wait_for 20 test -s /data/load.0.0
kernel_pid=$(cat /sys/block/nbd3/pid)

old=$(main_pid "$unit")
kill -KILL "$old"
check "SIGKILL: the supervisor comes back and takes the device over" wait_for 30 taken_over "$old"

old=$(main_pid "$unit")
check "restart of a device in use" systemctl restart "$unit"
check "... leaves it attached and takes it over" taken_over "$old"
check "... and says who uses it" said "$unit" 'mounted on "/data"'

old=$(main_pid "$unit") restarts=$(systemctl show -P NRestarts "$unit")
check "reload" systemctl reload "$unit"
check "... another supervisor has taken the device over when it returns" taken_over "$old"
check "... the unit was not restarted" is "$(systemctl show -P NRestarts "$unit")" "$restarts"

old=$(main_pid "$unit")
echo 'dead-timeout = soon' >>/etc/nbd-attach/data.conf
check "reload with a wrong configuration fails" refuses systemctl reload "$unit"
check "... and the journal says why" said "$unit" 'data.conf:[0-9]*: --dead-timeout must be'
check "... and the supervisor is the same" eval 'is "$(main_pid "$unit")" "$old" && unit_is "$unit" active'
sed -i '$d' /etc/nbd-attach/data.conf
sed -i s,127.0.0.1,127.0.0.1:10811, /etc/nbd-attach/data.conf
check "reload with another server fails" refuses systemctl reload "$unit"
check "... and the journal says why" said "$unit" 'attached keeps its server, export'
check "... and the supervisor is the same" eval 'is "$(main_pid "$unit")" "$old" && unit_is "$unit" active'
sed -i s,127.0.0.1:10811,127.0.0.1, /etc/nbd-attach/data.conf
check "... once it is corrected, reload succeeds" systemctl reload "$unit"
check "... and another supervisor has taken the device over" taken_over "$old"

# If systemd lost the unit's state, the watchdog would end the supervisor.
old=$(main_pid "$unit")
check "systemctl daemon-reexec" systemctl daemon-reexec
pause 7
check "... and the supervisor lives longer than the watchdog timeout" \
	eval 'unit_is "$unit" active && is "$(main_pid "$unit")" "$old"'

old=$(main_pid "$unit")
kill -STOP "$old"
check "watchdog: a supervisor that hangs is replaced" wait_for 60 taken_over "$old"
check "... because of the watchdog" said "$unit" 'Watchdog timeout'

# The relay holds the connection to a live server, so the new supervisor must keep it.
relay=$(relay_of nbd-attach@relayed.service)
old=$(main_pid nbd-attach@relayed.service)
kill -KILL "$old"
check "a relay outlives its supervisor" wait_for 30 relayed "$relay" "$old"
old=$(main_pid nbd-attach@relayed.service)
start sleep 1000 3</dev/nbd4
opener=$pid
systemctl restart nbd-attach@relayed.service
check "... and a restart of its unit" wait_for 30 relayed "$relay" "$old"
kill_now "$opener"
check "... and ends when the device is detached" eval 'systemctl stop nbd-attach@relayed.service &&
	wait_for 5 detached nbd4 && wait_for 5 gone "$relay"'

check "stop of a device in use" systemctl stop "$unit"
check "... leaves it attached" attached nbd3
check "... and the unit is inactive" unit_is "$unit" inactive
check "start takes it over" systemctl start "$unit"
check "the kernel's attachment was the same all the time" is "$(cat /sys/block/nbd3/pid)" "$kernel_pid"
check "the load has seen no error" load_was_well 1
check "the mount is the same" mounted /data
check "no unit has failed" is "$(systemctl --failed --no-legend --plain)" ''

# The device is not mounted.
umount /data
check "stop of a free device detaches it" systemctl stop "$unit"
check "... at once" detached nbd3
check "... and the last line has its unit, device and state" wait_for 5 found 'nbd3: detached' -u "$unit" \
	NBD_DEVICE=/dev/nbd3 NBD_STATE=ended
check "... and it stays detached" stays_off
check "... and its link is removed" refuses test -e /dev/disk/by-nbd/data
check "the unit starts again" systemctl start "$unit"
check "... it has its link" wait_for 10 linked data nbd3

check "nbd-attach --detach works while the unit is active" nbd_attach --detach data
check "... and the device stays detached" stays_off
check "... and its unit is inactive" unit_is "$unit" inactive

systemctl start "$unit"
wait_for 10 linked data nbd3
udevadm settle
old=$(main_pid "$unit")
check "another program detaches the device" nbd-client -d /dev/nbd3
check "... and it is attached again" wait_for 30 attached_anew "$old"

# While the device is in use, the detach shows only after its last user has closed it.
mount /dev/disk/by-nbd/data /data
old=$(main_pid "$unit")
nbd-client -d /dev/nbd3
umount -l /data
check "another program detaches it while it is mounted: attached again after the unmount" \
	wait_for 30 attached_anew "$old"
check "... it has a size" eval '(($(cat /sys/block/nbd3/size) > 0))'
check "... and can be read" dd if=/dev/nbd3 of=/dev/null bs=4k count=1 iflag=direct

start sleep 1000 3</dev/nbd3
check "stop of a device that a process holds open" systemctl stop "$unit"
check "... leaves it attached" attached nbd3
check "... and names the process" said "$unit" 'open in .*sleep'
kill_now "$pid"
check "a plain SIGTERM" systemctl start "$unit"
systemctl kill --kill-whom=main "$unit"
wait_for 10 unit_is "$unit" inactive
check "... leaves the device attached" attached nbd3
check "... and says so" said "$unit" 'stays attached'
check "detached without a supervisor" nbd_attach --detach nbd3

mkdir -p /etc/credstore.encrypted "$dropin"
cp /usr/share/doc/nbd-attach/examples/tls-credentials.conf.example "$dropin/tls.conf"
sed -n 's/^#   \(target\|tls-psk\)  *=/\1 =/p' "$dropin/tls.conf" |
	sed 's,nbds://.*,nbds://127.0.0.1:10811/,' >/etc/nbd-attach/nbd0.conf
systemctl daemon-reload
check "a missing credential: the unit does not start" refuses systemctl start "$secret"
systemctl stop "$secret" && systemctl reset-failed "$secret"
check "a key is encrypted" new_key 0123456789abcdef0123456789abcdef
tls_server
check "the unit starts with it" systemctl start "$secret"
check "... and its device is encrypted" encrypted
check "... and the key is not on the disk" refuses grep -rqs 0123456789abcdef \
	/etc /run/nbd-attach /var/lib/systemd
kill_now "$pid"
check "an outage is noticed" wait_for 20 state_is nbd0 lost
tls_server
check "... and heals with the credential" wait_for 30 encrypted
start sleep 1000 3</dev/nbd0
opener=$pid
kill_now "${started[-2]}"
new_key fedcba9876543210fedcba9876543210
tls_server
check "the server has a new key: is refused" wait_for 20 state_is nbd0 refused
systemctl restart "$secret"
check "... until the unit is restarted" wait_for 60 encrypted
kill_now "$opener"
check "... which then detaches" systemctl stop "$secret"
stop "$pid"

modprobe vsock_loopback
start nbdkit -f --vsock -p 10812 memory 16M
echo 'target = nbd+vsock://1:10812/' >/etc/nbd-attach/nbd0.conf
rm "$dropin/tls.conf" && systemctl daemon-reload
check "vsock in a unit needs a drop-in" refuses systemctl start "$secret"
check "... and says so" said "$secret" RestrictAddressFamilies=AF_VSOCK
cp /usr/share/doc/nbd-attach/examples/vsock.conf.example "$dropin/vsock.conf"
systemctl daemon-reload
check "... and starts with it" systemctl start "$secret"
check "... and stops" systemctl stop "$secret"
check "systemd and udev print no warning about units and rules" refuses complaints
finish
