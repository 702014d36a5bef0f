#!/bin/bash
# SPDX-License-Identifier: MIT
# Typical mistakes of users, with the message and the exit status. All are in one place, so that a
# reviewer can judge whether the sentences help. A line that begins with $ is a shell command; the
# next line is its exit status; the rest is its standard error and output. DIR is the scenario's
# directory, which is also the working directory.
#
# Long: one table.
# shellcheck source=tests/stub/lib.bash disable=SC2119
. "$(dirname "$0")/../lib.bash"

table() {
	cat <<'TABLE'
$ nbd0
2
the server of nbd0, a HOST or a URI, is missing, and there is no configuration /etc/nbd-attach/nbd0.conf; try nbd-attach --help
$ nbd0 localhost data data2
2
"data2" is one word too many; try nbd-attach --help
$ nbd0 localhost 10809 data
2
the port belongs to the host: nbd-attach nbd0 localhost:10809 "data"
$ localhost nbd0
2
the device comes first: nbd-attach nbd0 "localhost"
$ localhost 10809 /dev/nbd0
2
the device comes first: nbd-attach --port=10809 /dev/nbd0 "localhost"
$ /dev/sda localhost
2
"/dev/sda" is not an NBD device: write /dev/nbd0, nbd0, or auto for a free one
$ /dev/nbd0p1 localhost
2
"/dev/nbd0p1" is a partition: use the device itself, nbd0
$ nbd localhost
2
"nbd" is not an NBD device: write /dev/nbd0, nbd0, or auto for a free one
$ data.conf
2
"data.conf" is not a device: write nbd-attach data for the configuration /etc/nbd-attach/data.conf
$ file
2
"file" is a file, not a device: write nbd-attach auto --image FORMAT:file
$ ./data.conf
2
"./data.conf" is not a device: write nbd-attach --config ./data.conf
$ nosuch
2
nosuch is neither an NBD device nor a configuration (/etc/nbd-attach/nosuch.conf does not exist); try nbd-attach --help
$ status
2
"status" is not a device: write nbd-attach --status, or nbd-attach --status DEVICE
$ status nbd0
2
"status" is not a device: write nbd-attach --status, or nbd-attach --status DEVICE
$ list localhost
2
"list" is not a device: write nbd-attach --list HOST for the exports of a server, or nbd-attach --status for the devices that are attached
$ fail-now nbd0
2
"fail-now" is not a device: write nbd-attach --fail-now DEVICE
$ reload nbd0
2
"reload" is not a device: write nbd-attach --reload DEVICE, for a device that a unit has attached
$ --reload
2
--reload needs a DEVICE; try nbd-attach --help
$ --reload nbd3
1
/dev/nbd3 is not attached
$ --reload nbd0
1
/dev/nbd0: the configuration is not read again: no service manager has started this supervisor
$ detach nbd0
2
"detach" is not a device: write nbd-attach --detach DEVICE
$ connect localhost nbd0
2
"connect" is not a device: connecting needs no verb: nbd-attach DEVICE HOST EXPORT
$ nbd1 localhost --timeout
2
--timeout needs a value: SECONDS; try nbd-attach --help
$ nbd1 localhost -timeout 30
2
"-timeout" is an option of nbd-client's: write --dead-timeout SECONDS for how long I/O waits without a server; --timeout SECONDS is for a request that a connected server does not answer
$ nbd1 localhost -persist
2
"-persist" is an option of nbd-client's: leave it out: nbd-attach always connects again
$ nbd1 localhost --readonly
2
"--readonly" is an option of nbd-client's: write --read-only
$ nbd1 localhost --dry-run
2
there is no option "--dry-run": --show-config prints what would be attached, and attaches nothing
$ nbd1 --disconnect
2
"--disconnect" is an option of nbd-client's: write --detach DEVICE
$ nbd1 localhost --read
2
there is no option "--read"; options are not abbreviated: is --read-only meant?
$ nbd1 localhost --ro
2
there is no option "--ro": write --read-only
$ nbd1 localhost -Z
2
there is no option "-Z"; try nbd-attach --help
$ nbd1 localhost --read-only=yes
2
--read-only takes no value; try nbd-attach --help
$ nbd1 localhost --wait 30
2
--wait takes its value after an equals sign: --wait=30
$ nbd1 localhost -p 10809 -p 10810
2
--port is given twice
$ nbd1 localhost -p nbd
2
the port must be a number from 1 to 65535, not "nbd"
$ nbd1 localhost:0
2
the port must be a number from 1 to 65535, not "0"
$ nbd1 localhost:99999
2
the port must be a number from 1 to 65535, not "99999"
$ nbd1 ::1:10809
2
"::1:10809" is not a host: write an IPv6 address with a port as [ADDRESS]:PORT, anything else as a URI
$ nbd1 nbd://localhost/a/b c
2
a URI contains the export: write nbd://HOST/EXPORT, without a separate EXPORT
$ nbd1 http://localhost/
2
the scheme "http" is not one of nbd:// nbds:// nbd+unix:// nbds+unix:// nbd+vsock:// or nbds+vsock://
$ nbd1 nbd:localhost:10809
2
"nbd:localhost:10809" is QEMU's way to write it: write nbd://HOST:PORT/EXPORT or nbd+unix:///EXPORT?socket=PATH
$ nbd1 'nbd:localhost:10809:exportname=data'
2
"nbd:localhost:10809:exportname=data" is QEMU's way to write it: write nbd://HOST:PORT/EXPORT or nbd+unix:///EXPORT?socket=PATH
$ nbd1 'nbd://local host/'
2
byte 12 of the URI, " ", must be percent-encoded: %20
$ nbd1 /run/server.sock
2
"/run/server.sock" is a path, not a server: write --unix PATH for a Unix socket, --image FORMAT:FILE for a disk image
$ nbd1 ''
2
the host is empty: give a HOST, a URI, or --unix PATH
$ nbd1 127.0.0.1:1 10809
4
10809 is used as the name of the export; write a port as HOST:PORT
127.0.0.1:1 refuses connections: is the server running?
$ nbd1 127.0.0.1:1
4
127.0.0.1:1 refuses connections: is the server running?
$ nbd1 127.0.0.1:1 --source nosuch0
4
this machine has no network interface nosuch0: --source takes the name of an interface, or an address of this machine
$ nbd1 [fe80::2]:1 --source fe80::1%nosuch0
4
this machine has no network interface nosuch0: --source takes the name of an interface, or an address of this machine
$ nbd1 127.0.0.1:1 --source 192.0.2.77
4
cannot connect to 127.0.0.1:1 from 192.0.2.77: --source is not an address of this machine, or it is of the other IP version than the server
$ nbd1 -u nosuch.sock
4
unix:DIR/nosuch.sock does not exist: is the server running?
$ --info qcow2:file
2
"qcow2:file" is not a host: for a disk image write --image before it
$ nbd1 raw:./file
2
"raw:./file" is not a host: for a disk image write --image before it
$ nbd1 -u file
4
unix:DIR/file is not a socket: --unix takes the one at which a server listens; for a disk image write --image FORMAT:FILE
$ nbd1 -u . x y
2
"y" is one word too many after --unix; try nbd-attach --help
$ nbd1 --unix
2
--unix needs a value: PATH; try nbd-attach --help
$ nbd1 -u sock
3
"nbd+unix:///?socket=DIR/sock" is attached already as /dev/nbd0, by the nbd-attach process PID: `nbd-attach --detach nbd0` detaches it
$ nbd0 -u other.sock
3
/dev/nbd0 is attached already, by the nbd-attach process PID: `nbd-attach --detach nbd0` detaches it; these options differ: server, identifier
$ nbd1 --tls localhost
2
TLS needs something to verify the server with: give --tls-ca FILE, --tls-certificates DIRECTORY or --tls-psk FILE; --tls-verify-peer 0 trusts any server
$ nbd1 nbds://localhost/ --tls-key file
2
--tls-cert and --tls-key must be given together
$ nbd1 localhost --tls-ca file
2
--tls-ca needs TLS: give --tls too, or an nbds:// URI
$ nbd1 localhost --block-size 1000
2
--block-size must be a power of two from 512 to 65536, such as 4096 or 4K, not "1000"
$ nbd1 localhost --block-size 4kB
2
--block-size must be a power of two from 512 to 65536, such as 4096 or 4K, not "4kB"
$ nbd1 localhost --connections 100
2
--connections must be a number from 1 to 16, not "100"
$ nbd1 localhost --dead-timeout forever
2
--dead-timeout must be a whole number of seconds from 0 to 2147483, such as 90 or 2m, or infinity, not "forever"
$ nbd1 localhost --dead-timeout 10d
2
--dead-timeout must be a whole number of seconds from 0 to 2147483, such as 90 or 2m, or infinity, not "10d"
$ nbd1 localhost --timeout 1.5
2
--timeout must be a whole number of seconds from 0 to 2147483, such as 90 or 2m, not "1.5"
$ nbd1 localhost --io-timeout 60
2
--io-timeout must be a number of seconds from 1 to 30, with at most three decimals, such as 7.5 or 7500ms, not "60"
$ nbd1 localhost --peer-timeout 1
2
--peer-timeout must be a number of seconds from 5 to 3600, with at most three decimals, such as 7.5 or 7500ms, not "1"
$ nbd1 localhost --retry-delay 0
2
--retry-delay must be one or two numbers of seconds from 0.1 to 3600, with a comma between them, such as 0.5,5, not "0"
$ nbd1 localhost --retry-delay-late 5
2
the option retry-delay-late has been replaced by --retry-delay with two values, such as --retry-delay 0.5,5
$ nbd1 localhost --failover standby
2
--failover takes a URI, such as nbd://HOST/EXPORT, not "standby"
$ nbd1 localhost --failover-unfenced
2
the option failover-unfenced has been replaced by --fence none
$ nbd1 localhost --fence none
2
--fence needs another server: add --failover URI
$ nbd1 localhost --name nbd5
2
--name must have 1 to 64 letters, digits, dots, dashes and underscores, the first one a letter or digit, and be neither auto nor the name of a device, not "nbd5"
$ nbd1 localhost --backend kernel
2
--backend must be one of auto|netlink|ioctl, not "kernel"
$ nbd1 localhost --swap --follow-dns
2
--swap and --follow-dns cannot be combined: resolving a name during an outage needs files, and memory that may be swapped out
$ --image raw:file
2
a DEVICE is missing: write nbd0, or auto for a free one
$ nbd1 --image file
2
--image needs the format before the file, such as raw:FILE or qcow2:FILE, not "file": guessing the format is not safe, because the content of a raw image can look like another format
$ nbd1 --image qcow2:bad.qcow2
5
the server qemu-nbd ended with exit status 1: ...
$ nbd1 --image raw:nosuch
5
the server qemu-nbd ended with exit status 1: ...
$ nbd1 -- [ nbdkit --nosuchoption ]
5
the server nbdkit ended with exit status 1: ...
$ nbd1 -- [ false ]
5
the server false ended with exit status 1
$ nbd1 localhost --raed-only
2
there is no option "--raed-only": is --read-only meant?
$ nbd1 localhost --exprot data
2
there is no option "--exprot": is --export meant?
$ nbd1 --image file --format raw
2
--image needs the format before the file, such as raw:FILE or qcow2:FILE, not "file": guessing the format is not safe, because the content of a raw image can look like another format
$ nbd1 --image raw:file data
2
--image serves the whole image as the only export of its server: leave out "data"
$ nbd1 --
2
there is no server command after --: -- [ COMMAND ... ]; try nbd-attach --help
$ nbd1 -- nbdkit memory 1M
2
a server command must be in brackets: -- [ "nbdkit" ... ]; try nbd-attach --help
$ nbd1 -- [ nbdkit memory 1M
2
the server command that begins with [ must end with ] as a separate argument; try nbd-attach --help
$ nbd1 -- [ nosuchserver ]
6
cannot run nosuchserver: No such file or directory
$ -d
2
--detach needs a DEVICE; try nbd-attach --help
$ -d nbd77
2
there is no device /dev/nbd77
$ -d nosuch
1
no attached device is called nosuch: nbd-attach --status lists those that are attached
$ -d data.conf
1
no attached device is called data.conf: if the configuration of that file is meant, write data
$ -d /etc/nbd-attach/data.conf
1
no attached device is called /etc/nbd-attach/data.conf: if the configuration of that file is meant, write data
$ -s data.conf
1
no attached device is called data.conf: if the configuration of that file is meant, write data
$ --check-config data2.conf
2
/etc/nbd-attach/data2.conf: this file cannot be read: No such file or directory
$ -d /nosuch
1
nothing is mounted at "/nosuch": name a device, its name, or a mount point
$ -d nbd0 -r
2
--read-only cannot be combined with --detach; try nbd-attach --help
$ -s --force
2
--force belongs to --detach or --import-nbdtab; try nbd-attach --help
$ -l
2
--list needs a HOST or a URI; try nbd-attach --help
$ -l localhost data
2
"data" is one word too many; try nbd-attach --help
$ -I localhost --all data
2
"data" is one word too many after --all; try nbd-attach --help
$ --status --json --openmetrics
2
--json and --openmetrics cannot be combined
$ --status --wait
2
--status waits only with --follow and a DEVICE: leave out --wait
$ --check --status nbd0
2
--check and --status cannot be combined
$ --check-config
2
--check-config needs a FILE; try nbd-attach --help
$ --check-config nosuch
2
/etc/nbd-attach/nosuch.conf: this file cannot be read: No such file or directory
$ --check-config comment.conf
2
comment.conf:1: a # after a blank does not begin a comment here: put the comment on a line of its own, or a command into a script
$ --check-config quotes.conf
2
quotes.conf:1: quotes are a part of the value in this file: write the value without them
$ --check-config removed.conf
2
removed.conf:2: the option format has been replaced by --image FORMAT:FILE, such as --image qcow2:disk.qcow2
removed.conf:3: the option retry-delay-late has been replaced by --retry-delay with two values, such as --retry-delay 0.5,5
$ --check-config truth.conf
2
truth.conf:2: read-only must be yes or no, not "1"
$ --check-config command.conf
2
command.conf:1: target: there is no command /no/such/server
$ --check-config ca.conf
2
ca.conf:2: tls-ca: there is no /no/such/ca.pem
$ --check-config uri.conf
2
uri.conf:1: target: there is no /no/such/certificates
uri.conf:2: failover: there is no /no/such/key\x0a
$ --check-config two.conf
2
two.conf:3: there is no option "foo"
two.conf:1: the port must be a number from 1 to 65535, not "99999"
$ --check-config image.conf
2
image.conf:1: image: there is no /no/such/image
$ --check-config empty.conf
2
empty.conf: this file names no server: add `target = HOST`, `target = nbd://HOST/EXPORT` or `unix = PATH`
$ --check-config section.conf
2
section.conf:1: this file cannot have sections: remove the line
$ --check-config typo.conf
2
typo.conf:1: there is no option "taget": is target meant?
TABLE
}

# The files that the command lines use.
prepare() {
	pushd "$N" >/dev/null || exit
	printf 'no image' >bad.qcow2
	touch file
	mkdir etc
	echo 'target = localhost' >etc/data.conf
	printf '%s\n' 'target = localhost # the server' >comment.conf
	printf '%s\n' 'target = "localhost"' >quotes.conf
	printf '%s\n' 'target = localhost' 'format = raw' 'retry-delay-late = 9' >removed.conf
	printf '%s\n' 'target = localhost' 'read-only = 1' >truth.conf
	printf '%s\n' 'target = [ /no/such/server ]' >command.conf
	printf '%s\n' 'target = nbds://localhost/' 'tls-ca = /no/such/ca.pem' >ca.conf
	printf '%s\n' 'target = nbds://localhost/x?tls-certificates=/no/such/certificates' \
		'failover = nbds://localhost/y?tls-type=psk&tls-psk-file=/no/such/key%0a&tls-verify-peer=1' >uri.conf
	printf '%s\n' 'target = localhost' 'port = 99999' 'foo = 3' >two.conf
	printf '%s\n' 'image = qcow2:/no/such/image' >image.conf
	printf '%s\n' 'read-only = yes' >empty.conf
	printf '%s\n' '[disk]' 'target = localhost' >section.conf
	printf '%s\n' 'taget = localhost' >typo.conf
	popd >/dev/null || exit
	serve
	nbd_attach nbd0 -u "$sock" >/dev/null 2>&1
	sock=$N/other.sock
	serve nbdkit -f -U "$sock" null 1M
}

# Runs a command line and prints it as in the table, without the parts that differ between runs.
answer() { # LINE
	local status said
	said=$(cd "$N" && eval "nbd_attach $1" 2>&1)
	status=$?
	printf '$ %s\n%s\n' "$1" "$status"
	sed -E "s#$N#DIR#g; s/process [0-9]+/process PID/g; s/^nbd-attach: //
		s/(ended with exit status [0-9]+): .*/\1: .../" <<<"$said"
}

prepare
table >"$N/wanted"
while read -r line; do
	[[ $line = '$ '* ]] && answer "${line#\$ }"
done <"$N/wanted" >"$N/answered"
if [[ ${1:-} = print ]]; then
	cat "$N/answered"
	exit
fi
check "at least 60 wrong inputs" test "$(grep -c '^\$ ' "$N/wanted")" -ge 60
check "each gets its sentence and its exit status" diff "$N/wanted" "$N/answered"
check "nothing else is attached" is "$(cd "$N" && echo nbd*.state)" nbd0.state
check "it detaches" detach
finish
