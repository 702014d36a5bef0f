#!/bin/bash
# SPDX-License-Identifier: MIT
# Attached means usable, and detach does not lose against udev: scripts and units that go on at once.
# --no-scan: udev makes the name and reads nothing.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.bash"

if [[ ${1:-} = prepare ]]; then
	mkdir -p "$2/etc/nbd-attach" "$2/spot"
	printf '%s\n' 'device = nbd5' 'target = nbd://127.0.0.1:10830/disk' \
		>"$2/etc/nbd-attach/spot.conf"
	printf '%s\n' 'device = nbd7' 'target = 127.0.0.1:10831' >"$2/etc/nbd-attach/fails.conf"
	printf '%s\n' 'device = nbd8' 'target = 127.0.0.1:10832' 'same-content = ids' \
		>"$2/etc/nbd-attach/ids.conf"
	# It runs as confined as the supervisor.
	printf '#!/bin/bash\ncd /run/nbd-attach/devices && for node in ttyS0 vport0p1 nbd8; do
		(: <"$node") && echo "$node"; done >/run/nbd-attach/opened\ntrue\n' >"$2/spot/open"
	chmod 755 "$2/spot/open"
	edit "$2" nbd-attach@ids.service ExecStartPost=/spot/open
	exit
fi

rounds=$(cat /etc/rounds 2>/dev/null || echo 5)
begin $((rounds * 2 + 26))
mkdir "$scratch/disks"
truncate -s 64M "$scratch/disks/disk" "$scratch/disks/bare" "$scratch/disks/other"
printf 'label: gpt\n,40M\n' | sfdisk -q "$scratch/disks/disk"
mkfs.ext4 -q -L stranger "$scratch/disks/other"
start_server 10830 nbdkit -f -i 127.0.0.1 -p 10830 file dir="$scratch/disks"
server=$pid
modprobe nbd
udevadm settle

# One after the other, without a pause: a script's usual steps.
short_use() {
	nbd_attach nbd6 127.0.0.1:10830 bare --name bare && [[ -b /dev/disk/by-nbd/bare ]] &&
		mkfs.ext4 -q -F /dev/disk/by-nbd/bare && nbd_attach --detach bare
}

unit_use() {
	systemctl start nbd-attach@spot &&
		mount /dev/disk/by-nbd/spot-part1 /spot && echo round >>/spot/rounds &&
		umount /spot && systemctl stop nbd-attach@spot && detached nbd5
}

labelled() { udevadm info -q property /dev/nbd6 | grep "$1"; }

for ((i = 1; i <= rounds; i++)); do
	check "attach, mkfs, detach: round $i" short_use
done
nbd_attach -q nbd5 127.0.0.1:10830 disk && mkfs.ext4 -q /dev/nbd5p1 && nbd_attach -q -d nbd5
for ((i = 1; i <= rounds; i++)); do
	check "start, mount, umount, stop: round $i" unit_use
done

check "with a scan: attaches" nbd_attach nbd6 127.0.0.1:10830 other --name other
check "with a scan: the label is found" labelled ID_FS_LABEL=stranger
check "with a scan: detaches" nbd_attach -d other
# As bcache's rules do.
mkdir -p /run/udev/rules.d
echo 'SUBSYSTEM=="block", KERNEL=="nbd*", ENV{ID_FS_TYPE}!="?*", RUN+="/bin/touch /run/read-%k"' \
	>/run/udev/rules.d/69-reads.rules
udevadm control --reload
check "--no-scan: attaches" nbd_attach nbd6 127.0.0.1:10830 other --name other --no-scan
check "--no-scan: the name is there" linked other nbd6
udevadm settle
udevadm trigger --settle /dev/nbd6
check "--no-scan: nothing was read" refuses labelled ID_FS
check "--no-scan: no rule takes it for a device of which nothing is known" eval '
	! test -e /run/read-nbd6 && udevadm trigger --settle /dev/nbd9 && test -e /run/read-nbd9'
check "--no-scan: no link but the name" refuses test -e /dev/disk/by-label/stranger
check "--no-scan: an outage begins" eval 'kill_now "$server" && wait_for 30 state_is nbd6 lost'
udevadm trigger --settle /dev/nbd6
check "--no-scan: the name is the only link in an outage, too" is \
	"$(udevadm info -q symlink /dev/nbd6)" disk/by-nbd/other
start_server 10830 nbdkit -f -i 127.0.0.1 -p 10830 file dir="$scratch/disks"
check "--no-scan: the outage ends" wait_for 60 state_is nbd6 attached
check "--no-scan: detaches" nbd_attach -d other

# Where only root reads the kernel's log, the unit still counts the replies with an error: it has got
# the log from the service manager. If it cannot, it does not say that there were none.
start_server 10831 nbdkit -f -i 127.0.0.1 -p 10831 --filter=error memory 16M error=EIO \
	error-rate=100% error-file="$scratch/fail"
check "dmesg_restrict: it is set" sysctl -qw kernel.dmesg_restrict=1
check "dmesg_restrict: the unit starts" systemctl start nbd-attach@fails
touch "$scratch/fail"
check "dmesg_restrict: a read fails" refuses dd if=/dev/nbd7 of=/dev/null bs=4k count=1 iflag=direct
rm "$scratch/fail"
errors_are_told() {
	nbd_attach --status nbd7 | grep -E '^  errors +([1-9]|unknown)'
}
check "dmesg_restrict: the error is counted, or unknown" wait_for 15 errors_are_told
cat "$scratch/check"
check "dmesg_restrict: the unit stops" systemctl stop nbd-attach@fails

# The unit hides the devices, but the process that looks for identifiers finds its own.
own=11111111-2222-3333-4444-555555555555
truncate -s 64M "$scratch/own" "$scratch/another"
mkfs.ext4 -q "$scratch/another"
serve_ids() { # FILE
	start_server 10832 nbdkit -f -i 127.0.0.1 -p 10832 file "$1"
}

has_identifier() {
	local value
	read_state nbd8 CONTENT
	echo "$value"
	[[ $value = *ext:$own* ]]
}

serve_ids "$scratch/own"
server=$pid
check "identifiers: the unit starts" systemctl start nbd-attach@ids
check "identifiers: it can open no other device" is "$(cat /run/nbd-attach/opened)" nbd8
check "identifiers: mkfs writes one" mkfs.ext4 -q -U "$own" /dev/nbd8
check "identifiers: it is read when the device rests" wait_for 30 has_identifier
kill_now "$server"
serve_ids "$scratch/another"
server=$pid
check "identifiers: another disk puts the device on hold" wait_for 30 state_is nbd8 held
kill_now "$server"
serve_ids "$scratch/own"
check "identifiers: its own disk is connected" wait_for 60 state_is nbd8 attached
check "identifiers: the file system is sound" fsck.ext4 -fn /dev/nbd8
check "identifiers: the unit stops" systemctl stop nbd-attach@ids
left_behind() {
	journalctl -b --no-pager -o cat | grep 'nbd-attach@.*(nbd-queue) remains running'
}
check "no reader of a queue outlives its unit" refuses left_behind
exec 2>/dev/null # hides bash's message for the server that tidy_up() ends
finish
