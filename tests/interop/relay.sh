#!/bin/bash
# SPDX-License-Identifier: MIT
# The relay: requested by --relay, and where the kernel needs it; without its supervisor, without
# its server, killed, and with a server that does not read.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 400
begin 34
# shellcheck source=tests/interop/tls-certs.bash
. "$(dirname "$0")/tls-certs.bash"

d=$scratch/pki
ca "$d"
cert "$d" server "${names[@]}" "$valid"
trust=(--tls --tls-ca "$d/ca-cert.pem")
truncate -s 64M "$scratch/image"
port=10870

relays() { # N: the number of relay processes
	is "$(pgrep -cx nbd-relay)" "$1"
}

works() { # NAME
	check "$1: a relay runs" relays 1
	check "$1: --status says so" status_is nbd0 relay True
	check "$1: writes and verifies" writes_and_verifies /dev/nbd0 4M
	check "$1: writes and verifies large requests" writes_and_verifies /dev/nbd0 32M --bs=1M
	check "$1: detaches" nbd_attach --detach nbd0
	check "$1: the relay ends" wait_for 5 relays 0
}

server() { # NBDKIT-ARGUMENT...: a file, at $port
	start_server $port nbdkit -f -p $port "$@" file "$scratch/image"
	server=$pid
}

# In plain text, as for a transport that the kernel does not support
server
check "plain: attaches" nbd_attach nbd0 localhost:$port --relay
works plain
kill_now "$server"

# TLS
((port++))
encrypted=(--tls=require --tls-certificates="$d")
server "${encrypted[@]}"
check "TLS: attaches" nbd_attach nbd0 localhost:$port "${trust[@]}" --relay
relay=$(pgrep -x nbd-relay)
check "TLS: the relay has no privilege" eval '
	grep -E "^(Uid|Cap|Seccomp|NoNewPrivs)" /proc/$relay/status
	grep -q "^CapEff:.*0000000000000000$" /proc/$relay/status &&
	! grep -q "^Uid:.*\b0\b" /proc/$relay/status && grep -q "^Seccomp:.*2$" /proc/$relay/status'
check "TLS: the relay is locked in memory" eval '
	grep VmLck /proc/$relay/status
	(($(awk "/VmLck/ {print \$2}" /proc/$relay/status) > 2000))'
check "TLS: the OOM killer spares the relay" is "$(cat "/proc/$relay/oom_score_adj")" -1000
wakeups() {
	awk '/ctxt_switches/ {n += $2} END {print n}' "/proc/$relay/status"
}
check "TLS: an idle relay sleeps" eval '
	pause 2 # until the peer has acknowledged everything
	before=$(wakeups); pause 3; is "$(wakeups)" "$before"'
works TLS

check "four connections: attaches" nbd_attach nbd0 localhost:$port "${trust[@]}" --relay -C 4
check "four connections: four relays" relays 4
check "four connections: writes and verifies" writes_and_verifies /dev/nbd0 8M --numjobs=1
check "four connections: detaches" nbd_attach --detach nbd0
check "four connections: the relays end" wait_for 5 relays 0

# Cases where the program chooses the relay
check "a cipher that the kernel does not know: attaches" nbd_attach nbd0 localhost:$port \
	"${trust[@]}" --tls-priority NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-256-CCM:-MAC-ALL:+AEAD
works "a cipher that the kernel does not know"
check "an old cipher: attaches" nbd_attach nbd0 localhost:$port \
	"${trust[@]}" --tls-priority NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-256-CBC:-MAC-ALL:+SHA1
works "a cipher of old"
check "TLS 1.3 with AES, renewing keys: attaches" nbd_attach nbd0 localhost:$port \
	"${trust[@]}" --relay --tls-priority NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-256-GCM
works "TLS 1.3 with AES, renewing keys"
start_server "$scratch/sock" nbdkit -f -U "$scratch/sock" "${encrypted[@]}" file "$scratch/image"
check "Unix socket: attaches" nbd_attach nbd0 -u "$scratch/sock" "${trust[@]}" \
	--tls-hostname localhost
works "Unix socket"
stop "$pid"
rmmod tls 2>/dev/null
mount -t tmpfs none "/lib/modules/$(uname -r)"
check "a kernel without TLS: attaches" nbd_attach nbd0 localhost:$port "${trust[@]}"
works "a kernel without TLS"
umount "/lib/modules/$(uname -r)"

# Outages
load() { # in the background; sets $load
	fio --name=load --filename=/dev/nbd0 --size=1M --rw=randwrite --bs=4k --direct=1 \
		--ioengine=libaio --iodepth=4 --rate_iops=150 --verify=crc32c --verify_fatal=1 --time_based \
		--runtime="$1" --output="$scratch/fio" &
	load=$!
	started+=("$load")
}
check "outages: attaches" nbd_attach nbd0 localhost:$port "${trust[@]}" --relay
load 20
pause 2
kill_now "$server"
check "outages: the relay ends with its server" wait_for 5 relays 0
server "${encrypted[@]}"
check "outages: heals" eval 'wait_for 20 status_is nbd0 state attached && status_is nbd0 outages 1'
check "outages: a new relay runs" relays 1
kill -KILL "$(pgrep -x nbd-relay)"
check "outages: heals when the relay is killed" eval '
	wait_for 20 status_is nbd0 outages 2 && wait_for 20 status_is nbd0 state attached'
supervisor=$(supervisor nbd0)
relay=$(pgrep -x nbd-relay)
kill -KILL "$supervisor"
check "outages: the supervisor has ended" wait_for 5 gone "$supervisor"
check "outages: the relay still runs" running "$relay"
pause 2
check "outages: the device is taken over" nbd_attach nbd0 localhost:$port "${trust[@]}" --relay
check "outages: the takeover keeps the connection" status_is nbd0 connections-alive 1
check "outages: the takeover keeps the relay" is "$(pgrep -x nbd-relay)" "$relay"
check "outages: no request failed" wait "$load"
kill_now "$server"
check "outages: the new supervisor notices the loss" wait_for 5 status_is nbd0 state lost
server "${encrypted[@]}"
check "outages: the new supervisor heals the device" wait_for 20 status_is nbd0 state attached

# A server that does not read: the relay's buffers are bounded
kill -STOP "$server"
dd if=/dev/zero of=/dev/nbd0 bs=1M count=32 oflag=direct 2>/dev/null &
writer=$!
started+=("$writer")
pause 4
relay=$(pgrep -x nbd-relay)
check "a server that does not read: memory is bounded" eval '
	grep VmRSS /proc/$relay/status
	(($(awk "/VmRSS/ {print \$2}" /proc/$relay/status) < 16000))'
check "a server that does not read: the connection is kept" is "$(pgrep -x nbd-relay)" "$relay"
kill -CONT "$server"
check "a server that does not read: goes on" wait "$writer"
kill -STOP "$server"
dd if=/dev/zero of=/dev/nbd0 bs=1M count=32 oflag=direct 2>/dev/null &
writer=$!
started+=("$writer")
pause 3
check "a server that does not read: --detach --force" nbd_attach --detach --force nbd0
check "a server that does not read: the relay ends" wait_for 5 relays 0
kill -CONT "$server"
wait "$writer"
stop "$server"

finish
