#!/bin/bash
# SPDX-License-Identifier: MIT
# Three jobs of a new user, with the commands that README and the manual give: a machine moves from
# nbd-client's unit, nbdtab and fstab to nbd-attach, and its server is killed; a script attaches, asks,
# reloads and detaches; and somebody looks into an image.
# shellcheck source=tests/lib.sh disable=SC2016,SC2154,SC2317 # lib.bash sets units; check() calls functions, and bash -c
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.bash"

if [[ ${1:-} = prepare ]]; then
	mkdir -p "$2/srv/data" "$2/etc/nbd-server" "$2/$units" "$2/var/lib/node_exporter"
	truncate -s 64M "$2/srv/disk"
	mkfs.ext4 -q "$2/srv/disk"
	truncate -s 16M "$2/srv/other"
	printf '%s\n' '[generic]' 'user = root' 'group = root' 'listenaddr = 127.0.0.1' 'allowlist = true' \
		'[disk]' 'exportname = /srv/disk' 'flush = true' 'fua = true' \
		'[other]' 'exportname = /srv/other' 'flush = true' >"$2/etc/nbd-server/jobs"
	printf '%s\n' '[Service]' 'Type=forking' 'PIDFile=/run/nbd-server.pid' \
		'ExecStart=/usr/bin/nbd-server -C /etc/nbd-server/jobs -p /run/nbd-server.pid' \
		>"$2/$units/jobs-server.service"
	exit
fi

begin

# A line as a user types it: its exit status, and what it prints.
says() { # STATUS REGEX COMMAND-LINE
	local status
	timeout 60 bash -c "$3" >"$scratch/said" 2>&1 </dev/null
	status=$?
	cat "$scratch/said"
	is "$status" "$1" && { [[ ! $2 ]] || grep -qE "$2" "$scratch/said"; }
}

as_nobody() { # STATUS REGEX COMMAND-LINE
	says "$1" "$2" "setpriv --reuid=nobody --regid=nogroup --clear-groups $3"
}

# nbd-server generates a prime before it serves anybody.
serve() {
	systemctl start jobs-server && wait_for 10 test -s /run/nbd-server.pid &&
		wait_for 120 idles "$(cat /run/nbd-server.pid)"
}

journal_says() { # UNIT REGEX
	journal_of "$1" | tail -n 30
	journal_of "$1" | tail -n 30 | grep -qE "$2"
}

#
# From nbd-client
#

modprobe nbd
serve
echo 'nbd0 127.0.0.1 disk timeout=90' >/etc/nbdtab
echo '/dev/nbd0 /srv/data ext4 x-systemd.requires=nbd@nbd0.service 0 0' >/etc/fstab
systemctl daemon-reload
systemctl -q enable nbd@nbd0
check "before: nbd-client's unit attaches the device" says 0 '' 'systemctl start nbd@nbd0'
check "before: ... and fstab mounts it" says 0 '' 'mount /srv/data'
echo kept >/srv/data/kept
check "before: --status knows the device" says 0 '^nbd0 .* unsupervised ' 'nbd-attach --status'
check "1: --import-nbdtab" says 0 'enable --now nbd-attach@nbd0$' 'nbd-attach --import-nbdtab'
check "1: ... says what timeout= is now" grep -q '"timeout": is the dead-timeout here' "$scratch/said"
check "1: ... attaches nothing" refuses supervised nbd0
check "1: the configuration is right" says 0 '' 'nbd-attach --check-config nbd0'
check "not yet: the device is nbd-client's" says 3 'attached already' 'nbd-attach nbd0'
check "2: unmount, end nbd-client's unit" says 0 '' 'umount /srv/data && systemctl disable --now nbd@nbd0'
check "2: ... the device is free" wait_for 10 detached nbd0
check "3: fstab" says 0 '' 'sed -i "s/x-systemd.requires=nbd@nbd0.service/_netdev/; s,/dev/nbd0,/dev/disk/by-nbd/nbd0," \
	/etc/fstab && systemctl daemon-reload'
check "4: attach, mount" says 0 '' 'systemctl enable --now nbd-attach@nbd0 && mount /srv/data'
check "4: ... the data is there" is "$(cat /srv/data/kept)" kept
check "4: ... I/O waits as long as nbdtab said" grep -x DEAD_TIMEOUT=90 /run/nbd-attach/nbd0.state
load --name=load --directory=/srv/data --size=1M --rate_iops=100 --fsync=16
wait_for 20 test -s /srv/data/load.0.0
systemctl kill -s KILL jobs-server
check "the server dies: --status says so" wait_for 20 says 0 '^nbd0 .* lost ' 'nbd-attach --status'
serve
check "it is back: the device heals" wait_for 30 says 0 '^nbd0 .* attached .* 1$' 'nbd-attach --status'
check "... and the load has seen no error" load_was_well 1
check "the journal tells the story" says 0 'attached to nbd://127' \
	'journalctl -b --no-pager -o cat NBD_DEVICE=/dev/nbd0'
check "what uses the device is named" says 3 'mounted on "/srv/data"' 'nbd-attach --detach nbd0'
check "the unit stops after the unmount" says 0 '' 'umount /srv/data && systemctl stop nbd-attach@nbd0'
check "... and the device is free" detached nbd0

