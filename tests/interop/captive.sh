#!/bin/bash
# SPDX-License-Identifier: MIT
# Servers that are started for their device: by socket activation, on standard input and output,
# on an image; killed, and outliving the supervisor.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 400
begin 100
# shellcheck source=tests/interop/captive-lib.bash
. "$(dirname "$0")/captive-lib.bash"

cd "$scratch" || exit 1
qemu-img create -q -f qcow2 disk.qcow2 64M
truncate -s 64M disk.img
qcow2=(-- '[' qemu-nbd --persistent --format=qcow2 --cache=writethrough disk.qcow2 ']')

#
# Socket activation
#
check "activation: attaches" nbd_attach nbd0 "${qcow2[@]}"
server=$(server_of nbd0) keeper=$(keeper_of nbd0)
check "activation: the server is known" running "$server"
check "activation: --status names it" \
	eval 'nbd_attach --status nbd0 | grep -qE "^  captive +qemu-nbd runs, process $server, starts: 1$"'
check "activation: root's socket" \
	is "$(stat -c '%a %U' "/run/nbd-attach/captive-$(state_of nbd0 CAPTIVE).sock")" '600 root'
check "activation: a session of its own" is "$(cut -d ' ' -f 6 "/proc/$server/stat")" "$server"
check "activation: no descriptor of ours" \
	is "$(readlink /proc/"$server"/fd/* | grep -cE 'nbd-attach|/dev/nbd|netlink')" 0
check "activation: the identifier shows no argument" \
	eval '[[ $(state_of nbd0 IDENTIFIER) =~ ^captive:qemu-nbd:[0-9a-f]{32}$ ]]'
check "activation: twice is refused" expect_status 3 'nbd0.*already' nbd_attach nbd0 "${qcow2[@]}"
check "activation: writes and verifies" writes_and_verifies /dev/nbd0
check "activation: the keeper is another process" running "$keeper"

# Killed, again and again, under a load that looks at every byte
start writes_and_verifies /dev/nbd0 1M --rate_iops=150 --time_based --runtime=12 --output="$scratch/fio"
load=$pid
for ((i = 1; i <= 3; i++)); do
	pause 2
	server=$(server_of nbd0)
	kill -KILL "$server"
	check "killed: another server takes up the socket ($i)" wait_for 15 another_server nbd0 "$server"
done
check "killed: the load has seen nothing" wait "$load"
check "killed: the device counts" status_is nbd0 captive-starts 4
check "killed: the device was reconnected" status_is nbd0 reconnects 3
check "killed: the keeper is the same" is "$(keeper_of nbd0)" "$keeper"

# The supervisor dies, and the server does not
server=$(server_of nbd0)
kill_now "$(supervisor nbd0)"
wait_for 5 no_supervisor nbd0
check "without a supervisor: the server runs" running "$server"
check "without a supervisor: the device works" writes_and_verifies /dev/nbd0
check "taken over: by the same command" nbd_attach nbd0 "${qcow2[@]}"
check "taken over: the server is the same" is "$(server_of nbd0)" "$server"
check "taken over: so is its keeper" is "$(keeper_of nbd0)" "$keeper"
kill -KILL "$server"
check "taken over: a server that dies is started again" wait_for 15 another_server nbd0 "$server"
check "taken over: the device works" writes_and_verifies /dev/nbd0
kill -KILL "$keeper"
check "the keeper killed: another one starts the server again" \
	wait_for 20 eval 'running "$(keeper_of nbd0)" && [[ $(keeper_of nbd0) != $keeper ]] &&
		dd if=/dev/nbd0 of=/dev/null bs=4k count=1 iflag=direct'
check "the keeper killed: the device works" writes_and_verifies /dev/nbd0
kill_now "$(supervisor nbd0)"
wait_for 5 no_supervisor nbd0

# Another supervisor with the number of one whose server still runs
id=$(state_of nbd0 CAPTIVE) keeper=$(keeper_of nbd0)
number=${id%????????} # eight digits of time behind it
check "the same number: attaches" eval '
	(echo $((number - 1)) >/proc/sys/kernel/ns_last_pid
	exec "${nbd_attach[@]}" nbd1 -- "[" nbdkit memory 1M "]")'
check "the same number: it is" is "$(supervisor nbd1)" "$number"
check "the same number: detaches" nbd_attach --detach nbd1
check "the same number: the other keeper lives" running "$keeper"
check "the same number: its socket is there" test -S "/run/nbd-attach/captive-$id.sock"
ends "without a supervisor" nbd0

# The supervisor killed, and the device detached by somebody else: the server has the image still
check "an orphan: attaches" nbd_attach nbd0 "${qcow2[@]}"
server=$(server_of nbd0)
kill_now "$(supervisor nbd0)"
wait_for 5 no_supervisor nbd0
nbd-client -d /dev/nbd0 >/dev/null 2>&1
wait_for 10 detached nbd0
check "an orphan: stays" running "$server"
check "an orphan: ends for the next one" nbd_attach nbd1 "${qcow2[@]}"
check "an orphan: has ended" refuses running "$server"
ends "an orphan" nbd1

check "the image is whole" sound disk.qcow2

# Ends with its last client, and is started for the next one
check "without --persistent: attaches" nbd_attach nbd0 -- '[' qemu-nbd -f raw disk.img ']'
server=$(server_of nbd0)
kill -KILL "$server"
check "without --persistent: heals" wait_for 15 another_server nbd0 "$server"
check "without --persistent: works" writes_and_verifies /dev/nbd0
ends "without --persistent" nbd0

# The keeper killed, and a server that is deaf: another one is started when that has gone, not before
cat >hostile-deaf <<-'END'
	#!/bin/sh
	trap '' TERM
	nbdkit -s memory 16M
	sleep 1000
