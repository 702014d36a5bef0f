#!/bin/bash
# SPDX-License-Identifier: MIT
# Servers that nbd-attach starts for a device: by socket activation, on standard input and output,
# and for an image. Servers are killed, and servers outlive their supervisor.
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
check "activation: the server runs" running "$server"
check "activation: --status names it" \
	eval 'nbd_attach --status nbd0 | grep -qE "^  captive +qemu-nbd runs, process $server, starts: 1$"'
check "activation: only root can open the socket" \
	is "$(stat -c '%a %U' "/run/nbd-attach/captive-$(state_of nbd0 CAPTIVE).sock")" '600 root'
check "activation: the server has its own session" \
	is "$(cut -d ' ' -f 6 "/proc/$server/stat")" "$server"
check "activation: the server inherits no descriptor" \
	is "$(readlink /proc/"$server"/fd/* | grep -cE 'nbd-attach|/dev/nbd|netlink')" 0
check "activation: the identifier shows no argument" \
	eval '[[ $(state_of nbd0 IDENTIFIER) =~ ^captive:qemu-nbd:[0-9a-f]{32}$ ]]'
check "activation: a second attach is content" \
	expect_status 0 'nbd0 is already' nbd_attach nbd0 "${qcow2[@]}"
check "activation: writes and verifies" writes_and_verifies /dev/nbd0
check "activation: the keeper is another process" running "$keeper"

# The server is killed repeatedly, under a load that verifies every byte
start writes_and_verifies /dev/nbd0 1M --rate_iops=150 --time_based --runtime=12 --output="$scratch/fio"
load=$pid
for ((i = 1; i <= 3; i++)); do
	pause 2
	server=$(server_of nbd0)
	kill -KILL "$server"
	check "killed: another server takes over the socket ($i)" \
		wait_for 15 another_server nbd0 "$server"
done
check "killed: the load has seen no error" wait "$load"
check "killed: --status counts the starts" status_is nbd0 captive-starts 4
check "killed: the device was reconnected" status_is nbd0 reconnects 3
check "killed: the keeper is the same" is "$(keeper_of nbd0)" "$keeper"

# The supervisor dies, and the server lives on
server=$(server_of nbd0)
kill_now "$(supervisor nbd0)"
wait_for 5 no_supervisor nbd0
check "without a supervisor: the server runs" running "$server"
check "without a supervisor: the device works" writes_and_verifies /dev/nbd0
check "taken over: by the same command" nbd_attach nbd0 "${qcow2[@]}"
check "taken over: the server is the same" is "$(server_of nbd0)" "$server"
check "taken over: the keeper is the same" is "$(keeper_of nbd0)" "$keeper"
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

# Another supervisor gets the process ID of a dead one whose server still runs
id=$(state_of nbd0 CAPTIVE) keeper=$(keeper_of nbd0)
number=${id%????????} # eight digits of time follow the process ID
check "the same process ID: attaches" eval '
	(echo $((number - 1)) >/proc/sys/kernel/ns_last_pid
	exec "${nbd_attach[@]}" nbd1 -- "[" nbdkit memory 1M "]")'
check "the same process ID: the supervisor has it" is "$(supervisor nbd1)" "$number"
check "the same process ID: detaches" nbd_attach --detach nbd1
check "the same process ID: the other keeper lives" running "$keeper"
check "the same process ID: the other keeper's socket exists" \
	test -S "/run/nbd-attach/captive-$id.sock"
ends "without a supervisor" nbd0

# The supervisor is killed, and another program detaches the device: the server still has the image
check "an orphan: attaches" nbd_attach nbd0 "${qcow2[@]}"
server=$(server_of nbd0)
kill_now "$(supervisor nbd0)"
wait_for 5 no_supervisor nbd0
nbd-client -d /dev/nbd0 >/dev/null 2>&1
wait_for 10 detached nbd0
check "an orphan: keeps running" running "$server"
check "an orphan: ends when the image is attached again" nbd_attach nbd1 "${qcow2[@]}"
check "an orphan: the old server has ended" refuses running "$server"
ends "an orphan" nbd1

check "the image has no errors" sound disk.qcow2