#
# A script
#

check "attach" says 0 'attached to nbd://127.0.0.1/other' 'nbd-attach nbd1 127.0.0.1 other'
check "the same again" says 0 'already attached' 'nbd-attach nbd1 127.0.0.1 other'
check "something else" says 3 'options differ: .*read-only' 'nbd-attach -r nbd1 127.0.0.1 other'
check "an export that does not exist" says 5 'othre' 'nbd-attach nbd2 127.0.0.1 othre'
check "no server" says 4 'refuses' 'nbd-attach nbd2 127.0.0.1:10810 other'
check "--check: attached" says 0 '' 'nbd-attach --check nbd1'
check "--check: not attached" says 1 '' 'nbd-attach --check nbd2'
check "--check: there is no such device" says 2 '' 'nbd-attach --check nbd99'
check "JSON" says 0 '' 'nbd-attach --status --json nbd1 | jq -e ".version == 1 and
	.devices[0].state == \"attached\" and .devices[0].\"size-bytes\" == 16777216"'
check "changes as JSON lines" says 0 '' '(timeout 5 nbd-attach --status --follow --json nbd1 || true) | head -n 1 |
	jq -e ".device == \"/dev/nbd1\" and .state == \"attached\""'
check "OpenMetrics" says 0 '' 'cd /var/lib/node_exporter &&
	nbd-attach --status --openmetrics >/var/lib/node_exporter/nbd.prom.new &&
	mv /var/lib/node_exporter/nbd.prom.new /var/lib/node_exporter/nbd.prom &&
	grep -q "^nbd_attach_state{device=\"nbd1\".*nbd_attach_state=\"attached\"} 1$" nbd.prom'
check "detach" says 0 'detached' 'nbd-attach --detach nbd1'
check "detach again" says 0 'is not attached' 'nbd-attach --detach nbd1'
check "detach what does not exist" says 2 '' 'nbd-attach --detach nbd99'

printf '%s\n' 'target = nbd://127.0.0.1/other' 'device = nbd3' >/etc/nbd-attach/data.conf
check "a configuration" says 0 '' 'nbd-attach --check-config data && systemctl enable --now nbd-attach@data'
check "... is attached already" says 0 'already attached' 'nbd-attach data'
echo 'dead-timeout = 30' >>/etc/nbd-attach/data.conf
check "reload: what can be applied" says 0 '' 'systemctl reload nbd-attach@data'
check "... is in force when it returns" grep -x DEAD_TIMEOUT=30 /run/nbd-attach/nbd3.state
echo 'connections = 2' >>/etc/nbd-attach/data.conf
check "reload: what the kernel was told stays" says 0 '' 'systemctl reload nbd-attach@data'
check "... and the journal says so" journal_says nbd-attach@data 'given for connections applies when'
sed -i s,/other,/disk, /etc/nbd-attach/data.conf
check "reload: another export fails" says 1 '' 'systemctl reload nbd-attach@data'
check "... and the journal says why" journal_says nbd-attach@data 'keeps its server, export'
check "... --reload says it by itself" says 1 'not reloaded: the earlier configuration' 'nbd-attach --reload data'
check "... and the unit is active" unit_is nbd-attach@data active
check "detach by name" says 0 'detached' 'nbd-attach --detach data'
check "... and the unit has ended" wait_for 10 unit_is nbd-attach@data inactive

#
# A look into an image
#

cd "$scratch" || exit 1
chmod 755 "$scratch"
qemu-img create -q -f qcow2 disk.qcow2 64M
chmod 644 disk.qcow2
check "as a user: what it is" as_nobody 0 '^size +64 MiB' 'nbd-attach --info --image qcow2:disk.qcow2'
check "as a user: attaching says what to do" as_nobody 6 'guestmount' 'nbd-attach auto --image qcow2:disk.qcow2'
check "a partition and a file system" says 0 '' 'nbd-attach -q auto --image qcow2:disk.qcow2 --exec "
	echo ,32M | sfdisk -q \$NBD_DEVICE && udevadm settle && mkfs.ext4 -q \${NBD_DEVICE}p1"'
check "a look at it" says 0 'nbd[0-9]+p1 .* 32M ' \
	'nbd-attach auto --image qcow2:disk.qcow2 -r --exec '\''fdisk -l "$NBD_DEVICE"'\'
check "the status of the command" says 7 '' 'nbd-attach -q auto --image qcow2:disk.qcow2 --exec "exit 7"'
check "a partition is mounted" says 0 '' 'nbd-attach nbd5 --image qcow2:disk.qcow2 && mount /dev/nbd5p1 /mnt'
check "... and stays so" says 3 'mounted on "/mnt"' 'nbd-attach --detach nbd5'
check "... until it is unmounted" says 0 '' 'umount /mnt && nbd-attach --detach nbd5'
check "an image of another format" says 5 'not in qcow2 format' 'nbd-attach nbd5 --image qcow2:/srv/other'
check "nothing is attached" says 0 'no device is attached' 'nbd-attach --status'
finish
