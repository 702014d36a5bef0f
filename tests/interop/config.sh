#!/bin/bash
# SPDX-License-Identifier: MIT
# Configuration files and names: attaches by them and finds the device by them.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 170
begin 69

sock=$scratch/sock
conf=/etc/nbd-attach
mkdir -p "$conf"

config() { # NAME LINE...
	printf '%s\n' "${@:2}" >"$conf/$1.conf"
}

state_says() { # DEVICE KEY=VALUE
	grep -x "$2" "/run/nbd-attach/$1.state"
}

start_server "$sock" nbdkit -f -U "$sock" memory 16M
server=$pid
start_server 10809 nbdkit -f memory 32M

# A device's own file
config nbd3 "unix = $sock" 'dead-timeout = infinity' 'identifier = three'
check "nbd3.conf: attaches" nbd_attach nbd3
check "nbd3.conf: attaches that device" attached nbd3
check "nbd3.conf: the file's option holds" state_says nbd3 DEAD_TIMEOUT=-1
check "nbd3.conf: gives no name" state_says nbd3 NAME=
check "nbd3.conf: the state file names it as the source" state_says nbd3 CONFIG=nbd3
check "nbd3.conf: works" writes_and_verifies /dev/nbd3
check "nbd3.conf: a second attach is content" expect_status 0 'nbd3 is already' nbd_attach nbd3
check "nbd3.conf: a different one is refused" expect_status 3 'nbd3.*already' nbd_attach -r nbd3
check "nbd3.conf: detaches" nbd_attach --detach nbd3
check "nbd3.conf: /dev/nbd3, overridden" \
	nbd_attach /dev/nbd3 --dead-timeout 7 --name "short" --read-only
check "overridden: the timeout" state_says nbd3 DEAD_TIMEOUT=7
check "overridden: the file's other option" state_says nbd3 IDENTIFIER=three
check "overridden: an option of the command line" state_says nbd3 READ_ONLY=yes
check "--name: the state file has it" state_says nbd3 NAME=short
check "--name: --status" status_is short device /dev/nbd3
check "--name: --status -v prints it" eval 'nbd_attach --status -v | grep -qE "^  name +short$"'
check "--name: detaches" nbd_attach --detach short
check "--name: the device is free" detached nbd3
check "a server on the command line needs no file" nbd_attach nbd3 localhost
check "a server on the command line: no option of the file holds" state_says nbd3 DEAD_TIMEOUT=600
nbd_attach --detach nbd3

# A name attaches any free device
config data "target = nbd+unix:///x?socket=$sock"
check "data.conf: attaches" expect_status 0 '' nbd_attach -q data
check "data.conf: prints the device" is "$(cat "$scratch/stdout")" /dev/nbd0
check "data.conf: its name" status_is data name data
check "data.conf: its configuration" status_is data config data
check "data.conf: --check" nbd_attach --check data
check "data.conf: --reconnect" nbd_attach --reconnect data
check "data.conf: a second attach is content" expect_status 0 'nbd0 is already' nbd_attach data
check "data.conf: it prints the device" is "$(cat "$scratch/stdout")" /dev/nbd0
check "data.conf: a different one is refused" \
	expect_status 3 'nbd0 is attached already.*differ: timeout' nbd_attach -t 9 data
check "data.conf: its name is refused for another device" \
	expect_status 3 'named data.*already' nbd_attach nbd5 localhost --name data
check "data.conf: nbd5 was left alone" detached nbd5
check "data.conf: --name overrides the name" \
	nbd_attach --config "$conf/data.conf" nbd1 localhost --name other
check "data.conf: --status knows the other name" status_is other device /dev/nbd1
check "data.conf: the other device is not called data" status_is other config None

# A supervisor that is killed leaves its state file
kill_now "$(supervisor nbd0)"
wait_for 5 no_supervisor nbd0
check "killed: --status by name" status_is data state unsupervised
check "killed: the same command takes it over" expect_status 0 '' nbd_attach -q data
check "killed: the same device" status_is data device /dev/nbd0
check "killed: it has a supervisor" status_is data state attached
kill_now "$(supervisor nbd0)"
wait_for 5 no_supervisor nbd0
if ! kernel_is 5.14; then # the kernel has no identifier: only the state file names the device
	cp /run/nbd-attach/nbd0.state "$scratch/true"
	sed -i 's/^ATTACHMENT=.*/ATTACHMENT=1/' /run/nbd-attach/nbd0.state
	check "killed: a file of another attachment names nothing" \
		expect_status 1 'no attached device is called data' nbd_attach --detach data
	check "killed: such a file does not lead to a takeover" expect_status 3 'attached already' \
		nbd_attach nbd0 "nbd+unix:///x?socket=$sock"
	mv "$scratch/true" /run/nbd-attach/nbd0.state
else
	skip "killed: a file of another attachment" "from 5.14 on the kernel's identifier decides"
fi
check "killed, detached: by name" nbd_attach --detach data
cp /run/nbd-attach/nbd1.state "$scratch/stale"
check "detached: --check says so" expect_status 1 '' nbd_attach --check data
check "detached: --status says so" expect_status 1 '' nbd_attach --status data
check "detached: --detach says so" expect_status 1 'no attached device is called data' \
	nbd_attach --detach data
