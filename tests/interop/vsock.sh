#!/bin/bash
# SPDX-License-Identifier: MIT
# vsock to this machine (CID 1). The kernel's nbd does not accept such a connection, so the program
# uses a relay by itself. With and without TLS, and with outages.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 300
begin 31
# shellcheck source=tests/interop/tls-certs.bash
. "$(dirname "$0")/tls-certs.bash"

d=$scratch/pki
ca "$d"
cert "$d" server "${names[@]}" "$valid"
trust=(--tls-ca "$d/ca-cert.pem" --tls-hostname localhost)
encrypted=(--tls=require --tls-certificates="$d")
truncate -s 64M "$scratch/image"

server() { # PORT NBDKIT-ARGUMENT...; the kernel has no table of vsock listeners
	start nbdkit -f -P "$scratch/nbdkit-$1" --vsock -p "$1" "${@:2}" file "$scratch/image"
	server=$pid
	wait_for 10 test -s "$scratch/nbdkit-$1"
	rm -f "$scratch/nbdkit-$1"
}

relays() { # N: the number of relay processes
	is "$(pgrep -cx nbd-relay)" "$1"
}

says() { # REGEX COMMAND...
	"${@:2}" >"$scratch/said" && cat "$scratch/said" && grep -qE "$1" "$scratch/said"
}

check "no such CID: names what is missing" \
	expect_status 4 'vsock:77:10809 cannot be reached.*vhost_vsock' \
	nbd_attach --info nbd+vsock://77/
modprobe vsock_loopback
check "nobody listens" expect_status 4 'refuses connections.*server' \
	nbd_attach --info nbd+vsock://1/
check "nobody listens: nothing is attached" expect_status 4 'vsock:1:10809 refuses connections' \
	nbd_attach nbd0 nbd+vsock://1/

server 10809
check "--info" says '64 ?MiB|67108864' nbd_attach --info nbd+vsock://1/
check "--list" says 'the default export' nbd_attach --list nbd+vsock://1/
check "plain: attaches" nbd_attach nbd0 nbd+vsock://1/
check "plain: through a relay" eval 'relays 1 && status_is nbd0 relay True'
if kernel_is 5.14; then
	check "plain: the identifier" is "$(cat /sys/block/nbd0/backend)" nbd+vsock://1/
else
	skip "plain: the identifier" "the kernel has no identifiers before 5.14"
fi
check "plain: writes and verifies" writes_and_verifies /dev/nbd0 4M
check "plain: writes and verifies large requests" writes_and_verifies /dev/nbd0 32M --bs=1M

fio --name=load --filename=/dev/nbd0 --size=1M --rw=randwrite --bs=4k --direct=1 \
	--ioengine=libaio --iodepth=4 --rate_iops=150 --verify=crc32c --verify_fatal=1 --time_based --runtime=8 \
	--output="$scratch/fio" &
load=$!
started+=("$load")
pause 1
kill_now "$server"
check "outage: is noticed" wait_for 5 status_is nbd0 state lost
server 10809
check "outage: heals" wait_for 20 status_is nbd0 state attached
supervisor=$(supervisor nbd0)
relay=$(pgrep -x nbd-relay)
kill -KILL "$supervisor"
check "the supervisor has ended" wait_for 5 gone "$supervisor"
check "the device is taken over" nbd_attach nbd0 nbd+vsock://1/
check "... and keeps its connection" status_is nbd0 connections-alive 1
check "... and keeps its relay" is "$(pgrep -x nbd-relay)" "$relay"
check "no request failed" wait "$load"
kill_now "$server"
check "another outage: is noticed" wait_for 5 status_is nbd0 state lost
server 10809
check "another outage: heals" wait_for 20 status_is nbd0 state attached
check "plain: detaches" nbd_attach --detach nbd0
check "plain: the relay ends" wait_for 5 relays 0
stop "$server"

server 10810 "${encrypted[@]}"
check "TLS: --info" says 'tls +TLS1\.[23]' nbd_attach --info nbds+vsock://1:10810/ "${trust[@]}"
check "TLS: attaches" nbd_attach nbd0 nbds+vsock://1:10810/ "${trust[@]}"
check "TLS: through a relay" eval 'relays 1 && status_is nbd0 tls-version TLS1.3'
check "TLS: writes and verifies" writes_and_verifies /dev/nbd0 4M
check "TLS: another name is refused" expect_status 5 'name' nbd_attach --info \
	nbds+vsock://1:10810/ --tls-ca "$d/ca-cert.pem" --tls-hostname elsewhere
check "TLS: no name to verify" expect_status 2 'tls-hostname' nbd_attach --info \
	nbds+vsock://1:10810/ --tls-ca "$d/ca-cert.pem"
kill_now "$server"
check "TLS: an outage is noticed" wait_for 5 status_is nbd0 state lost
server 10810 "${encrypted[@]}"
check "TLS: the outage heals" wait_for 20 status_is nbd0 state attached
check "TLS: the device writes and verifies again" writes_and_verifies /dev/nbd0 1M
check "TLS: detaches" nbd_attach --detach nbd0
stop "$server"

finish