# The server ends with its last client, and is started again for the next one
check "without --persistent: attaches" nbd_attach nbd0 -- '[' qemu-nbd -f raw disk.img ']'
server=$(server_of nbd0)
kill -KILL "$server"
check "without --persistent: heals" wait_for 15 another_server nbd0 "$server"
check "without --persistent: works" writes_and_verifies /dev/nbd0
ends "without --persistent" nbd0

# The keeper is killed, and the server ignores SIGTERM: another one starts only after it has ended
cat >hostile-deaf <<-'END'
	#!/bin/sh
	trap '' TERM
	nbdkit -s memory 16M
	sleep 1000
END
chmod 755 hostile-deaf
deaf() { # prints the processes of the deaf server
	local p
	for p in /proc/[0-9]*; do
		grep -qs hostile-deaf "$p/cmdline" && ! grep -qs keep-captive "$p/cmdline" &&
			! grep -qs nbd0 "$p/cmdline" && echo "${p#/proc/}"
	done
}
check "a deaf server: attaches" nbd_attach nbd0 --command -- '[' ./hostile-deaf ']'
server=$(server_of nbd0)
kill_now "$(keeper_of nbd0)"
check "a deaf server: another server starts" wait_for 30 another_server nbd0 "$server"
check "a deaf server: heals" wait_for 30 status_is nbd0 state attached
check "a deaf server: only the new server runs" is "$(deaf)" "$(server_of nbd0)"
ends "a deaf server" nbd0

# The server's user, and where its output goes
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
check "--user: the log has the server's output and its name" \
	grep -q "nbd-attach: hostile-speaker: I am nobody in $scratch" "$scratch/log"
kill -TERM "$attachment"
check "--user: SIGTERM detaches" wait_for 15 detached nbd0
check "--user: nothing is left" wait_for 10 nothing_left
check "--user: an unknown user is refused" expect_status 2 'no user "no-such-user"' \
	nbd_attach nbd0 --user no-such-user -- '[' nbdkit memory 1M ']'

# nbd-client detaches; several devices; "auto"; an export's name; several connections
check "nbd-client -d: attaches" nbd_attach nbd0 -- '[' nbdkit memory 16M ']'
nbd-client -d /dev/nbd0 >/dev/null 2>&1
check "nbd-client -d: nothing is left" wait_for 10 nothing_left
check "read-only: the same command attaches two devices" eval '
	nbd_attach nbd0 -r -- [ nbdkit -r file disk.img ] && nbd_attach nbd1 -r -- [ nbdkit -r file disk.img ]'
check "read-only: each device has its own server" \
	eval '[[ $(server_of nbd0) != "$(server_of nbd1)" ]]'
check "read-only: the first device detaches" nbd_attach --detach nbd0
check "read-only: the other device works" dd if=/dev/nbd1 of=/dev/null bs=4k count=1 iflag=direct
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
check "--command: --status says one process for each connection" \
	eval 'nbd_attach --status nbd0 | grep -qE "^  captive +nbdkit runs.*, one for each connection$"'
check "--command: writes and verifies" writes_and_verifies /dev/nbd0
server=$(server_of nbd0)
kill -KILL "$server"
check "--command: another connection has another process" wait_for 15 another_server nbd0 "$server"
check "--command: writes and verifies again" writes_and_verifies /dev/nbd0
ends "--command" nbd0

#
# An image
#
check "--image: attaches" nbd_attach nbd0 --image qcow2:disk.qcow2
check "--image: the identifier is its path" status_is nbd0 identifier "image:$scratch/disk.qcow2"
check "--image: the server writes through" \
	eval 'tr "\\0" " " <"/proc/$(server_of nbd0)/cmdline" | grep -q -- --cache=writethrough'
check "--image: writes and verifies" writes_and_verifies /dev/nbd0
check "--image: trims" blkdiscard /dev/nbd0
kill -KILL "$(server_of nbd0)"
check "--image: heals" writes_and_verifies /dev/nbd0
ends "--image" nbd0
check "--image: has no errors" sound disk.qcow2
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
check "a file: attaches a command" nbd_attach -q files
check "a file: its name finds the device" nbd_attach --check files
check "a file: attaches an image" nbd_attach nbd3
check "a file: detaches" nbd_attach --detach nbd3
ends "a file" files
check "a file: a server on the command line replaces it" \
	expect_status 4 'refuses connections|cannot connect' nbd_attach nbd3 127.0.0.1:1

finish