check "the other device detaches by its name" nbd_attach --detach other
sed 's/^NAME=.*/NAME=stale/' "$scratch/stale" >/run/nbd-attach/nbd1.state
check "a stale file: names no device" expect_status 1 'no attached device' nbd_attach -d stale
check "a stale file: another attachment of that device" nbd_attach nbd1 -u "$sock"
sed -i 's/^NAME=.*/NAME=stale/; s/^PID=.*/PID=1/' /run/nbd-attach/nbd1.state
check "a stale file: it does not name a device that has a supervisor" \
	expect_status 1 'no attached device' nbd_attach -d stale
kill_now "$(supervisor nbd1)"
wait_for 5 no_supervisor nbd1
check "without a supervisor: the file still names it" nbd_attach --check stale
sed -i 's/^IDENTIFIER=.*/IDENTIFIER=another/; s/^ATTACHMENT=.*/ATTACHMENT=1/' /run/nbd-attach/nbd1.state
check "a stale file: it does not name another attachment" \
	expect_status 1 'no attached device' nbd_attach -d stale
check "a stale file: nbd1 stays" attached nbd1
nbd_attach --detach nbd1

config renamed "unix = $sock" 'name = elsewhere' 'device = nbd2'
check "a name in the file" eval 'nbd_attach renamed && status_is elsewhere device /dev/nbd2'
check "a name in the file: the configuration's name works, too" nbd_attach --detach renamed
nbd_attach -q renamed
config elsewhere "unix = $sock" 'name = third' 'device = nbd3' 'identifier = third'
nbd_attach -q elsewhere
check "two devices of one name: neither is detached" \
	expect_status 1 'several devices.*/dev/nbd2, /dev/nbd3' nbd_attach --detach elsewhere
check "... the link's name selects one of them" nbd_attach --detach /dev/disk/by-nbd/elsewhere
check "... and it was that one" eval 'detached nbd2 && attached nbd3'
nbd_attach --detach nbd3

# Imports an nbdtab(5)
cat >/etc/nbdtab <<END
# comment
nbd7 localhost x swap,persist # and another
/dev/nbd8	$sock	x	unix,_local
END
check "--import-nbdtab" nbd_attach --import-nbdtab
check "--import-nbdtab: says what to do next" \
	eval 'nbd_attach --import-nbdtab --force 2>&1 | grep "enable --now nbd-attach@nbd7 nbd-attach@nbd8$"'
echo '# nothing' >"$scratch/empty"
check "--import-nbdtab: a file without entries" \
	expect_status 0 'has no entries' nbd_attach --import-nbdtab "$scratch/empty"
check "--import-nbdtab: the first entry attaches" nbd_attach nbd7
check "--import-nbdtab: the first entry has its server" state_says nbd7 URI=nbd://localhost/x
check "--import-nbdtab: the second entry attaches" nbd_attach nbd8 --no-reconnect
check "--import-nbdtab: the second entry has its socket" \
	state_says nbd8 "URI=nbd+unix:///x?socket=$sock"
check "--import-nbdtab: both devices detach" eval 'nbd_attach -d nbd7 && nbd_attach -d nbd8'
check "--import-nbdtab: existing files are kept" eval '
	! nbd_attach --import-nbdtab && ! nbd_attach -q --import-nbdtab 2>&1 | grep -v "exists and was not changed"'
check "--import-nbdtab: --force overwrites them" eval '
	sed -i s/localhost/127.0.0.1/ /etc/nbdtab &&
	nbd_attach --import-nbdtab --force && grep -qx "target = 127.0.0.1" "$conf/nbd7.conf"'
printf '%s\n' 'nbd9 h x tls' 'nbd9 h x certfile=c' 'nbd10 h x foo' 'nbd10 h x' >"$scratch/tab"
check "--import-nbdtab: refuses wrong lines" expect_status 1 '' \
	nbd_attach --import-nbdtab --force --output "$scratch/out" "$scratch/tab"
check "--import-nbdtab: names the refused line" \
	grep -q 'tab:4: not imported: an earlier line is also for nbd10' "$scratch/stderr"
check "--import-nbdtab: leaves no temporary file" is "$(ls -A "$scratch/out")" nbd10.conf
check "--import-nbdtab: no file" expect_status 2 'cannot read' nbd_attach --import-nbdtab /nothing

# Wrong files
check "no such file" expect_status 2 '/etc/nbd-attach/nothing.conf' nbd_attach nothing
config wrong 'target = localhost' 'timout = 5'
check "a wrong file" expect_status 2 'wrong.conf:2: there is no option "timout"' nbd_attach wrong
check "--check-config says the same" \
	expect_status 2 'wrong.conf:2: there is no option' nbd_attach --check-config "$conf/wrong.conf"
check "--check-config: takes a name" \
	expect_status 2 'wrong.conf:2: there is no option' nbd_attach --check-config wrong
config files 'target = localhost' 'tls = yes' "tls-ca = $scratch/no-ca.pem"
check "--check-config: looks for the files" \
	expect_status 2 'files.conf:3: tls-ca: there is no .*no-ca.pem' nbd_attach --check-config files
check "--check-config accepts correct files" \
	expect_status 0 '' nbd_attach --check-config "$conf/data.conf"
chmod 666 "$conf/data.conf"
check "a file that others can write" expect_status 2 'data.conf: other users.*can write' nbd_attach data
chmod 644 "$conf/data.conf"
chown 12 "$conf/data.conf"
check "a file of another user" expect_status 2 'belongs to user 12' nbd_attach data

stop "$server"
finish
