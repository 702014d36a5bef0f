#!/bin/bash
# SPDX-License-Identifier: MIT
# Partitions without udev: the partitions of a new disk exist when the command returns; those of the
# previous disk are removed when --detach returns and never appear on the next disk.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 240
begin 39
echo "# kernel $(uname -r)"

mkdir "$scratch/disks"
for disk in one two bare; do
	truncate -s 64M "$scratch/disks/$disk"
done
printf 'label: gpt\n,20M\n,20M\n' | sfdisk -q "$scratch/disks/one"
printf 'label: gpt\nstart=40M, size=8M\n' | sfdisk -q "$scratch/disks/two"
printf 'first partition of two' |
	dd of="$scratch/disks/two" bs=1M seek=40 conv=notrunc status=none
one='nbd0p1:2048+40960 nbd0p2:43008+40960'
two='nbd0p1:81920+16384'
sock=$scratch/sock

serve() { # [SECONDS]: the time that a read takes
	rm -f "$sock"
	start_server "$sock" nbdkit -f -U "$sock" --filter=delay file dir="$scratch/disks" \
		delay-read="${1:-0}"
	server=$pid
}

attach() { # DISK [ARGUMENT...]
	local status
	nbd_attach nbd0 -u "$sock" "$@" 2>"$scratch/said"
	status=$?
	cat "$scratch/said"
	return "$status"
}

shown() {
	local p
	for p in /sys/block/nbd0/nbd0p*; do
		[[ ! -e $p ]] || echo "${p##*/}:$(<"$p/start")+$(<"$p/size")"
	done | paste -sd ' '
}

shows() { # PARTITIONS
	is "$(shown)" "$1"
}

# Another program detaches the device, and then nothing opens it: its partitions stay.
detach_behind_its_back() {
	nbd-client -d /dev/nbd0 && wait_for 5 detached nbd0 && wait_for 5 no_supervisor nbd0
}

serve
check "a disk with partitions: attaches" attach one
check "its partitions exist at once" shows "$one"
check "it detaches" nbd_attach -d nbd0
check "its partitions are removed at once" shows ''
check "the next disk: attaches" attach two
check "its own partitions exist" shows "$two"
check "the first read is of this disk" is "$(head -c 22 /dev/nbd0p1)" 'first partition of two'
check "it detaches" nbd_attach -d nbd0

# No supervisor watched the device in between.
for how in 'somebody else' 'a signal'; do
	attach one >/dev/null
	if [[ $how = 'a signal' ]]; then
		kill "$(supervisor nbd0)"
		check "detached by $how: none is left" eval 'wait_for 5 detached nbd0 &&
			wait_for 5 no_supervisor nbd0; shows ""'
		continue
	fi
	check "detached by $how" detach_behind_its_back
	left=$(shown)
	check "detached by $how: the old ones are left" is "$left" "$one"
	check "detached by $how: the next disk attaches" attach bare
	check "detached by $how: the next disk shows none of them" shows ''
	check "detached by $how: attach prints no warning" is "$(<"$scratch/said")" \
		"nbd-attach: /dev/nbd0: attached to nbd+unix:///bare?socket=$sock, 64 MiB"
	nbd_attach -q -d nbd0
done
attach one >/dev/null
kill_now "$(supervisor nbd0)"
check "without a supervisor: detaches" nbd_attach -d nbd0
check "without a supervisor: none is left" shows ''
check "auto: attaches" eval 'nbd_attach -q auto -u "$sock" one; shows "$one"'
check "auto: detaches" eval 'nbd_attach -d nbd0; shows ""'
check "by ioctl: attaches" eval 'nbd_attach -q --backend ioctl nbd0 -u "$sock" one; shows "$one"'
check "by ioctl: detaches" eval 'nbd_attach -d nbd0; shows ""'

# A partition that is open cannot be removed.
attach one >/dev/null
exec 5</dev/nbd0p2
check "a partition in use: --detach --force" nbd_attach -d --force nbd0
exec 5<&-
wait_for 5 detached nbd0
check "a partition that was in use: the next disk attaches" attach two
check "a partition that was in use: the next disk shows its own partitions" shows "$two"
nbd_attach -q -d nbd0

# Nothing can open a device without a node.
attach one >/dev/null
mv /dev/nbd0 /dev/elsewhere
check "no node: auto takes a device that has one" eval '
	[[ $(nbd_attach -q auto -u "$sock" bare --identifier other) = /dev/nbd1 ]]'
check "no node: auto: detaches" nbd_attach -d nbd1
check "no node: --detach of a device that nobody wrote to" expect_status 0 'detached; .* shows partitions .* nbd0p1, nbd0p2' \
	nbd_attach -d nbd0
check "no node: attach names the old partitions" eval 'attach two; cat "$scratch/said";
	grep "nbd0: .* shows partitions .* nbd0p1, nbd0p2: cannot open /dev/nbd0" "$scratch/said"'
nbd_attach -q -d --force nbd0
mv /dev/elsewhere /dev/nbd0
check "the node is back: attaches" attach two
check "the node is back: shows the disk's own partitions" shows "$two"
nbd_attach -q -d nbd0

# The table is read while the device heals. nbdkit must be killed: an orderly end fails the reads.
kill_now "$server"
serve 60
start "${nbd_attach[@]}" -v nbd0 -u "$sock" one
command=$pid
check "a slow server: the device is attached" wait_for 10 attached nbd0
check "a slow server: the command waits for the table" eval 'running "$command" && shows ""'
kill_now "$server"
serve
check "the server is lost meanwhile: the command returns" wait "$command"
check "the server is lost meanwhile: the partitions exist" shows "$one"
check "the server is lost meanwhile: detaches" nbd_attach -d nbd0

# The wait for the partition table is bounded.
kill_now "$server"
serve 60
check "no answer: attaches" eval 'TEST_LIMIT=15 attach one'
check "no answer: says so" eval 'cat "$scratch/said"; grep "partition table is not read yet" "$scratch/said"'
kill_now "$server"
serve
check "no answer: the partitions appear with the answer" wait_for 10 shows "$one"
check "no answer: detaches" nbd_attach -d nbd0
check "no answer: none is left" shows ''
exec 2>/dev/null # hides bash's message for every server that tidy_up() ends
finish