END
chmod 755 hostile-deaf
deaf() { # prints its processes
	local p
	for p in /proc/[0-9]*; do
		grep -qs hostile-deaf "$p/cmdline" && ! grep -qs keep-captive "$p/cmdline" &&
			! grep -qs nbd0 "$p/cmdline" && echo "${p#/proc/}"
	done
}
check "a deaf server: attaches" nbd_attach nbd0 --command -- '[' ./hostile-deaf ']'
server=$(server_of nbd0)
kill_now "$(keeper_of nbd0)"
check "a deaf server: another one" wait_for 30 another_server nbd0 "$server"
check "a deaf server: heals" wait_for 30 status_is nbd0 state attached
check "a deaf server: is the only one" is "$(deaf)" "$(server_of nbd0)"
ends "a deaf server" nbd0

# Who it runs as, and where it speaks
cat >hostile-speaker <<-'END'
	#!/bin/sh
	echo "I am $(id -un) in $PWD" >&2
	exec nbdkit memory 16M
END
chmod 755 hostile-speaker "$scratch"
start "${nbd_attach[@]}" -n nbd0 --user nobody -- '[' ./hostile-speaker ']'
attachment=$pid
check "--user: attaches" wait_for 15 status_is nbd0 state attached
check "--user: runs as nobody" is "$(stat -c %U "/proc/$(server_of nbd0)")" nobody
check "--user: its words are in the log, under its name" \
	grep -q "nbd-attach: hostile-speaker: I am nobody in $scratch" "$scratch/log"
kill -TERM "$attachment"
check "--user: SIGTERM detaches" wait_for 15 detached nbd0
check "--user: nothing is left" wait_for 10 nothing_left
check "--user: nobody knows" expect_status 2 'no user "no-such-user"' \
	nbd_attach nbd0 --user no-such-user -- '[' nbdkit memory 1M ']'

# Somebody else's doing; several devices; the last free one; an export's name; connections
check "nbd-client -d: attaches" nbd_attach nbd0 -- '[' nbdkit memory 16M ']'
nbd-client -d /dev/nbd0 >/dev/null 2>&1
check "nbd-client -d: nothing is left" wait_for 10 nothing_left
check "read-only: the same command for two devices" eval '
	nbd_attach nbd0 -r -- [ nbdkit -r file disk.img ] && nbd_attach nbd1 -r -- [ nbdkit -r file disk.img ]'
check "read-only: two servers" eval '[[ $(server_of nbd0) != "$(server_of nbd1)" ]]'
check "read-only: one detaches" nbd_attach --detach nbd0
check "read-only: the other one works" dd if=/dev/nbd1 of=/dev/null bs=4k count=1 iflag=direct
ends "read-only" nbd1
check "auto: attaches" expect_status 0 '' nbd_attach -q auto data -C 2 -- \
	'[' qemu-nbd -t -e 2 -x data -f raw disk.img ']'
check "auto: prints the device" is "$(cat "$scratch/stdout")" /dev/nbd0
check "auto: two connections, or one where the server promises nothing" \
	eval '[[ $(state_of nbd0 CONNECTIONS) = [12] ]]'
ends "auto" nbd0

#
# Standard input and output
#
check "--command: attaches" nbd_attach nbd0 --command -- '[' nbdkit -s file disk.img ']'
check "--command: says what that means" \
	eval 'nbd_attach --status nbd0 | grep -qE "^  captive +nbdkit runs.*, one for each connection$"'
check "--command: writes and verifies" writes_and_verifies /dev/nbd0
server=$(server_of nbd0)
kill -KILL "$server"
check "--command: another process for another connection" wait_for 15 another_server nbd0 "$server"
check "--command: writes and verifies again" writes_and_verifies /dev/nbd0
ends "--command" nbd0

#
# An image
#
check "--image: attaches" nbd_attach nbd0 --image qcow2:disk.qcow2
check "--image: known by its path" status_is nbd0 identifier "image:$scratch/disk.qcow2"
check "--image: written through" \
	eval 'tr "\\0" " " <"/proc/$(server_of nbd0)/cmdline" | grep -q -- --cache=writethrough'
check "--image: writes and verifies" writes_and_verifies /dev/nbd0
check "--image: trims" blkdiscard /dev/nbd0
kill -KILL "$(server_of nbd0)"
check "--image: heals" writes_and_verifies /dev/nbd0
ends "--image" nbd0
check "--image: is whole" sound disk.qcow2
check "--image -r: attaches" nbd_attach nbd0 -r --image qcow2:disk.qcow2
check "--image -r: is read-only" is "$(blockdev --getro /dev/nbd0)" 1
ends "--image -r" nbd0
check "--image: the wrong format, in qemu-nbd's words" \
	expect_status 5 'server qemu-nbd ended with exit status 1: .*qcow2' \
	nbd_attach nbd0 --image qcow2:disk.img
check "--image: no such file" expect_status 5 'nothing.img.*No such file' \
	nbd_attach nbd0 --image raw:nothing.img
check "--image: nothing is left" nothing_left

#
# From a file
#
mkdir -p /etc/nbd-attach
echo "target = [ nbdkit file $scratch/disk.img ]" >/etc/nbd-attach/files.conf
echo "image = qcow2:$scratch/disk.qcow2" >/etc/nbd-attach/nbd3.conf
check "a file: a command" nbd_attach -q files
check "a file: is known by its name" nbd_attach --check files
check "a file: an image" nbd_attach nbd3
check "a file: detaches" nbd_attach --detach nbd3
ends "a file" files
check "a file: a server on the command line replaces it" \
	expect_status 4 'refuses connections|cannot connect' nbd_attach nbd3 127.0.0.1:1

finish
